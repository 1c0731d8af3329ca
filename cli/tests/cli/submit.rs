use serde_json::{Value, json};

use crate::harness::{ID, Reply, Server, command, ended, event, job, problem, run};

fn accepted() -> Value {
    json!({ "id": ID, "status": "pending", "duplicate": false })
}

#[tokio::test]
async fn prints_the_id_and_nothing_else() {
    let server = Server::always(201, accepted()).await;
    let run = server.run(&["submit", "data_import"]).await;
    assert_eq!(run.code(0), format!("{ID}\n"));
    assert_eq!(run.stderr, "");
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /jobs");
    assert_eq!(serde_json::from_str::<Value>(&asked.body).unwrap(), json!({ "type": "data_import", "params": {} }));
    assert!(asked.headers["idempotency-key"].to_str().unwrap().starts_with("drover-cli/"));
}

#[tokio::test]
async fn sends_what_was_given() {
    let server = Server::always(201, accepted()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"path": "/a", "n": 1}"#).unwrap();
    let params = format!("@{}", file.path().display());
    let args = ["submit", "t", "--params", &params, "--param", "n=2", "--param", "text=x=y", "--param", "list=[true]"];
    let more = ["--label", "team=sales", "--key", "k-1", "--run-at", "2026-07-26T12:00:00Z", "--json"];
    let run = server.run(&[&args[..], &more[..]].concat()).await;
    run.code(0);
    assert_eq!(run.json(), accepted());
    let asked = &server.asked()[0];
    assert_eq!(
        serde_json::from_str::<Value>(&asked.body).unwrap(),
        json!({
            "type": "t", "params": { "path": "/a", "n": 2, "text": "x=y", "list": [true] },
            "labels": { "team": "sales" }, "run_at": "2026-07-26T12:00:00.000Z",
        })
    );
    assert_eq!(asked.headers["idempotency-key"], "k-1");
}

