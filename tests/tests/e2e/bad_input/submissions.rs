//! Submissions that are refused, by HTTP and by AMQP: the same answers.

use reqwest::Method;
use serde_json::json;

use super::{dead_letter, goes_on};
use crate::workflows;

#[tokio::test]
async fn a_bad_submission_is_refused_with_the_field_by_http_and_by_amqp() {
    let fleet = workflows::fleet().await;
    fleet.apply(&workflows::fan_out("listed", "")).await.expect("valid");
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let foreign = json!({ "$items": { "job_id": uuid::Uuid::nil(), "name": "files", "count": 3 } });
    // What is submitted; status, kind and field by HTTP; kind and field by AMQP.
    let cases = [
        (json!({ "type": "noop", "parms": {} }), (400, "malformed", "/parms")),
        (json!({ "params": {} }), (400, "malformed", "/type")),
        (json!({ "type": "No Name" }), (400, "malformed", "/type")),
        (json!({ "type": "nobody_knows" }), (422, "unknown_type", "/type")),
        (json!({ "type": "script", "params": { "progress": "fast" } }), (422, "invalid_params", "/params/progress")),
        (json!({ "type": "listed", "params": { "items": foreign } }), (422, "invalid_params", "/params/items")),
    ];
    for (number, (submission, (expected, kind, field))) in cases.into_iter().enumerate() {
        let (status, problem) =
            fleet.request(Method::POST, "/api/v1/jobs", Some(submission.clone())).await.expect("answered");
        assert_eq!((status, &problem["kind"]), (expected, &json!(kind)), "{submission}: {problem}");
        let named = field.trim_start_matches("/params");
        assert!(problem.to_string().contains(named), "{submission}: {problem}");
        let refused = other.submit(&format!("order-{number}"), &submission).await.expect("answered");
        let error = &refused["error"];
        assert_eq!((&error["kind"], &error["field"]), (&json!(kind), &json!(field)), "{submission}: {refused}");
        let letter = dead_letter(&fleet, "drover.submit", error["message"].as_str().expect("a text")).await;
        assert_eq!(letter["reason"], "refused", "{letter}");
    }
    goes_on(&fleet).await;
}

#[tokio::test]
async fn a_submission_without_a_message_id_is_kept_with_the_reason() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    other.publish("", "drover.submit", "drover.submission.v1", b"{\"type\": \"noop\"}").await.expect("published");
    dead_letter(&fleet, "drover.submit", "message_id is missing").await;
    goes_on(&fleet).await;
}
