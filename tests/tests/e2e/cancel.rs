//! Cancel: whatever runs is waited for, whatever has not started never does.

use std::path::Path;

use drover_tests::{
    Fleet,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    import,
    shapes::{assert_result, step},
    workflows,
};

async fn cancel(fleet: &Fleet, id: &str) -> (u16, Value) {
    fleet.request(Method::POST, &format!("/api/v1/jobs/{id}/cancel"), None).await.expect("answered")
}

fn lines(ledger: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn fault_1_cancelling_the_parent_stops_its_children_and_waits_for_them() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&workflows::fan_out("gated", "    max_parallel: 4")).await.expect("valid");
    let item = json!({ "gate": folder.path().join("gate"), "ledger": ledger });
    let id = fleet.submit("gated", json!({ "items": vec![item; 200] })).await.expect("accepted");
    fleet.until(&id, "four to run", |job| step(job, "work")["running"] == 4).await.expect("they run");

    let (status, body) = cancel(&fleet, &id).await;
    assert_eq!(status, 202, "{body}");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "cancelled", "{job}");
    assert_ne!(job["progress"], 100.0);
    assert_result(&job);
    let ledger = lines(&ledger);
    let ended = ledger.iter().filter(|line| !line.ends_with("begin")).count();
    assert_eq!((ledger.len() - ended, ended), (4, 4), "four began, all four ended, no other began: {ledger:?}");
    let partial = &job["result"]["steps"]["work"][0]["result"];
    assert_eq!(partial, &json!({ "waited": true }), "fault 14: partial results are kept");
}

#[tokio::test]
async fn fault_5_a_job_cancelled_while_queued_never_runs_also_on_a_worker_that_starts_later() {
    let mut fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (gate, ledger) = (folder.path().join("gate"), folder.path().join("ledger"));
    // All eight slots are busy, so what comes after waits in the queue.
    let mut busy = Vec::new();
    for _ in 0..8 {
        busy.push(fleet.submit("script", json!({ "gate": gate })).await.expect("accepted"));
    }
    for id in &busy {
        fleet.until(id, "it to run", |job| job["status"] == "running").await.expect("it runs");
    }
    let queued = fleet.submit("script", json!({ "ledger": ledger })).await.expect("accepted");
    assert_eq!(cancel(&fleet, &queued).await.0, 202);
    let job = fleet.ended(&queued).await.expect("it ends although no slot is free");
    assert_eq!(job["status"], "cancelled", "{job}");

    fleet.workers("drover-test-worker", 1, &[]).await.expect("another worker starts");
    std::fs::write(&gate, "").expect("written");
    for id in &busy {
        assert_eq!(fleet.ended(id).await.expect("it ends")["status"], "completed");
    }
    let marker = fleet.run("script", json!({})).await.expect("the queue is read to here");
    assert_eq!(marker["status"], "completed");
    assert_eq!(lines(&ledger), Vec::<String>::new(), "it never ran");
}

#[tokio::test]
async fn fault_7_cancelling_a_finished_job_is_refused_and_changes_nothing() {
    let fleet = workflows::fleet().await;
    let job = fleet.run("noop", json!({})).await.expect("it ends");
    let id = job["id"].as_str().expect("a text");
    let (status, body) = cancel(&fleet, id).await;
    assert_eq!((status, &body["job_status"]), (409, &json!("completed")), "{body}");
    assert_eq!(fleet.job(id).await.expect("it is there"), job);
}

#[tokio::test]
async fn cancel_in_the_middle_of_processing_cleans_up() {
    let data = import::Data::generate(300, 300_000, 0);
    let fleet = import::fleet(1, 1).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");
    fleet
        .until(&id, "processing to run", |job| step(job, "processing")["done"].as_u64() >= Some(1))
        .await
        .expect("it gets there");
    assert_eq!(cancel(&fleet, &id).await.0, 202);
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "cancelled", "{job}");
    assert_eq!(step(&job, "processing")["status"], "cancelled");
    assert_eq!(step(&job, "leftovers")["status"], "completed", "the clean-up ran: {job}");
    assert_eq!(step(&job, "indexing")["status"], "skipped");
    assert_result(&job);
    let (status, body) = cancel(&fleet, &id).await;
    assert_eq!((status, &body["job_status"]), (409, &json!("cancelled")));
}

