//! Processes die, and nothing is lost.

use drover_tests::{Fleet, Mode, Proxy, fleet::PATIENCE};
use serde_json::json;

use crate::{
    import::{self, Data, assert_imported},
    shapes::step,
};

/// Fast enough for a test; slower than any pause of a loaded machine.
const LEASE: (&str, &str) = ("DROVER__ORCHESTRATOR__LEASE_SECONDS", "4");

#[tokio::test]
async fn fault_11_an_orchestrator_killed_in_the_middle_of_an_import_loses_nothing() {
    let data = Data::generate(300, 200_000, 4);
    let mut fleet = import::fleet_with(1, 1, &[LEASE]).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");
    fleet
        .until(&id, "processing to run", |job| step(job, "processing")["done"].as_u64() >= Some(1))
        .await
        .expect("it gets there");
    fleet.orchestrators[0].process.kill().expect("killed");
    fleet.orchestrators[0] = fleet.spawn_orchestrator().expect("started again");
    fleet.ready(0).await.expect("ready");
    assert_imported(&fleet.ended(&id).await.expect("it ends"), &data);
}

#[tokio::test]
async fn fault_11_a_worker_killed_in_the_middle_of_an_import_loses_nothing() {
    let data = Data::generate(300, 200_000, 4);
    let mut fleet = import::fleet_with(1, 2, &[LEASE]).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");
    fleet
        .until(&id, "processing to run", |job| step(job, "processing")["done"].as_u64() >= Some(1))
        .await
        .expect("it gets there");
    fleet.workers[0].kill().expect("killed");
    assert_imported(&fleet.ended(&id).await.expect("it ends"), &data);
}

#[tokio::test]
async fn fault_11_a_broker_that_comes_back_empty_loses_nothing() {
    let mut fleet = Fleet::start(2, &[]).await.expect("the orchestrators start");
    fleet.workers("drover-test-worker", 1, &[("DROVER__WORKER__CONCURRENCY", "1")]).await.expect("the worker starts");
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let running = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    fleet.until(&running, "it to run", |job| job["status"] == "running").await.expect("the one slot takes it");
    let waiting = fleet.submit("noop", json!({})).await.expect("accepted");
    fleet.until_published(&waiting).await.expect("it lies in its queue");

    fleet.vhost.lose_everything().await.expect("it is empty");
    let again = fleet.until(&waiting, "it to be dispatched again", |job| job["dispatch"] == 2).await.expect("it is");
    assert_eq!((&again["status"], &again["attempt"]), (&json!("pending"), &json!(1)));
    std::fs::write(&gate, "").expect("written");
    for id in [&running, &waiting] {
        assert_eq!(fleet.ended(id).await.expect("it ends")["status"], "completed");
    }
    let job = fleet.job(&running).await.expect("there");
    assert_eq!((&job["dispatch"], &job["attempt"]), (&json!(1), &json!(1)), "its worker went on: {job}");
}

#[tokio::test]
async fn an_orchestrator_whose_database_hangs_leaves_to_others_what_it_was_given() {
    let mut fleet = Fleet::start(1, &[LEASE]).await.expect("it starts");
    let proxy = Proxy::postgres(fleet.database.url()).await.expect("a proxy");
    let second = fleet.spawn_orchestrator_on(&proxy.url(fleet.database.url())).expect("it starts");
    fleet.orchestrators.push(second);
    fleet.ready(1).await.expect("ready");
    fleet.workers("drover-test-worker", 2, &[("DROVER__WORKER__CONCURRENCY", "8")]).await.expect("they start");
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");

    proxy.set(Mode::Frozen);
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(fleet.submit("script", json!({ "gate": gate })).await.expect("accepted"));
    }
    // The broker gives every other event to the one that hangs.
    for id in &ids {
        let job = fleet.until(id, "it to run", |job| job["status"] == "running").await.expect("its start is folded");
        assert_eq!(job["attempt"], 1, "and nobody is taken for lost: {job}");
    }
    std::fs::write(&gate, "").expect("written");
    for id in &ids {
        assert_eq!(fleet.ended(id).await.expect("it ends")["status"], "completed");
    }
    proxy.set(Mode::Open);
    fleet.ready(1).await.expect("it goes on");
}

#[tokio::test]
async fn a_job_that_kills_its_worker_is_poison_after_three() {
    let mut fleet = Fleet::start(1, &[("DROVER__ORCHESTRATOR__LEASE_SECONDS", "2")]).await.expect("it starts");
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker starts");
    // Its items list is confirmed behind `started`: it was at work when its worker died.
    let id = fleet.submit("script", json!({ "items": 1, "crash_attempts": 99 })).await.expect("accepted");
    // Whoever dies is started again, as a fleet does.
    let job = loop {
        let ended = fleet.ended(&id);
        let mut worker = fleet.spawn_worker("drover-test-worker", &[]).expect("started again");
        tokio::select! {
            job = ended => break job.expect("it ends"),
            exit = worker.wait_for_exit(PATIENCE) => assert!(!exit.expect("it dies").success()),
        }
    };
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("poison")), "{job}");
}

#[tokio::test]
async fn six_orchestrators_start_at_once_on_an_empty_database() {
    let mut fleet = Fleet::start(0, &[]).await.expect("the servers are there");
    for _ in 0..6 {
        let orchestrator = fleet.spawn_orchestrator().expect("it starts");
        fleet.orchestrators.push(orchestrator);
    }
    for index in 0..6 {
        fleet.ready(index).await.expect("ready");
    }
    for orchestrator in &mut fleet.orchestrators {
        orchestrator.process.signal(drover_tests::Signal::SIGTERM).expect("sent");
        assert!(orchestrator.process.wait_for_exit(PATIENCE).await.expect("it ends").success());
    }
}
