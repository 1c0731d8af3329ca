//! Messages that nobody can read.

use reqwest::Method;
use serde_json::json;

use super::{dead_letter, goes_on};
use crate::workflows;

#[tokio::test]
async fn a_malformed_job_message_is_kept_with_the_field_and_harms_no_job() {
    let fleet = workflows::fleet().await;
    // From now on the type's queue is there: what is published to no queue is nobody's dead letter.
    goes_on(&fleet).await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let jobs = [
        ("noop", "drover.job.v1", json!({ "type": "noop" }).to_string(), "is missing"),
        ("noop", "drover.job.v1", "{\"id\": 7".into(), "line 1 column 8"),
        ("noop", "drover.job.v9", "{}".into(), "drover.job.v9"),
    ];
    for (key, kind, body, reason) in jobs {
        other.publish("drover.jobs", key, kind, body.as_bytes()).await.expect("published");
        let letter = dead_letter(&fleet, "drover.jobs.noop", reason).await;
        assert_eq!(letter["reason"], "rejected", "the broker's word: {letter}");
    }
    goes_on(&fleet).await;

    // One that says whose it is, in the wrong queue.
    let folder = tempfile::tempdir().expect("a folder");
    let id = fleet.submit("script", json!({ "gate": folder.path().join("gate") })).await.expect("accepted");
    fleet.until(&id, "it to run", |job| job["status"] == "running").await.expect("it runs");
    let stray = json!({
        "id": id, "type": "script", "attempt": 1, "dispatch": 1, "root_id": id, "params": {}, "idempotency_key": id
    });
    other.publish("drover.jobs", "noop", "drover.job.v1", stray.to_string().as_bytes()).await.expect("published");
    let letter = dead_letter(&fleet, "drover.jobs.noop", "/type is").await;
    assert_eq!(letter["job_id"], id, "{letter}");
    // Its job has begun by the message that was meant for it, and is not harmed.
    std::fs::write(folder.path().join("gate"), "").expect("written");
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "completed");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn malformed_events_and_heartbeats_are_kept_with_the_field() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let messages = [
        ("drover.events", "drover.event.v1", "[{\"kind\": \"started\"}]", "/job_id is missing"),
        ("drover.events", "drover.event.v9", "{}", "drover.event.v9"),
        ("drover.events", "drover.event.v1", "{\"kind\"", "line 1"),
        ("drover.logs", "drover.event.v1", "{\"kind\": \"log\"}", "/level is missing"),
        ("drover.heartbeats", "drover.worker.v1", "nonsense", "line 1"),
        ("drover.heartbeats", "drover.worker.v1", "{\"kind\": \"worker_up\"}", " is missing"),
    ];
    for (queue, kind, body, reason) in messages {
        other.publish("drover.events", queue, kind, body.as_bytes()).await.expect("published");
        dead_letter(&fleet, queue, reason).await;
    }
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
async fn a_nul_in_parameters_is_refused_and_named() {
    let fleet = workflows::fleet().await;
    let body = json!({ "type": "noop", "params": { "value": { "name": "a\0b" } } });
    let (status, problem) = fleet.request(Method::POST, "/api/v1/jobs", Some(body.clone())).await.expect("answered");
    assert_eq!(status, 400, "{problem}");
    assert!(problem.to_string().contains("/params/value/name"), "{problem}");
    let other = fleet.vhost.peer().await.expect("a connection");
    let refused = other.submit("nul", &body).await.expect("answered");
    assert_eq!(refused["error"]["field"], "/params/value/name", "{refused}");
    dead_letter(&fleet, "drover.submit", "/params/value/name").await;
    goes_on(&fleet).await;
}
