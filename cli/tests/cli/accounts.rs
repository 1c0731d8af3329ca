use std::fs;

use serde_json::{Value, json};

use crate::harness::{Reply, Server, problem, run};

fn token(name: &str, status: &str) -> Value {
    json!({
        "id": format!("id-of-{name}-{status}"), "name": name, "role": "submitter", "requests_per_minute": null,
        "created_at": "2026-07-26T12:00:00Z", "created_by": "ann", "last_used_at": null,
        "expires_at": "2026-10-24T12:00:00Z", "revoked_at": null, "status": status,
    })
}

#[tokio::test]
async fn a_token_is_made_and_its_secret_alone_is_printed() {
    let server =
        Server::always(201, json!({ "id": "7", "name": "ci", "role": "submitter", "token": "drover_s" })).await;
    let made =
        ["token", "create", "ci", "--role", "submitter", "--expires", "2026-10-24", "--requests-per-minute", "9"];
    let run = server.run(&made).await;
    assert_eq!(run.code(0), "drover_s\n");
    assert_eq!(run.stderr, "keep it: it is not shown again\n");
    assert_eq!(server.lines(), ["POST /tokens"]);
    let body: Value = serde_json::from_str(&server.asked()[0].body).unwrap();
    let wanted = json!({
        "name": "ci", "role": "submitter", "expires_at": "2026-10-24T00:00:00Z", "requests_per_minute": 9,
    });
    assert_eq!(body, wanted);
    assert_eq!(server.run(&["token", "create", "ci", "--role", "admin", "--json"]).await.json()["token"], "drover_s");
    server.run(&["token", "create", "ci", "--role", "root"]).await.code(2);
    server.run(&["token", "create", "ci"]).await.code(2);
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_by_their_names() {
    let server = Server::start(|asked, _| match asked.line.as_str() {
        "GET /tokens" => {
            Reply::Json(200, json!({ "tokens": [token("cd", "live"), token("ci", "expired"), token("ci", "revoked")] }))
        }
        _ => Reply::Empty(204),
    })
    .await;
    let run = server.run(&["token", "list"]).await;
    let lines: Vec<&str> = run.code(0).lines().collect();
    assert_eq!(lines[0], "NAME  ROLE       STATUS   LAST USED  EXPIRES              MADE BY");
    assert_eq!(lines[1], "cd    submitter  live     never      2026-10-24 12:00:00  ann");
    assert_eq!(server.run(&["token", "list", "--json"]).await.json()["tokens"][0]["name"], "cd");
    assert_eq!(server.run(&["token", "revoke", "ci"]).await.code(0), "revoked ci\n");
    assert_eq!(server.lines().last().unwrap(), "DELETE /tokens/id-of-ci-expired");
    assert_eq!(server.run(&["token", "revoke", "cd", "--json"]).await.json()["status"], "revoked");
    let unknown = server.run(&["token", "revoke", "nobody"]).await;
    unknown.code(2);
    assert!(unknown.stderr.contains("drover token list"), "{}", unknown.stderr);
}

#[tokio::test]
async fn the_audit_is_printed_newest_first() {
    let line = json!({
        "id": 7, "at": "2026-07-26T12:00:00Z", "token_id": null, "token_name": "ann", "role": "operator",
        "action": "cancel", "target": "x", "status": 202, "address": "10.0.0.7", "detail": { "now": "true" },
    });
    let server = Server::always(200, json!({ "lines": [line], "next_cursor": "c" })).await;
    let run = server.run(&["audit", "--limit", "1", "--name", "ann", "--action", "cancel", "--target", "x"]).await;
    let shown = "2026-07-26 12:00:00  ann  operator  cancel  x          202  10.0.0.7  {\"now\":\"true\"}";
    assert_eq!(run.code(0).lines().nth(1), Some(shown));
    assert_eq!(run.stderr, "there are more: add --cursor c\n");
    assert_eq!(server.lines(), ["GET /audit?limit=1&name=ann&action=cancel&target=x"]);
    assert_eq!(server.run(&["audit", "--json"]).await.json()["lines"][0]["status"], 202);
}

#[tokio::test]
async fn the_token_is_shown_to_the_server_however_it_is_given_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "of-the-file\n").unwrap();
    let server = Server::always(401, problem(401, "unauthenticated", "it is unknown", json!({}))).await;
    let mut runs = vec![server.run(&["list"]).await, server.run(&["list", "--token", "of-the-option"]).await];
    let mut command = server.command(&["list", "--json"]);
    command.env("DROVER_TOKEN", "of-the-variable").env("DROVER_TOKEN_FILE", &file);
    runs.push(run(command, "").await);
    let mut command = server.command(&["list"]);
    command.env("DROVER_TOKEN_FILE", &file);
    runs.push(run(command, "").await);
    let shown: Vec<_> = server.asked().into_iter().map(|asked| asked.headers.get("authorization").cloned()).collect();
    let shown: Vec<_> = shown.iter().map(|value| value.as_ref().map(|value| value.to_str().unwrap())).collect();
    let expected = [None, Some("Bearer of-the-option"), Some("Bearer of-the-variable"), Some("Bearer of-the-file")];
    assert_eq!(shown, expected);
    for run in runs {
        run.code(2);
        assert!(run.stderr.contains("it is unknown"), "{}", run.stderr);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("of-the-"), "{run:?}");
    }
    let mut command = server.command(&["list"]);
    command.env("DROVER_TOKEN_FILE", folder.path().join("none"));
    let missing = run(command, "").await;
    missing.code(2);
    assert!(missing.stderr.contains("--token-file") && missing.stderr.contains("cannot be read"), "{}", missing.stderr);
}

#[tokio::test]
async fn who_asks_too_often_may_again_later() {
    let server = Server::always(429, problem(429, "too_many_requests", "try again in 7 s", json!({}))).await;
    let run = server.run(&["list"]).await;
    run.code(4);
    assert!(run.stderr.contains("try again in 7 s"), "{}", run.stderr);
}
