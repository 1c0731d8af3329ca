//! Steps that are repeated. Every wait for an end replays the workflow, too ([`Fleet::ended`]).

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    shapes::{assert_metadata, assert_result, step},
    workflows,
};

/// A workflow whose step runs until it has been tried often enough: the script says which attempt it is.
fn poll(name: &str, repeat: &str) -> String {
    format!(
        "name: {name}
title: Poll
steps:
  - key: poll
    title: Ask again
    job: script
    weight: 3
    params: {{ ledger: \"${{input.ledger}}\", message: \"round ${{repeat.round}}\" }}
    repeat: {{ until: \"${{steps.poll.result.attempt >= input.enough}}\", {repeat} }}
    on_failure: fail
  - {{ key: after, title: After it, job: noop, params: {{ value: \"${{steps.poll.result.attempt}}\" }} }}
"
    )
}

fn begun(ledger: &Path) -> usize {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    text.lines().filter(|line| line.ends_with("begin")).count()
}

fn kinds(history: &Value, kind: &str) -> usize {
    history["events"].as_array().expect("a list").iter().filter(|event| event["kind"] == kind).count()
}

#[tokio::test]
async fn it_runs_until_its_expression_holds() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&poll("until", "max: 10, delay: 50ms")).await.expect("valid");
    let id = fleet.submit("until", json!({ "ledger": ledger, "enough": 4 })).await.expect("accepted");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], begun(&ledger)), (&json!("completed"), 4), "{job}");
    assert_eq!(job["result"]["steps"]["after"]["result"]["value"], 4);
    assert_metadata(&job);
    assert_result(&job);
    let poll = job["result"]["steps"]["poll"]["job_id"].as_str().expect("its sub-job").to_owned();
    let poll = fleet.job(&poll).await.expect("there");
    assert_eq!((&poll["round"], &poll["result"]), (&json!(4), &json!({ "attempt": 4 })));
    let history = fleet.get(&format!("/api/v1/jobs/{id}/history?limit=1000")).await.expect("read");
    assert_eq!((kinds(&history, "repeated"), kinds(&history, "completed")), (3, 6));
}

#[tokio::test]
async fn when_its_rounds_are_spent_it_fails_and_a_retry_has_rounds_of_its_own() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&poll("spent", "max: 2")).await.expect("valid");
    let id = fleet.submit("spent", json!({ "ledger": ledger, "enough": 4 })).await.expect("accepted");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("max_rounds")), "{job}");
    assert_ne!(job["progress"], 100.0);
    assert_result(&job);
    let path = format!("/api/v1/jobs/{id}/retry");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 202);
    // Attempts are counted on, so that its second round is the fourth attempt.
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], begun(&ledger)), (&json!("completed"), 4), "{job}");
}

#[tokio::test]
async fn between_two_rounds_it_waits_over_a_restart_and_is_cancelled_at_once() {
    let mut fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&poll("between", "max: 5, delay: 1h")).await.expect("valid");
    let id = fleet.submit("between", json!({ "ledger": ledger, "enough": 4 })).await.expect("accepted");
    let message = "Ask again: round 2 of 5";
    fleet.until(&id, "the first round to end", |job| job["message"] == message).await.expect("it does");
    fleet.rebuilt(&id).await.expect("between two rounds");
    fleet.orchestrators[0].process.kill().expect("killed");
    fleet.orchestrators[0] = fleet.spawn_orchestrator().expect("started again");
    fleet.ready(0).await.expect("ready");
    let job = fleet.job(&id).await.expect("there");
    assert_eq!((&step(&job, "poll")["status"], begun(&ledger)), (&json!("running"), 1), "{job}");
    let path = format!("/api/v1/jobs/{id}/cancel");
    let (_, job) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!(job["status"], "cancelled", "{job}");
    fleet.ended(&id).await.expect("it has ended");
}
