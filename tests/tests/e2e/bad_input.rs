//! Bad input harms itself only: it gets a clear error, is kept where a person finds it, and the system goes on.

use drover_tests::{
    Fleet, Process,
    fleet::PATIENCE,
    free_port,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::workflows;

/// Waits for a dead letter of a queue whose reason contains `text`.
pub(crate) async fn dead_letter(fleet: &Fleet, queue: &str, text: &str) -> Value {
    wait::until("the dead letter to be listed", PATIENCE, async || {
        let letters = fleet.get("/api/v1/dead").await?;
        let messages = letters["messages"].as_array().cloned().unwrap_or_default();
        let found = messages.into_iter().find(|letter| letter["queue"] == queue && letter.to_string().contains(text));
        Ok(found.map_or_else(|| Seen::not_yet(&letters), Seen::Yes))
    })
    .await
    .expect("it is kept")
}

async fn goes_on(fleet: &Fleet) {
    let job = fleet.run("noop", json!({})).await.expect("the system goes on");
    assert_eq!(job["status"], "completed", "{job}");
}

#[tokio::test]
async fn malformed_messages_go_to_the_dead_letters_with_the_reason() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    other.publish("drover.jobs", "noop", "drover.job.v1", b"{\"id\": 7").await.expect("published");
    dead_letter(&fleet, "drover.jobs.noop", "").await;
    other
        .publish("drover.events", "drover.events", "drover.event.v1", b"[{\"kind\": \"started\"}]")
        .await
        .expect("published");
    dead_letter(&fleet, "drover.events", "/job_id is missing").await;
    other.publish("drover.events", "drover.events", "drover.event.v9", b"{}").await.expect("published");
    dead_letter(&fleet, "drover.events", "drover.event.v9").await;
    other.publish("drover.events", "drover.heartbeats", "drover.worker.v1", b"nonsense").await.expect("published");
    dead_letter(&fleet, "drover.heartbeats", "drover.worker").await;
    goes_on(&fleet).await;
}

#[tokio::test]
async fn a_nul_in_a_result_fails_its_job_and_names_the_field() {
    let fleet = workflows::fleet().await;
    let job = fleet.run("script", json!({ "result": { "rows": [{ "name": "a" }] } })).await.expect("it ends");
    assert_eq!(job["status"], "completed");
    // JSON cannot carry NUL into the parameters either, so the event is forged.
    let folder = tempfile::tempdir().expect("a folder");
    let id = fleet.submit("script", json!({ "gate": folder.path().join("gate") })).await.expect("accepted");
    fleet.until(&id, "it to run", |job| job["status"] == "running").await.expect("it runs");
    let workers = fleet.get("/api/v1/workers").await.expect("answered");
    let session = workers["workers"][0]["session"].as_str().expect("a session").to_owned();
    let event = format!(
        r#"{{"job_id":"{id}","attempt":1,"dispatch":1,"worker_session":"{session}","seq":999999,
            "at":"2026-01-01T00:00:00Z","kind":"completed","result":{{"rows":[{{"name":"a\u0000b"}}]}}}}"#
    );
    let other = fleet.vhost.peer().await.expect("a connection");
    other.publish("drover.events", "drover.events", "drover.event.v1", event.as_bytes()).await.expect("published");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("invalid_event")), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("/result/rows/0/name")), "{job}");
    dead_letter(&fleet, "drover.events", "NUL").await;
    goes_on(&fleet).await;
}

#[tokio::test]
async fn an_oversized_result_fails_its_job_and_names_the_limit() {
    let fleet = workflows::fleet().await;
    let job = fleet.run("script", json!({ "result_bytes": 2_000_000 })).await.expect("it ends");
    assert_eq!(job["status"], "failed", "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("1048576")), "{job}");
    let big = json!({ "type": "noop", "params": { "value": "x".repeat(1_200_000) } });
    let (status, problem) = fleet.request(Method::POST, "/api/v1/jobs", Some(big)).await.expect("answered");
    assert_eq!(status, 413, "{problem}");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn a_bad_definition_is_refused_with_line_and_key() {
    let fleet = workflows::fleet().await;
    let error = fleet
        .apply("name: typo\ntitle: Typo\nsteps:\n  - key: a\n    title: A\n    job: noop\n    max_paralel: 3\n")
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("max_paralel") && error.contains("max_parallel"), "{error}");
    assert!(error.contains(":7") || error.contains("\"line\":7"), "{error}");
    let error = fleet
        .apply("name: cel\ntitle: Cel\nsteps:\n  - key: a\n    title: A\n    job: noop\n    if: \"${1 +}\"\n")
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("steps[0].if") && error.contains("\"line\":7"), "{error}");
}

#[tokio::test]
async fn an_expression_that_fails_is_its_steps_error() {
    let fleet = workflows::fleet().await;
    let definition = "name: broken
title: Broken
steps:
  - { key: a, title: A, job: noop, params: { value: \"${input.nothing.there}\" } }
  - { key: b, title: B, job: noop }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("broken", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    let first = &job["result"]["steps"]["a"];
    assert_eq!((&first["status"], &first["error"]["kind"]), (&json!("failed"), &json!("expression")), "{job}");
    assert!(first["error"]["message"].as_str().is_some_and(|text| text.contains("nothing")), "{job}");
    assert_eq!(job["result"]["steps"]["b"]["status"], "completed");
}

#[tokio::test]
async fn a_bad_config_value_is_a_start_up_error_that_names_the_key() {
    let mut process = Process::spawn("drover-orchestrator", |command| {
        command.env("DROVER__ORCHESTRATOR__LEASE_SECONDS", "0.5");
    })
    .expect("it starts");
    process.wait_for_line("orchestrator.lease_seconds", PATIENCE).await.expect("it says what is wrong");
    assert!(!process.wait_for_exit(PATIENCE).await.expect("it ends").success());

    let port = free_port().expect("a port");
    let mut process = Process::spawn("drover-orchestrator", |command| {
        command.env("DROVER__HTTP__LISTEN", format!("127.0.0.1:{port}")).env("DROVER__HTTP__LISTN", "x");
    })
    .expect("it starts");
    process.wait_for_line("listn", PATIENCE).await.expect("an unknown key is named");
    assert!(!process.wait_for_exit(PATIENCE).await.expect("it ends").success());
}