#[tokio::test]
async fn stragglers_are_written_off_by_name_when_asked_to_wait_no_longer() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    fleet.apply(&workflows::fan_out("stuck", "    max_parallel: 2")).await.expect("valid");
    let item = json!({ "gate": folder.path().join("gate"), "stubborn": true });
    let id = fleet.submit("stuck", json!({ "items": [item, item] })).await.expect("accepted");
    fleet.until(&id, "both to run", |job| step(job, "work")["running"] == 2).await.expect("they run");
    assert_eq!(cancel(&fleet, &id).await.0, 202);
    fleet
        .until(&id, "it to say what it waits for", |job| job["message"] == "Cancelling: waiting for 2 of 2 sub-jobs")
        .await
        .expect("it says so");
    let path = format!("/api/v1/jobs/{id}/cancel?now=true");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 202);
    let job = fleet.ended(&id).await.expect("it ends at once");
    assert_eq!(job["status"], "cancelled");
    assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("script batch 0")), "{job}");
}

#[tokio::test]
async fn fault_4_a_cancelled_job_gives_its_slot_back() {
    let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
    fleet.workers("drover-test-worker", 1, &[("DROVER__WORKER__CONCURRENCY", "1")]).await.expect("the worker starts");
    let folder = tempfile::tempdir().expect("a folder");
    // More often than there are slots: a slot that is lost would be missed at once.
    for _ in 0..3 {
        let id = fleet.submit("script", json!({ "gate": folder.path().join("gate") })).await.expect("accepted");
        fleet.until(&id, "it to run", |job| job["status"] == "running").await.expect("the one slot takes it");
        assert_eq!(cancel(&fleet, &id).await.0, 202);
        assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "cancelled");
    }
    assert_eq!(fleet.run("noop", json!({})).await.expect("the slot is free")["status"], "completed");
}

/// More than one message to a worker can name.
#[tokio::test]
async fn fault_5_many_jobs_cancelled_while_nobody_was_there_never_run() {
    const JOBS: usize = 600;
    let mut fleet = workflows::fleet().await;
    let mut worker = fleet.workers.remove(0);
    worker.signal(drover_tests::Signal::SIGTERM).expect("sent");
    assert!(worker.wait_for_exit(PATIENCE).await.expect("it ends").success());
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&workflows::fan_out("wide", "    max_parallel: 1000")).await.expect("valid");
    let items = vec![json!({ "ledger": ledger }); JOBS];
    let mut wide = Vec::new();
    for _ in 0..2 {
        wide.push(fleet.submit("wide", json!({ "items": items })).await.expect("accepted"));
    }
    let client = fleet.database.connect().await.expect("a connection");
    wait::until("all of them to lie in the queue", PATIENCE, async || {
        let published = "SELECT count(*) FROM jobs WHERE type = 'script' AND dispatch = 1
            AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id)";
        let published: i64 = client.query_one(published, &[]).await?.get(0);
        let all = usize::try_from(published).is_ok_and(|published| published == 2 * JOBS);
        Ok(if all { Seen::Yes(()) } else { Seen::not_yet(published) })
    })
    .await
    .expect("they do");
    let body = json!({ "filter": { "type": "wide" } });
    let (status, swept) = fleet.request(Method::POST, "/api/v1/jobs/cancel", Some(body)).await.expect("answered");
    assert_eq!((status, &swept["matched"], &swept["done"]), (200, &json!(2), &json!(2)), "{swept}");
    for id in &wide {
        assert_eq!(fleet.ended(id).await.expect("it ends")["status"], "cancelled");
    }
    fleet.workers("drover-test-worker", 1, &[]).await.expect("another worker starts");
    // Behind all of them in the queue.
    assert_eq!(fleet.run("script", json!({})).await.expect("it ends")["status"], "completed");
    assert_eq!(lines(&ledger), [""; 0], "none of {} has begun", 2 * JOBS);
}
