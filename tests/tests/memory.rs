//! Orchestrator and worker in one process, on the broker in memory: what `drover dev` is, without its command line.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use drover_broker::{Broker, Settle, memory::MemoryBroker};
use drover_orchestrator::{
    config::{self, Config},
    run,
};
use drover_service::config::Loader;
use drover_tests::{
    Database,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use drover_worker::{Job, JobContext, JobFailure, Outcome, Worker, WorkerSection};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const FAN_OUT: &str = r#"
name: fan_out
title: A fan-out
steps:
  - key: work
    title: Work
    job: echo
    for_each: "${input.items}"
    max_parallel: 4
    params: "${batch.items[0]}"
"#;

/// Gives back what it gets.
struct Echo;

#[async_trait]
impl Job for Echo {
    const TYPE: &'static str = "echo";
    const TITLE: &'static str = "Echo";
    type Params = Value;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, params: Value) -> Result<Outcome<Value>, JobFailure> {
        ctx.percent(50.0);
        ctx.items("copies", [&params, &params]).await?;
        Ok(params.into())
    }
}

/// Runs until it is let go or cancelled.
#[derive(Clone)]
struct Hold {
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Job for Hold {
    const TYPE: &'static str = "hold";
    const TITLE: &'static str = "Hold";
    type Params = Value;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, params: Value) -> Result<Outcome<Value>, JobFailure> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            permit = self.gate.acquire() => permit?.forget(),
            () = ctx.cancelled() => return Err(JobFailure::cancelled()),
        }
        Ok(params.into())
    }
}

/// A whole system in this process.
struct System {
    broker: Arc<MemoryBroker>,
    hold: Hold,
    url: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    worker_shutdown: CancellationToken,
    /// The worker's, then the orchestrator's.
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
    // Dropped last: the database goes with it.
    database: Database,
}

async fn finish(task: JoinHandle<anyhow::Result<()>>) {
    timeout(PATIENCE, task).await.expect("it ends").expect("no panic").expect("no error");
}

impl System {
    /// An orchestrator and a worker with one slot for jobs, each on a connection of its own.
    async fn start() -> Self {
        Self::on(Database::create().await.expect("a database")).await
    }

