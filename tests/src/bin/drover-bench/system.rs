//! The system that is measured: one orchestrator, one worker.

use std::time::Duration;

use anyhow::ensure;
use drover_tests::{Fleet, Signal, fleet::PATIENCE, wait, wait::Seen};
use serde_json::{Value, json};

use crate::{arguments::Counts, ends::Ends};

/// How many jobs the worker runs at once: all of the running jobs of the progress measurement.
pub(crate) const CONCURRENCY: u32 = 2_000;
/// The shortest time between two reports of a job that a worker can be told.
const PROGRESS_INTERVAL_SECONDS: &str = "0.01";

/// A fresh system.
pub(crate) struct System {
    pub(crate) fleet: Fleet,
    pub(crate) ends: Ends,
    /// How long it was left alone after its start.
    pub(crate) idle: Duration,
}

impl System {
    /// Starts one.
    pub(crate) async fn start(counts: &Counts) -> anyhow::Result<Self> {
        let mut fleet = Fleet::start(1, &[]).await?;
        let concurrency = CONCURRENCY.to_string();
        let environment = [
            ("DROVER__WORKER__CONCURRENCY", concurrency.as_str()),
            ("DROVER__WORKER__PROGRESS_INTERVAL_SECONDS", PROGRESS_INTERVAL_SECONDS),
        ];
        fleet.workers("drover-bench-worker", 1, &environment).await?;
        let ends = Ends::listen(&fleet.vhost).await?;
        Ok(Self { fleet, ends, idle: Duration::from_secs_f64(counts.idle_seconds) })
    }

    /// Does a little of everything once: statements are prepared, queues declared, files mapped.
    pub(crate) async fn warm_up(&mut self) -> anyhow::Result<()> {
        let steps = Value::Array((0..10).map(noop_step).collect());
        self.apply("warm_up", steps).await?;
        for _ in 0..10 {
            self.run("warm_up", json!({})).await?;
        }
        Ok(())
    }

    /// Registers a workflow of these steps.
    pub(crate) async fn apply(&self, name: &str, steps: Value) -> anyhow::Result<()> {
        // JSON is YAML.
        let definition = json!({ "name": name, "title": name, "steps": steps });
        self.fleet.apply(&definition.to_string()).await
    }

    /// Submits a job and waits until it has completed. Its id.
    pub(crate) async fn run(&mut self, job_type: &str, params: Value) -> anyhow::Result<String> {
        let id = self.fleet.submit(job_type, params).await?;
        self.ends.completed([id.clone()]).await?;
        Ok(id)
    }

    /// Ends the worker; what it announced stays known.
    pub(crate) async fn stop_worker(&mut self) -> anyhow::Result<()> {
        let Some(worker) = self.fleet.workers.first_mut() else { return Ok(()) };
        worker.signal(Signal::SIGTERM)?;
        let status = worker.wait_for_exit(PATIENCE).await?;
        ensure!(status.success(), "the worker ended: {status}");
        wait::until("the worker's farewell to be taken", PATIENCE, async || {
            let workers = self.fleet.get("/api/v1/workers").await?;
            let live = workers["workers"].as_array().is_some_and(|all| all.iter().any(|one| one["status"] == "live"));
            Ok(if live { Seen::not_yet(workers) } else { Seen::Yes(()) })
        })
        .await
    }
}

/// A step that does nothing.
pub(crate) fn noop_step(index: u32) -> Value {
    json!({ "key": format!("step_{index}"), "title": format!("Step {index}"), "job": "noop" })
}
