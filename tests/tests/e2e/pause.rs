//! Pause: nothing new begins, what runs goes on, resume goes on with the rest.

use std::path::Path;

use drover_tests::{
    Fleet,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    shapes::{assert_metadata, assert_result, step},
    workflows,
};

/// Asks for `pause`, `resume` or `cancel` of a job, which is done.
async fn ask(fleet: &Fleet, id: &str, action: &str) -> Value {
    let path = format!("/api/v1/jobs/{id}/{action}");
    let (status, body) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!(status, 202, "{action}: {body}");
    body
}

/// How many handlers have begun, and how many have ended.
fn counts(ledger: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    let begun = text.lines().filter(|line| line.ends_with("begin")).count();
    (begun, text.lines().count() - begun)
}

/// Waits until every worker has obeyed what was broadcast before: a job that is cancelled in its queue ends only when all
/// have acknowledged that. All slots must be taken.
async fn heard(fleet: &Fleet) {
    let id = fleet.submit("noop", json!({})).await.expect("accepted");
    fleet.until_published(&id).await.expect("it lies in the queue");
    ask(fleet, &id, "cancel").await;
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "cancelled");
}

/// A worker for each slot, so that what they take is theirs alone.
async fn fleet_of_two_slots() -> Fleet {
    let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
    fleet.workers("drover-test-worker", 2, &[("DROVER__WORKER__CONCURRENCY", "1")]).await.expect("the workers start");
    fleet
}

#[tokio::test]
async fn a_workflow_paused_in_the_middle_of_a_fan_out_begins_nothing_until_it_is_resumed() {
    let mut fleet = fleet_of_two_slots().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (gate, ledger) = (folder.path().join("gate"), folder.path().join("ledger"));
    fleet.apply(&workflows::fan_out("paused", "    max_parallel: 6")).await.expect("valid");
    let item = json!({ "gate": gate, "ledger": ledger });
    let id = fleet.submit("paused", json!({ "items": vec![item; 20] })).await.expect("accepted");
    fleet.until(&id, "both slots to be taken", |job| step(job, "work")["running"] == 2).await.expect("they are");

    let job = ask(&fleet, &id, "pause").await;
    assert_eq!((&job["status"], &job["paused"]), (&json!("running"), &json!(true)));
    assert_eq!(job["metadata"]["message"], "Paused: 2 of 20 sub-jobs still running");
    assert_metadata(&job);
    heard(&fleet).await;
    std::fs::write(&gate, "").expect("written");
    let job = fleet.until(&id, "what runs to end", |job| job["message"] == "Paused").await.expect("it does");
    assert_eq!((&step(&job, "work")["done"], &step(&job, "work")["running"]), (&json!(2), &json!(0)));
    assert_eq!(counts(&ledger), (2, 2));

    // Whoever is started anew holds to it: an orchestrator, and a worker that reads the queue past what was withdrawn.
    fleet.orchestrators[0].process.kill().expect("killed");
    fleet.orchestrators[0] = fleet.spawn_orchestrator().expect("started again");
    fleet.ready(0).await.expect("ready");
    fleet.workers("drover-test-worker", 1, &[]).await.expect("another worker starts");
    assert_eq!(fleet.run("script", json!({})).await.expect("the queue is read to here")["status"], "completed");
    assert_eq!(counts(&ledger), (2, 2), "nothing of it has begun");
    assert_eq!(fleet.job(&id).await.expect("there")["paused"], true);

    ask(&fleet, &id, "resume").await;
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["paused"]), (&json!("completed"), &json!(false)), "{job}");
    assert_eq!(counts(&ledger), (20, 20), "each of them ran once");
    assert_result(&job);
    let withdrawn = fleet.get(&format!("/api/v1/jobs/{id}/history?limit=1000")).await.expect("read");
    let withdrawn = withdrawn["events"].as_array().expect("a list").iter().filter(|event| event["kind"] == "withdrawn");
    assert_eq!(withdrawn.count(), 4, "what waited in the queue");
}

#[tokio::test]
async fn a_queued_job_that_is_paused_does_not_start_when_a_slot_is_free() {
    let fleet = fleet_of_two_slots().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (gate, ledger) = (folder.path().join("gate"), folder.path().join("ledger"));
    let busy = [(); 2].map(|()| fleet.submit("script", json!({ "gate": gate })));
    let busy = futures_util::future::try_join_all(busy).await.expect("accepted");
    for id in &busy {
        fleet.until(id, "it to run", |job| job["status"] == "running").await.expect("it runs");
    }
    let (status, refused) =
        fleet.request(Method::POST, &format!("/api/v1/jobs/{}/pause", busy[0]), None).await.expect("answered");
    assert_eq!((status, &refused["kind"]), (409, &json!("at_work")), "{refused}");
    let queued = fleet.submit("script", json!({ "ledger": ledger })).await.expect("accepted");
    fleet.until_published(&queued).await.expect("it lies in the queue");
    ask(&fleet, &queued, "pause").await;
    heard(&fleet).await;
    std::fs::write(&gate, "").expect("written");
    assert_eq!(fleet.run("script", json!({})).await.expect("the queue is read to here")["status"], "completed");
    let job = fleet.job(&queued).await.expect("there");
    assert_eq!((&job["status"], &job["paused"], counts(&ledger)), (&json!("pending"), &json!(true), (0, 0)));
    ask(&fleet, &queued, "resume").await;
    let job = fleet.ended(&queued).await.expect("it ends");
    assert_eq!((&job["status"], &job["dispatch"], &job["attempt"]), (&json!("completed"), &json!(2), &json!(1)));
    assert_eq!(counts(&ledger), (1, 1));
}