    /// The same on a database that may have been in use before.
    async fn on(database: Database) -> Self {
        // Whoever comes second finds the same provider there.
        rustls::crypto::ring::default_provider().install_default().ok();
        let broker = MemoryBroker::new();
        let variables = HashMap::from([("DROVER__DATABASE__URL".to_owned(), database.url().to_owned())]);
        let loader = Loader::new(config::DEFAULTS).secrets(config::SECRETS).only(config::SECTIONS);
        let config: Config = loader.environment(variables).load().expect("a valid configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shutdown = CancellationToken::new();
        let (connection, until) = (broker.connect(), shutdown.clone());
        let orchestrator = tokio::spawn(async move { run::run(&config, connection, listener, until).await });

        let hold = Hold { begun: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        let section = WorkerSection { concurrency: 1, ..WorkerSection::default() };
        let worker = Worker::builder("memory").job(Echo).job(hold.clone()).settings(section).build().expect("a worker");
        let worker_shutdown = shutdown.child_token();
        let (connection, until) = (broker.connect(), worker_shutdown.clone());
        let worker = tokio::spawn(async move {
            worker.run(connection, until).await;
            Ok(())
        });
        let tasks = vec![worker, orchestrator];
        let client = reqwest::Client::new();
        let system = Self { broker, hold, url, client, shutdown, worker_shutdown, tasks, database };
        system
            .until("/api/v1/workers", "the worker to be welcomed", |seen| seen["workers"][0]["status"] == "live")
            .await;
        system
    }

    /// Ends the worker alone.
    async fn end_worker(&mut self) {
        self.worker_shutdown.cancel();
        finish(self.tasks.remove(0)).await;
    }

    /// Ends all, in an orderly way. What remains.
    async fn stop(self) -> (Arc<MemoryBroker>, Database) {
        self.shutdown.cancel();
        for task in self.tasks {
            finish(task).await;
        }
        (self.broker, self.database)
    }

    /// Ends all, with nothing left in any queue.
    async fn end(self) {
        let (broker, _database) = self.stop().await;
        for queue in ["drover.jobs.echo", "drover.jobs.hold", "drover.dead"] {
            assert_eq!(broker.depth(queue).await.expect("open"), Some(0), "{queue}");
        }
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    async fn submit(&self, job_type: &str, params: Value) -> String {
        let body = json!({ "type": job_type, "params": params });
        let (status, body) = self.request(Method::POST, "/api/v1/jobs", Some(body)).await.expect("answered");
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().expect("a text").to_owned()
    }

    async fn cancel(&self, id: &str) {
        self.ask(&format!("jobs/{id}/cancel")).await;
    }

    /// Asks for something that is done.
    async fn ask(&self, what: &str) -> Value {
        let (status, body) = self.request(Method::POST, &format!("/api/v1/{what}"), None).await.expect("answered");
        assert_eq!(status, 202, "{what}: {body}");
        body
    }

    /// Waits until what is there is as wanted.
    async fn until(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, PATIENCE, async || {
            let (_, seen) = self.request(Method::GET, path, None).await?;
            Ok(if wanted(&seen) { Seen::Yes(seen) } else { Seen::not_yet(seen) })
        })
        .await
        .expect("it comes")
    }

    async fn until_status(&self, id: &str, status: &str) -> Value {
        self.until(&format!("/api/v1/jobs/{id}"), status, |job| job["status"] == status).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_and_workflows_complete_in_one_process() {
    let system = System::start().await;
    let id = system.submit("echo", json!({ "n": 7 })).await;
    let job = system.until_status(&id, "completed").await;
    assert_eq!((&job["result"]["n"], &job["progress"]), (&json!(7), &json!(100)), "{job}");
    assert_eq!(job["result"]["copies"]["$items"]["count"], 2, "{job}");

    let apply = system.client.put(format!("{}/api/v1/definitions", system.url));
    let applied = apply.header("content-type", "application/yaml").body(FAN_OUT).send().await.expect("answered");
    assert!(applied.status().is_success(), "{applied:?}");
    let items: Vec<Value> = (0..50).map(|index| json!({ "index": index })).collect();
    let expected: Vec<Value> = (0..50).map(Value::from).collect();
    let id = system.submit("fan_out", json!({ "items": items })).await;
    let job = system.until_status(&id, "completed").await;
    let batches = job["result"]["steps"]["work"].as_array().expect("a list");
    let results: Vec<Value> = batches.iter().map(|batch| batch["result"]["index"].clone()).collect();
    assert_eq!(results, expected, "{job}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_what_runs_and_what_waits() {
    let system = System::start().await;
    let runs = system.submit("hold", json!({})).await;
    system.until_status(&runs, "running").await;
    let waits = system.submit("hold", json!({})).await;
    system.cancel(&waits).await;
    system.until_status(&waits, "cancelled").await;
    system.cancel(&runs).await;
    system.until_status(&runs, "cancelled").await;
    assert_eq!(system.hold.begun.load(Ordering::SeqCst), 1, "what waited never ran");
    // Behind what waited, in the same queue.
    let next = system.submit("hold", json!({})).await;
    system.hold.gate.add_permits(1);
    system.until_status(&next, "completed").await;
    assert_eq!(system.hold.begun.load(Ordering::SeqCst), 2);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_job_and_a_paused_type_wait_and_others_go_on() {
    let system = System::start().await;
    let runs = system.submit("hold", json!({})).await;
    system.until_status(&runs, "running").await;
    let paused = system.submit("hold", json!({})).await;
    assert_eq!(system.ask(&format!("jobs/{paused}/pause")).await["paused"], true);
    // Broadcast behind the pause, and ended when the worker has heard of it.
    let cancelled = system.submit("hold", json!({})).await;
    system.cancel(&cancelled).await;
    system.until_status(&cancelled, "cancelled").await;
    let next = system.submit("hold", json!({})).await;
    system.hold.gate.add_permits(2);
    system.until_status(&runs, "completed").await;
    system.until_status(&next, "completed").await;
    assert_eq!(system.hold.begun.load(Ordering::SeqCst), 2, "what is paused was passed over");

    system.ask("types/hold/pause").await;
    let heard = |seen: &Value| seen["paused"][0]["workers"] == json!({ "live": 1, "acknowledged": 1, "unaware": 0 });
    system.until("/api/v1/pauses", "the worker to acknowledge", heard).await;
    let waits = system.submit("hold", json!({})).await;
    system.ask(&format!("jobs/{paused}/resume")).await;
    let other = system.submit("echo", json!({ "n": 1 })).await;
    system.until_status(&other, "completed").await;
    assert_eq!(system.hold.begun.load(Ordering::SeqCst), 2);
    system.hold.gate.add_permits(2);
    system.ask("types/hold/resume").await;
    for id in [&paused, &waits] {
        system.until_status(id, "completed").await;
    }
    assert_eq!(system.hold.begun.load(Ordering::SeqCst), 4);
    system.end().await;
}

/// The one slot is taken, so the worker leaves the queue to whoever else is there; that one rejects the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_message_dies_is_listed_and_fails() {
    let system = System::start().await;
    let runs = system.submit("hold", json!({})).await;
    system.until_status(&runs, "running").await;
    let dies = system.submit("hold", json!({})).await;
    let other = system.broker.connect();
    let mut deliveries = other.consume("drover.jobs.hold", 1).await.expect("the queue is there");
    let delivery = timeout(PATIENCE, deliveries.next()).await.expect("it comes").expect("open");
    assert_eq!(delivery.properties.message_id.as_deref(), Some(dies.as_str()));
    assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);
    drop(deliveries);

    let job = system.until_status(&dies, "failed").await;
    assert_eq!(job["error"]["kind"], "dead_letter", "{job}");
    let listed = |seen: &Value| seen["messages"][0]["job_id"] == dies.as_str();
    let letters = system.until("/api/v1/dead", "the dead letter to be listed", listed).await;
    let letter = &letters["messages"][0];
    assert_eq!((&letter["queue"], &letter["reason"]), (&json!("drover.jobs.hold"), &json!("rejected")), "{letter}");

    system.hold.gate.add_permits(1);
    system.until_status(&runs, "completed").await;
    system.end().await;
}

/// The broker forgets with its process; Postgres does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_is_published_again_by_the_next_start() {
    let mut system = System::start().await;
    system.end_worker().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(system.submit("echo", json!({ "n": number })).await);
    }
    let held = async || {
        let depth = system.broker.depth("drover.jobs.echo").await?;
        Ok(if depth == Some(3) { Seen::Yes(()) } else { Seen::not_yet(format!("{depth:?}")) })
    };
    wait::until("the broker to hold the messages", PATIENCE, held).await.expect("they are published");
    let (broker, database) = system.stop().await;
    drop(broker);

    let system = System::on(database).await;
    for (number, id) in ids.iter().enumerate() {
        let job = system.until_status(id, "completed").await;
        assert_eq!(job["result"]["n"], number, "{job}");
    }
    system.end().await;
}
