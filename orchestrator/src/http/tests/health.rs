//! Probes and metrics.

use std::sync::Arc;

use drover_tests::Database;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Answer, Api, answer};
use crate::{http::router, testing::Desk};
use axum::{body::Body, http::Request};
use tower::ServiceExt as _;

#[tokio::test]
async fn ready_says_which_part_is_away() {
    let api = Api::new().await;
    let ready = api.get("/healthz/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.body,
        json!({ "database": true, "migrated": true, "broker": true, "draining": false, "paused": [] })
    );
    api.desk.broker.set_away(true);
    let away = api.get("/healthz/ready").await;
    assert_eq!(
        (away.status.as_u16(), &away.body["broker"], &away.body["database"]),
        (503, &json!(false), &json!(true))
    );
    assert_eq!(api.get("/healthz/live").await.status, 200);
    api.desk.broker.set_away(false);
    api.shutdown.cancel();
    let draining = api.get("/healthz/ready").await;
    assert_eq!((draining.status.as_u16(), &draining.body["draining"]), (503, &json!(true)));
}

pub(super) async fn get(url: &str, path: &str) -> Answer {
    let router = router(Arc::new(Desk::on(url, 1_024)), CancellationToken::new());
    answer(router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()).await
}

#[tokio::test]
async fn a_database_without_the_schema_is_not_ready() {
    let database = Database::create().await.unwrap();
    let ready = get(database.url(), "/healthz/ready").await;
    assert_eq!(ready.status, 503);
    assert_eq!((&ready.body["database"], &ready.body["migrated"]), (&json!(true), &json!(false)));
    let failed = get(database.url(), "/api/v1/jobs").await;
    let detail = failed.problem(500, "internal").to_owned();
    assert!(!failed.body.to_string().contains("job_views") && !detail.contains("relation"), "no internals: {detail}");
}

#[tokio::test]
async fn without_a_database_the_api_asks_to_try_again_and_lives_on() {
    // Nothing listens on port 1.
    let nowhere = "postgres://nobody@127.0.0.1:1/none";
    get(nowhere, "/api/v1/jobs").await.problem(503, "unavailable");
    get(nowhere, "/api/v1/types").await.problem(503, "unavailable");
    let ready = get(nowhere, "/healthz/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.body["database"]), (503, &json!(false)));
    assert_eq!(get(nowhere, "/healthz/live").await.status, 200);
    assert_eq!(get(nowhere, "/metrics").await.status, 200);
}

#[tokio::test]
async fn metrics_are_in_the_format_that_they_claim() {
    let api = Api::new().await;
    let metrics = api.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.body.as_str().unwrap().ends_with("# EOF\n"));
}
