//! Queues that lost what they held: it is dispatched again, at once when somebody asks and by itself after a while, and every
//! job is done once.

use std::{collections::BTreeMap, path::PathBuf};

use drover_tests::{
    Fleet, Vhost,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const JOBS: usize = 12;

/// A fleet whose one slot is taken, and jobs that wait behind it.
struct Backlog {
    fleet: Fleet,
    folder: TempDir,
    running: String,
    waiting: Vec<String>,
}

impl Backlog {
    async fn new(lease_seconds: &str) -> Self {
        let environment = [("DROVER__ORCHESTRATOR__LEASE_SECONDS", lease_seconds)];
        let mut fleet = Fleet::start(2, &environment).await.expect("the orchestrators start");
        let slot = [("DROVER__WORKER__CONCURRENCY", "1")];
        fleet.workers("drover-test-worker", 1, &slot).await.expect("the worker starts");
        let folder = tempfile::tempdir().expect("a folder");
        let (gate, ledger) = (folder.path().join("gate"), folder.path().join("ledger"));
        let params = json!({ "gate": gate, "ledger": ledger });
        let running = fleet.submit("script", params).await.expect("accepted");
        fleet.until(&running, "it to run", |job| job["status"] == "running").await.expect("the one slot takes it");
        let mut waiting = Vec::new();
        for _ in 0..JOBS {
            waiting.push(fleet.submit("script", json!({ "ledger": ledger })).await.expect("accepted"));
        }
        let backlog = Self { fleet, folder, running, waiting };
        backlog.published().await;
        backlog
    }

    /// Waits until nothing is owed to the broker.
    async fn published(&self) {
        for id in &self.waiting {
            self.fleet.until_published(id).await.expect("it lies in the queue");
        }
    }

    fn queue(&self, vhost: &Vhost) -> String {
        format!("queues/{}/drover.jobs.script", vhost.name())
    }

    /// Waits until the worker has given back what it has no slot for.
    async fn at_rest(&self) {
        let vhost = &self.fleet.vhost;
        wait::until("all messages to lie in the queue", PATIENCE, async || {
            let queue = vhost.management().get(&self.queue(vhost)).await?;
            let waiting = queue["messages_ready"].as_u64().unwrap_or(0) >= JOBS as u64;
            Ok(if waiting { Seen::Yes(()) } else { Seen::not_yet(&queue["messages_ready"]) })
        })
        .await
        .expect("they do");
    }

    async fn recover(&self) -> Value {
        let body = json!({ "older_than_seconds": 0 });
        let (status, answer) = self.fleet.request(Method::POST, "/api/v1/recover", Some(body)).await.expect("answered");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Lets all run to the end: each exactly once.
    async fn end(self) {
        std::fs::write(self.folder.path().join("gate"), "").expect("written");
        for id in self.waiting.iter().chain([&self.running]) {
            assert_eq!(self.fleet.ended(id).await.expect("it ends")["status"], "completed");
        }
        let job = self.fleet.job(&self.running).await.expect("there");
        assert_eq!(job["dispatch"], 1, "its worker went on: {job}");
        let begun = begun(&self.folder.path().join("ledger"));
        assert_eq!(begun.len(), JOBS + 1);
        assert!(begun.values().all(|times| *times == 1), "{begun:?}");
    }
}

/// How often each job was begun.
fn begun(ledger: &PathBuf) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(ledger).expect("written");
    let mut begun = BTreeMap::new();
    for line in text.lines().filter(|line| line.ends_with(" begin")) {
        *begun.entry(line.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    begun
}

#[tokio::test]
async fn a_purged_queue_is_filled_again_when_somebody_asks() {
    // Long enough that nobody finds it by itself.
    let backlog = Backlog::new("60").await;
    backlog.at_rest().await;
    let vhost = &backlog.fleet.vhost;
    vhost.management().delete(&format!("{}/contents", backlog.queue(vhost))).await.expect("purged");
    let answer = backlog.recover().await;
    assert_eq!((&answer["redispatched"], &answer["retried"]), (&json!(JOBS), &json!(0)), "{answer}");
    backlog.end().await;
}

#[tokio::test]
async fn recovery_where_nothing_was_lost_runs_no_job_twice() {
    let backlog = Backlog::new("60").await;
    assert_eq!(backlog.recover().await["redispatched"], JOBS);
    backlog.published().await;
    assert_eq!(backlog.recover().await["redispatched"], JOBS, "three messages of each are in the queue");
    backlog.end().await;
}

#[tokio::test]
async fn a_purged_queue_is_found_by_the_running_system() {
    let backlog = Backlog::new("3").await;
    backlog.at_rest().await;
    let vhost = &backlog.fleet.vhost;
    vhost.management().delete(&format!("{}/contents", backlog.queue(vhost))).await.expect("purged");
    for id in &backlog.waiting {
        let job =
            backlog.fleet.until(id, "it to be dispatched again", |job| job["dispatch"] == 2).await.expect("it is");
        assert_eq!((&job["status"], &job["attempt"]), (&json!("pending"), &json!(1)));
    }
    backlog.end().await;
}

#[tokio::test]
async fn a_deleted_queue_is_made_anew_and_filled_by_the_running_system() {
    let backlog = Backlog::new("3").await;
    let vhost = &backlog.fleet.vhost;
    vhost.management().delete(&backlog.queue(vhost)).await.expect("deleted");
    for id in &backlog.waiting {
        backlog.fleet.until(id, "it to be dispatched again", |job| job["dispatch"] != 1).await.expect("it is");
    }
    backlog.end().await;
}
