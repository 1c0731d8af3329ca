use serde_json::json;

use crate::harness::{Reply, Server};

#[tokio::test]
async fn health_says_what_is_away_and_its_exit_code_tells() {
    let ready = json!({ "database": true, "migrated": true, "broker": true, "draining": false });
    let server = Server::always(200, ready.clone()).await;
    assert_eq!(server.run(&["health"]).await.code(0), "ready\n");
    assert_eq!(server.lines(), ["GET /healthz/ready"]);
    let run = server.run(&["health", "--json"]).await;
    run.code(0);
    assert_eq!(run.json(), ready);

    let paused = json!({ "database": true, "migrated": true, "broker": true, "draining": false, "paused": ["*", "t"] });
    let run = Server::always(200, paused).await.run(&["health"]).await;
    assert_eq!(run.code(0), "ready; paused: all job types, t\n");

    let away = json!({ "database": false, "migrated": false, "broker": false, "draining": true });
    let run = Server::always(503, away).await.run(&["health"]).await;
    assert_eq!(run.code(4), "not ready: the database is away, the broker is away, it is shutting down\n");
    let empty = json!({ "database": true, "migrated": false, "broker": true, "draining": false });
    let run = Server::always(503, empty).await.run(&["health"]).await;
    assert_eq!(run.code(4), "not ready: the database has no schema yet\n");
}

#[tokio::test]
async fn health_of_something_else_or_of_nothing_is_none() {
    let server = Server::start(|_, _| Reply::Text(200, "<html>")).await;
    let run = server.run(&["health"]).await;
    run.code(4);
    assert!(run.stderr.contains("does not answer like Drover's API"), "{}", run.stderr);
    // A proxy that answers for a dead orchestrator.
    let run =
        Server::always(502, json!({ "database": true, "migrated": true, "broker": true, "draining": false })).await;
    run.run(&["health"]).await.code(4);
}
