use std::fs;

use serde_json::json;

use crate::harness::{Reply, Server, problem, run};

fn applied(changed: bool) -> Reply {
    Reply::Json(200, json!({ "name": "data_import", "hash": "0123456789abcdef0123", "changed": changed }))
}

#[tokio::test]
async fn all_files_are_tried_and_errors_have_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("bad.yaml"), "name: x").unwrap();
    fs::write(path("good.json"), "{}").unwrap();
    let server = Server::start(|asked, _| {
        if asked.body == "{}" {
            return applied(true);
        }
        let entry =
            json!({ "source": "bad.yaml", "line": 3, "column": 7, "path": "steps[0].jop", "message": "unknown key" });
        Reply::Json(422, problem(422, "invalid_definition", "1 error", json!({ "errors": [entry] })))
    })
    .await;
    let files = [path("bad.yaml"), path("none.yaml"), path("good.json")];
    let args: Vec<&str> = ["apply"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let run = server.run(&args).await;
    assert_eq!(run.code(2), "data_import registered 0123456789ab\n");
    assert!(
        run.stderr.contains(&format!("{}: 1 error\n  bad.yaml:3:7: steps[0].jop: unknown key\n", files[0])),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains(&format!("{}: cannot be read: No such file", files[1])), "{}", run.stderr);
    let asked = server.asked();
    assert_eq!(asked[0].headers["content-type"], "application/yaml");
    assert!(asked[0].line.starts_with("PUT /definitions?source="), "{}", asked[0].line);
    assert_eq!(asked[1].headers["content-type"], "application/json");

    let run = server.run(&[&args[..], &["--json"]].concat()).await;
    run.code(2);
    assert_eq!(run.json()["definitions"][0]["name"], "data_import");
    assert_eq!(run.json()["errors"][0]["error"]["kind"], "invalid_definition");
    assert_eq!(run.json()["errors"][1]["error"]["kind"], "usage");
}

#[tokio::test]
async fn a_definition_comes_by_standard_input() {
    let server = Server::start(|_, _| applied(false)).await;
    let result = run(server.command(&["apply", "-"]), "name: x\n").await;
    assert_eq!(result.code(0), "data_import unchanged 0123456789ab\n");
    assert_eq!(server.asked()[0].body, "name: x\n");
}

#[tokio::test]
async fn definitions_are_listed_and_shown() {
    let one = json!({ "name": "data_import", "title": "Data import", "hash": "0123456789abcdef", "steps": 7 });
    let server = Server::always(200, json!({ "definitions": [one] })).await;
    let run = server.run(&["definitions"]).await;
    assert_eq!(
        run.code(0),
        "NAME         TITLE        STEPS  HASH          REGISTERED\ndata_import  Data import      7  0123456789ab\n"
    );

    let mut one = one.clone();
    one["definition"] = json!({ "name": "data_import", "steps": [] });
    let server = Server::always(200, one).await;
    let run = server.run(&["definitions", "data_import"]).await;
    assert!(run.code(0).starts_with("data_import: Data import\nhash        0123456789abcdef\n"), "{}", run.stdout);
    assert!(run.stdout.contains("\"steps\": []"), "{}", run.stdout);
    assert_eq!(server.lines(), ["GET /definitions/data_import"]);
    server.run(&["definitions", "../jobs"]).await.code(2);
}

#[tokio::test]
async fn versions_are_listed_and_one_is_shown() {
    let version = |hash: &str, is_current: bool| json!({ "hash": hash, "title": "Data import", "source": "a.yaml", "created_at": "2020-01-01T00:00:00Z", "is_current": is_current, "runs": 3 });
    let both = json!({ "versions": [version("fedcba9876543210", true), version("0123456789abcdef", false)] });
    let server = Server::always(200, both).await;
    let run = server.run(&["definitions", "data_import", "--versions"]).await;
    let lines: Vec<Vec<&str>> = run.code(0).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((lines[1][0], lines[1].last()), ("fedcba987654", Some(&"current")));
    assert_eq!((lines[2][0], lines[2].last()), ("0123456789ab", Some(&"3")));
    assert_eq!(server.lines(), ["GET /definitions/data_import/versions"]);

    let server =
        Server::always(200, json!({ "name": "data_import", "hash": "0123456789abcdef", "definition": {} })).await;
    server.run(&["definitions", "data_import", "--hash", "0123456789ab"]).await.code(0);
    assert_eq!(server.lines(), ["GET /definitions/data_import?version=0123456789ab"]);
    server.run(&["definitions", "--versions"]).await.code(2);
}
