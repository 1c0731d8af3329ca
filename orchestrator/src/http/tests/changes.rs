//! `GET /api/v1/events`

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use drover_protocol::JobId;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Api;

const PATIENCE: Duration = Duration::from_secs(20);

async fn open(api: &Api, query: &str) -> BodyDataStream {
    let request = Request::get(format!("/api/v1/events{query}")).body(Body::empty()).unwrap();
    let response = api.send(request).await;
    assert_eq!(response.status(), 200);
    response.into_body().into_data_stream()
}

/// The trees that the next event names.
async fn next(stream: &mut BodyDataStream) -> Value {
    let chunk = timeout(PATIENCE, stream.next()).await.expect("it says something").expect("it goes on").unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    assert!(text.starts_with("event: changed\n"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    serde_json::from_str::<Value>(data).unwrap()["roots"].clone()
}

#[tokio::test]
async fn whoever_listens_hears_which_trees_changed() {
    let api = Api::new().await;
    let (one, other) =
        (api.submit(json!({ "type": "validate" })).await, api.submit(json!({ "type": "validate" })).await);
    let mut all = open(&api, "").await;
    let mut own = open(&api, &format!("?root={one}")).await;
    api.desk.start(other).await;
    assert_eq!(next(&mut all).await, json!([other]));
    api.desk.start(one).await;
    assert_eq!(next(&mut all).await, json!([one]));
    assert_eq!(next(&mut own).await, json!([one]), "nothing of the other one came before");
}

#[tokio::test]
async fn too_many_at_once_are_told_as_any() {
    let api = Api::new().await;
    let mut all = open(&api, "").await;
    let roots: Vec<JobId> = (0..500).map(|_| JobId(uuid::Uuid::now_v7())).collect();
    api.desk.app.live.changed(&roots, false);
    assert_eq!(next(&mut all).await, json!(null));
}

#[tokio::test]
async fn a_listener_that_asks_for_something_else_is_told_so() {
    let api = Api::new().await;
    let refused = api.get("/api/v1/events?root=x").await;
    assert!(refused.problem(400, "malformed").contains("a job's id"));
}