#[tokio::test]
async fn reads_parameters_from_standard_input() {
    let server = Server::always(201, accepted()).await;
    run(server.command(&["submit", "t", "--params", "-"]), r#"{"a": 1}"#).await.code(0);
    assert!(server.asked()[0].body.contains(r#""params":{"a":1}"#));
}

#[tokio::test]
async fn parameters_that_are_no_object_are_refused_before_anything_is_sent() {
    let server = Server::always(201, accepted()).await;
    for (params, words) in
        [("[1]", "the value is no JSON object"), ("{", "the value is no JSON"), ("@/none", "/none cannot be read")]
    {
        let run = server.run(&["submit", "t", "--params", params]).await;
        assert_eq!(run.code(2), "");
        assert!(run.stderr.contains(&format!("--params: {words}")), "{}", run.stderr);
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn parameter_errors_stand_one_on_a_line() {
    let errors = json!({ "errors": [
        { "pointer": "/import_path", "message": "is missing" },
        { "pointer": "/max", "message": "is \"x\"; it must be a number" },
    ] });
    let answer = problem(422, "invalid_params", "the parameters do not fit data_import", errors);
    let server = Server::always(422, answer.clone()).await;
    let run = server.run(&["submit", "data_import"]).await;
    assert_eq!(run.code(2), "");
    assert_eq!(
        run.stderr,
        "error: the parameters do not fit data_import\n  /import_path: is missing\n  /max: is \"x\"; it must be a number\n"
    );

    let run = server.run(&["--json", "submit", "data_import"]).await;
    run.code(2);
    assert_eq!(run.json(), json!({ "error": answer }));
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_key() {
    let server = Server::start(|_, before| match before {
        0 | 1 => Reply::Busy(problem(503, "unavailable", "the database is away", json!({}))),
        _ => Reply::Json(201, accepted()),
    })
    .await;
    let run = server.run(&["submit", "t"]).await;
    assert_eq!(run.code(0), format!("{ID}\n"));
    assert!(run.stderr.contains("the database is away; trying again"), "{}", run.stderr);
    let keys: Vec<_> = server.asked().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up() {
    let busy = problem(503, "unavailable", "the database is away", json!({}));
    let server = Server::start(move |_, _| Reply::Busy(busy.clone())).await;
    let run = server.run(&["submit", "t"]).await;
    assert_eq!(run.code(4), "");
    assert!(run.stderr.ends_with("error: the database is away\n"), "{}", run.stderr);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_key_that_was_used_is_told() {
    let server = Server::always(200, json!({ "id": ID, "status": "running", "duplicate": true })).await;
    let run = server.run(&["submit", "t", "--key", "k"]).await;
    assert_eq!(run.code(0), format!("{ID}\n"));
    assert!(run.stderr.contains("key was used before"), "{}", run.stderr);
}

#[tokio::test]
async fn waiting_follows_to_the_end() {
    for (status, code) in [("completed", 0), ("failed", 1), ("cancelled", 1), ("completed_with_errors", 3)] {
        let server = Server::start(move |asked, _| match asked.line.as_str() {
            "POST /jobs" => Reply::Json(201, accepted()),
            _ => Reply::Events {
                chunks: vec![event("job", &job("running", json!({}))), event("end", &ended(status))],
                breaks: false,
            },
        })
        .await;
        let run = server.run(&["submit", "t", "--wait"]).await;
        assert_eq!(run.code(code), format!("{ID}\n"), "the id alone is data");
        assert!(run.stderr.contains(&format!("Data import {ID} {status} in 1m 12s")), "{}", run.stderr);

        let run = server.run(&["submit", "t", "--wait", "--json"]).await;
        run.code(code);
        assert_eq!(run.json(), ended(status));
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_the_way_out() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for args in [&["submit", "t"][..], &["list"], &["watch", ID], &["logs", "--follow", ID], &["apply", "Cargo.toml"]] {
        let result = run(command(&url, args), "").await;
        assert_eq!(result.code(4), "", "{args:?}");
        for words in [format!("cannot reach Drover at {url}").as_str(), "refused", "--url", "DROVER_URL"] {
            assert!(result.stderr.contains(words), "{args:?}: {words:?} is missing in {}", result.stderr);
        }
    }
    let result = run(command(&url, &["--json", "list"]), "").await;
    result.code(4);
    assert_eq!(result.json()["error"]["kind"], "unreachable");
}

#[tokio::test]
async fn another_server_is_told_from_drover() {
    let server = Server::start(|_, before| match before {
        0 => Reply::Text(200, "<html>Welcome</html>"),
        _ => Reply::Text(404, "<html>Not found</html>"),
    })
    .await;
    for words in ["no JSON but \"<html>Welcome", "404 Not Found \"<html>Not found"] {
        let run = server.run(&["list"]).await;
        run.code(4);
        assert!(
            run.stderr.contains("does not answer like Drover's API") && run.stderr.contains(words),
            "{}",
            run.stderr
        );
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    let server = Server::always(200, json!({})).await;
    for (args, words) in [
        (&["show", "01980c5e"][..], "Give the whole id"),
        (&["submit"], "<TYPE>"),
        (&["list", "--status", "done"], "unknown status \"done\"; known: pending"),
        (&["list", "--limit", "0"], "0 is not in 1..=500"),
        (&["list", "--created-after", "soon"], "an age (90s, 15m, 2h, 7d)"),
        (&["--url", "localhost:8420", "list"], "http://127.0.0.1:8420"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let run = server.run(args).await;
        assert_eq!(run.code(2), "", "{args:?}");
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn help_tells_the_exit_codes() {
    let server = Server::always(200, json!({})).await;
    let run = server.run(&["--help"]).await;
    for words in ["Exit codes:", "130  interrupted", "DROVER_URL", "NO_COLOR"] {
        assert!(run.code(0).contains(words), "{}", run.stdout);
    }
}
