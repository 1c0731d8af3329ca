//! What is away for longer than a lease, and comes back: nobody is lost for it, and nothing is done twice.

use std::{path::Path, time::Duration};

use drover_tests::{
    Database, Fleet, Mode, Proxy, Vhost,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const WORKER: &str = "drover-test-worker";
/// The shortest that can be set.
const LEASE_SECONDS: &str = "2";
/// Many leases, and longer than RabbitMQ takes to notice a dead connection.
const AWAY: Duration = Duration::from_secs(9);

/// A fleet of one orchestrator, with a proxy on each way.
struct Parted {
    fleet: Fleet,
    postgres: Proxy,
    amqp: Proxy,
    /// Of the first worker.
    worker: Proxy,
    folder: TempDir,
}

impl Parted {
    async fn start() -> Self {
        let database = Database::create().await.expect("a database");
        let vhost = Vhost::create().await.expect("a vhost");
        let postgres = Proxy::postgres(database.url()).await.expect("a proxy");
        let amqp = Proxy::amqp(vhost.url()).await.expect("a proxy");
        let worker = Proxy::amqp(vhost.url()).await.expect("a proxy");
        let mut fleet = Fleet::on(database, vhost).expect("a client");
        let (database_url, amqp_url) = (postgres.url(fleet.database.url()), amqp.url(fleet.vhost.url()));
        fleet.set_environment(&[
            ("DROVER__DATABASE__URL", &database_url),
            ("DROVER__AMQP__URL", &amqp_url),
            ("DROVER__ORCHESTRATOR__LEASE_SECONDS", LEASE_SECONDS),
        ]);
        fleet.orchestrators.push(fleet.spawn_orchestrator().expect("it starts"));
        fleet.ready(0).await.expect("it is ready");
        fleet.set_environment(&[]);
        let worker_url = worker.url(fleet.vhost.url());
        let environment = [("DROVER__AMQP__URL", worker_url.as_str()), ("DROVER__WORKER__CONCURRENCY", "1")];
        fleet.workers(WORKER, 1, &environment).await.expect("the worker starts");
        Self { fleet, postgres, amqp, worker, folder: tempfile::tempdir().expect("a folder") }
    }

    fn gate(&self) -> std::path::PathBuf {
        self.folder.path().join("gate")
    }

    fn open_gate(&self) {
        std::fs::write(self.gate(), "").expect("written");
    }

    /// A job that runs and waits at the gate.
    async fn running(&self) -> String {
        let params = json!({ "gate": self.gate(), "ledger": self.ledger() });
        let id = self.fleet.submit("script", params).await.expect("accepted");
        self.fleet.until(&id, "it to run", |job| job["status"] == "running").await.expect("it runs");
        id
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger")
    }

    /// Waits until the orchestrator says that it is ready, or that it is not.
    async fn readiness(&self, status: u16) {
        wait::until("the orchestrator to say so", PATIENCE, async || {
            let (found, body) = self.fleet.request(Method::GET, "/healthz/ready", None).await?;
            Ok(if found == status { Seen::Yes(()) } else { Seen::not_yet(format!("{found}: {body}")) })
        })
        .await
        .expect("it does");
    }

    async fn submit_now(&self) -> (u16, Value) {
        let body = json!({ "type": "noop", "params": {} });
        self.fleet.request(Method::POST, "/api/v1/jobs", Some(body)).await.expect("it is answered")
    }

    async fn completed_at_first_try(&self, id: &str) {
        let job = self.fleet.ended(id).await.expect("it ends");
        assert_eq!(
            (&job["status"], &job["attempt"], &job["dispatch"]),
            (&json!("completed"), &json!(1), &json!(1)),
            "{job}"
        );
    }
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn postgres_away_for_many_leases_loses_no_worker_and_retries_nothing() {
    let parted = Parted::start().await;
    let id = parted.running().await;
    for away in [Mode::Severed, Mode::Frozen] {
        parted.postgres.set(away);
        parted.readiness(503).await;
        let (status, problem) = parted.submit_now().await;
        assert_eq!(status, 503, "{problem}");
        tokio::time::sleep(AWAY).await;
        parted.postgres.set(Mode::Open);
        parted.readiness(200).await;
    }
    parted.open_gate();
    parted.completed_at_first_try(&id).await;
    assert_eq!(lines(&parted.ledger()).len(), 2, "it began once and ended once");
}

#[tokio::test]
async fn rabbitmq_away_for_many_leases_loses_no_worker_no_report_and_no_submission() {
    let parted = Parted::start().await;
    let id = parted.running().await;
    parted.amqp.set(Mode::Severed);
    parted.worker.set(Mode::Severed);
    parted.readiness(503).await;
    let (status, submitted) = parted.submit_now().await;
    // It ends while nobody hears it.
    parted.open_gate();
    tokio::time::sleep(AWAY).await;
    parted.amqp.set(Mode::Open);
    parted.worker.set(Mode::Open);
    parted.readiness(200).await;
    parted.completed_at_first_try(&id).await;
    match status {
        201 => parted.completed_at_first_try(submitted["id"].as_str().expect("an id")).await,
        refused => assert_eq!(refused, 503, "{submitted}"),
    }
}

#[tokio::test]
async fn a_worker_that_is_cut_off_or_stopped_past_its_lease_does_no_harm_when_it_is_back() {
    let mut parted = Parted::start().await;
    for cut in [true, false] {
        let id = parted.running().await;
        parted.fleet.workers(WORKER, 1, &[]).await.expect("another worker");
        if cut {
            parted.worker.set(Mode::Frozen);
        } else {
            parted.fleet.workers[0].signal(Signal::SIGSTOP).expect("stopped");
        }
        let again = |job: &Value| job["dispatch"] == 2 && job["status"] == "running";
        parted.fleet.until(&id, "the other worker to take it over", again).await.expect("it does");
        if cut {
            parted.worker.set(Mode::Open);
        } else {
            parted.fleet.workers[0].signal(Signal::SIGCONT).expect("it goes on");
        }
        parted.until_one_holds(&id).await;
        parted.open_gate();
        let job = parted.fleet.ended(&id).await.expect("it ends");
        assert_eq!((&job["status"], &job["attempt"]), (&json!("completed"), &json!(2)), "{job}");
        let ended = lines(&parted.ledger()).iter().filter(|line| line.ends_with("done")).count();
        assert_eq!(ended, 1, "the first one was told to stop: {:?}", lines(&parted.ledger()));
        parted.fleet.workers.pop();
        std::fs::remove_file(parted.gate()).expect("removed");
        std::fs::remove_file(parted.ledger()).expect("removed");
    }
}

impl Parted {
    /// Waits until both workers live, and only one of them still runs the job.
    async fn until_one_holds(&self, id: &str) {
        wait::until("the one that lost the job to stop it", PATIENCE, async || {
            let workers = self.fleet.get("/api/v1/workers").await?;
            let live = workers["workers"].as_array().cloned().unwrap_or_default();
            let live: Vec<Value> = live.into_iter().filter(|worker| worker["status"] == "live").collect();
            let running = live.iter().filter(|worker| worker["running"].to_string().contains(id)).count();
            Ok(if (live.len(), running) == (2, 1) { Seen::Yes(()) } else { Seen::not_yet(&workers) })
        })
        .await
        .expect("it does");
    }
}
