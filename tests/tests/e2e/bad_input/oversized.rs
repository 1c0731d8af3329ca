//! What is too large, in every direction: refused with the limit, or cut where only people read it.

use drover_tests::{
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{dead_letter, goes_on};
use crate::workflows;

/// The limit of a message, unless configured otherwise.
const LIMIT: &str = "1048576";

#[tokio::test]
async fn an_oversized_submission_is_refused_by_http_and_by_amqp() {
    let fleet = workflows::fleet().await;
    let big = json!({ "type": "noop", "params": { "value": "x".repeat(1_200_000) } });
    let (status, problem) = fleet.request(Method::POST, "/api/v1/jobs", Some(big.clone())).await.expect("answered");
    assert_eq!((status, problem.to_string().contains(LIMIT)), (413, true), "{problem}");
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let refused = other.submit("big", &big).await.expect("answered");
    assert_eq!(refused["error"]["kind"], "too_large", "{refused}");
    dead_letter(&fleet, "drover.submit", LIMIT).await;
    let definition = format!("name: big\ntitle: {}\n", "x".repeat(1_200_000));
    let error = fleet.apply(&definition).await.expect_err("refused").to_string();
    assert!(error.starts_with("413") && error.contains("limit"), "{error}");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn an_oversized_result_or_value_fails_its_job_and_names_the_limit() {
    let fleet = workflows::fleet().await;
    let job = fleet.run("script", json!({ "result_bytes": 2_000_000 })).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("invalid_result")), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains(LIMIT)), "{job}");
    let job = fleet.run("script", json!({ "item_bytes": 2_000_000 })).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("invalid_items")), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("value 0 has 2000002 bytes")), "{job}");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn an_oversized_event_of_another_worker_is_kept_with_the_limit() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let big = "x".repeat(1_200_000);
    for queue in ["drover.events", "drover.logs", "drover.heartbeats"] {
        let kind = if queue == "drover.heartbeats" { "drover.worker.v1" } else { "drover.event.v1" };
        other.publish("drover.events", queue, kind, big.as_bytes()).await.expect("published");
        let letter = dead_letter(&fleet, queue, LIMIT).await;
        assert_eq!(letter["body_bytes"], 1_200_000, "all of it is kept");
    }
    goes_on(&fleet).await;
}

#[tokio::test]
async fn a_job_whose_parameters_are_too_large_for_a_message_fails_and_says_so() {
    let fleet = workflows::fleet().await;
    let definition = "name: full
title: Full
steps:
  - { key: work, title: Work, job: noop, params: { value: \"${input.text}\" } }
  - { key: next, title: Next, job: noop }
";
    fleet.apply(definition).await.expect("valid");
    // It fits into its submission, and not with what a job message says beside it.
    let job = fleet.run("full", json!({ "text": "x".repeat(1_048_576 - 100) })).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{}", job["message"]);
    let error = &job["result"]["steps"]["work"]["error"];
    assert_eq!(error["kind"], "undeliverable", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains(LIMIT)), "{error}");
    assert_eq!(job["result"]["steps"]["next"]["status"], "completed");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn texts_for_people_are_cut() {
    let fleet = workflows::fleet().await;
    let text = "x".repeat(100_000);
    let params = json!({ "message": text, "log": [text], "fail_attempts": 1, "retryable": false, "told": text });
    let job = fleet.run("script", params).await.expect("it ends");
    let length = |value: &Value| value.as_str().map(str::len);
    assert_eq!((&job["status"], length(&job["message"])), (&json!("failed"), Some(4 * 1024)));
    assert_eq!(length(&job["error"]["message"]), Some(16 * 1024));
    let path = format!("/api/v1/jobs/{}/logs", job["id"].as_str().expect("a text"));
    let line = wait::until("the line to arrive", PATIENCE, async || {
        let logs = fleet.get(&path).await?;
        Ok(logs["logs"].get(0).cloned().map_or_else(|| Seen::not_yet("no line"), Seen::Yes))
    });
    assert_eq!(length(&line.await.expect("it is kept")["message"]), Some(16 * 1024));
    goes_on(&fleet).await;
}
