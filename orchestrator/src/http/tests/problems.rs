//! The shape of errors.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    routing::get,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Api, answer, redacted};
use crate::http::{REQUEST, in_time};

#[tokio::test]
async fn every_kind_of_problem_has_its_golden_file() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.complete(id, json!({})).await;
    let mut problems = serde_json::Map::new();
    let mut add = |name: &str, answer: super::Answer| {
        let body: Value = redacted(&answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{name}");
        problems.insert(name.into(), body);
    };
    add("no_such_job", api.get(&format!("/api/v1/jobs/{}", uuid::Uuid::now_v7())).await);
    add("no_such_address", api.get("/api/v2/jobs").await);
    add("other_method", api.request(Method::PATCH, "/api/v1/jobs", Body::empty()).await);
    add("malformed", api.post_json("/api/v1/jobs", &json!({ "typ": "x" })).await);
    add("unknown_type", api.post_json("/api/v1/jobs", &json!({ "type": "x" })).await);
    add("invalid_params", api.post_json("/api/v1/jobs", &json!({ "type": "validate", "params": { "path": 7 } })).await);
    add("already_finished", api.post(&format!("/api/v1/jobs/{id}/cancel")).await);
    add("not_retryable", api.post(&format!("/api/v1/jobs/{id}/retry")).await);
    add("bad_query", api.get("/api/v1/jobs?limit=many").await);
    add("bad_id", api.get("/api/v1/jobs/7").await);
    let bad = Request::put("/api/v1/definitions?source=a.yaml").body("name: x\nsteps: 7\n".into()).unwrap();
    add("invalid_definition", api.ask(bad).await);
    insta::assert_json_snapshot!("problems", Value::Object(problems));
}

#[tokio::test]
async fn another_method_is_told_which_are_taken() {
    let api = Api::new().await;
    let refused = api.request(Method::PUT, "/api/v1/jobs", Body::empty()).await;
    refused.problem(405, "method_not_allowed");
    let allow: Vec<&str> = refused.header("allow").split(',').map(str::trim).collect();
    assert!(allow.contains(&"GET") && allow.contains(&"POST") && !allow.contains(&"PUT"), "{allow:?}");
    let definitions = api.delete("/api/v1/definitions/x").await;
    assert!(definitions.header("allow").contains("PUT") && definitions.header("allow").contains("GET"));
}

#[tokio::test]
async fn an_unknown_address_is_a_problem_everywhere() {
    let api = Api::new().await;
    for path in
        ["/nowhere", "/jobs/a/b", "/api/v1", "/api/v1/job", "/api/v1/jobs/", "/api/v1/jobs/a/b/c", "/healthz", "//"]
    {
        api.get(path).await.problem(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_given_up() {
    let slow = Router::new().route("/", get(std::future::pending::<()>)).layer(axum::middleware::from_fn(in_time));
    let began = tokio::time::Instant::now();
    let refused = answer(slow.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap()).await;
    refused.problem(503, "timeout");
    assert!(began.elapsed() < REQUEST + Duration::from_secs(1));
}
