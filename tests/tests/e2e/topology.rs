//! Exchanges and queues are the orchestrator's: workers wait for them, and what is deleted comes back.

use std::time::Duration;

use drover_tests::{Fleet, fleet::PATIENCE};
use serde_json::json;

#[tokio::test]
async fn a_worker_that_comes_before_the_first_orchestrator_waits_for_it() {
    let mut fleet = Fleet::start(0, &[]).await.expect("nothing has to start");
    let mut worker = fleet.spawn_worker("drover-test-worker", &[]).expect("it starts");
    worker.wait_for_line("listening for control messages", PATIENCE).await.expect("it says what it waits for");
    fleet.workers.push(worker);
    let orchestrator = fleet.spawn_orchestrator().expect("it starts");
    fleet.orchestrators.push(orchestrator);
    fleet.ready(0).await.expect("it is ready");
    // Well below the lease: nobody has to be lost first.
    tokio::time::timeout(Duration::from_secs(10), fleet.entered()).await.expect("soon").expect("entered");
    assert_eq!(fleet.run("noop", json!({})).await.expect("it ends")["status"], "completed");
}

#[tokio::test]
async fn deleted_exchanges_and_queues_of_events_come_back_and_lose_no_job() {
    let mut fleet = Fleet::start(1, &[("DROVER__ORCHESTRATOR__LEASE_SECONDS", "3")]).await.expect("it starts");
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker starts");
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let id = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    fleet.until(&id, "it to run", |job| job["status"] == "running").await.expect("it runs");
    let (management, vhost) = (fleet.vhost.management(), fleet.vhost.name());
    management.delete(&format!("exchanges/{vhost}/drover.events")).await.expect("deleted");
    std::fs::write(&gate, "").expect("written");
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "completed");
    assert_eq!(fleet.run("noop", json!({})).await.expect("it ends")["status"], "completed");
}