#[tokio::test]
async fn a_paused_workflow_can_be_cancelled() {
    let fleet = fleet_of_two_slots().await;
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&workflows::fan_out("dropped", "    max_parallel: 6")).await.expect("valid");
    let item = json!({ "gate": folder.path().join("gate"), "ledger": ledger });
    let id = fleet.submit("dropped", json!({ "items": vec![item; 20] })).await.expect("accepted");
    fleet.until(&id, "both slots to be taken", |job| step(job, "work")["running"] == 2).await.expect("they are");
    ask(&fleet, &id, "pause").await;
    ask(&fleet, &id, "cancel").await;
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["paused"]), (&json!("cancelled"), &json!(false)), "{job}");
    assert_eq!(counts(&ledger), (2, 2));
}

/// Asks for `pause` or `resume` of a job type, and waits until every live worker has acknowledged.
async fn ask_types(fleet: &Fleet, what: &str) {
    let path = format!("/api/v1/types/{what}");
    let (status, body) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!(status, 202, "{what}: {body}");
    wait::until("every worker to acknowledge", PATIENCE, async || {
        let pauses = fleet.get("/api/v1/pauses").await?;
        let heard = |pause: &Value| pause["workers"]["acknowledged"] == pause["workers"]["live"];
        let all = pauses["paused"].as_array().is_some_and(|pauses| pauses.iter().all(heard));
        Ok(if all { Seen::Yes(()) } else { Seen::not_yet(pauses) })
    })
    .await
    .expect("they do");
}

/// Waits until so many messages lie in the queue of a type, and no worker holds one.
async fn until_left(fleet: &Fleet, job_type: &str, count: u64) {
    let queue = format!("queues/{}/drover.jobs.{job_type}", fleet.vhost.name());
    wait::until("the queue to be left", PATIENCE, async || {
        let queue = fleet.vhost.management().get(&queue).await?;
        let left = queue["messages_ready"] == count && queue["messages_unacknowledged"] == 0 && queue["consumers"] == 0;
        let seen = json!([queue["messages_ready"], queue["messages_unacknowledged"], queue["consumers"]]);
        Ok(if left { Seen::Yes(()) } else { Seen::not_yet(seen) })
    })
    .await
    .expect("it is");
}

#[tokio::test]
async fn a_paused_type_is_left_in_its_queue_also_by_a_worker_that_starts_and_others_go_on() {
    let mut fleet = fleet_of_two_slots().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (gate, ledger) = (folder.path().join("gate"), folder.path().join("ledger"));
    let mut jobs = Vec::new();
    for _ in 0..40 {
        jobs.push(fleet.submit("script", json!({ "gate": gate, "ledger": ledger })).await.expect("accepted"));
    }
    wait::until("both slots to be taken", PATIENCE, async || {
        Ok(if counts(&ledger) == (2, 0) { Seen::Yes(()) } else { Seen::not_yet(format!("{:?}", counts(&ledger))) })
    })
    .await
    .expect("they are");

    ask_types(&fleet, "script/pause").await;
    std::fs::write(&gate, "").expect("written");
    until_left(&fleet, "script", 38).await;
    assert_eq!(counts(&ledger), (2, 2), "what ran went on");

    fleet.workers[0].kill().expect("killed");
    fleet.workers[0] = fleet.spawn_worker("drover-test-worker", &[]).expect("started again");
    fleet.entered().await.expect("entered");
    assert_eq!(fleet.run("noop", json!({})).await.expect("another type goes on")["status"], "completed");
    until_left(&fleet, "script", 38).await;
    assert_eq!(counts(&ledger), (2, 2));
    let types = fleet.get("/api/v1/types").await.expect("read");
    let paused = |name: &str| {
        types["types"]
            .as_array()
            .and_then(|types| types.iter().find(|info| info["type"] == name))
            .map(|info| info["paused"].clone())
    };
    assert_eq!((paused("script"), paused("noop")), (Some(json!(true)), Some(json!(false))));

    ask_types(&fleet, "script/resume").await;
    for id in &jobs {
        let job = fleet.ended(id).await.expect("it ends");
        assert_eq!((&job["status"], &job["dispatch"]), (&json!("completed"), &json!(1)));
    }
    assert_eq!(counts(&ledger), (40, 40), "each of them ran once");
}

#[tokio::test]
async fn while_every_type_is_paused_nothing_is_taken() {
    let fleet = fleet_of_two_slots().await;
    ask_types(&fleet, "pause").await;
    let jobs = [fleet.submit("noop", json!({})).await, fleet.submit("script", json!({})).await];
    let jobs = jobs.map(|id| id.expect("accepted"));
    until_left(&fleet, "noop", 1).await;
    until_left(&fleet, "script", 1).await;
    ask_types(&fleet, "resume").await;
    for id in &jobs {
        assert_eq!(fleet.ended(id).await.expect("it ends")["status"], "completed");
    }
}
