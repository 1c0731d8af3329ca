//! The system that is measured: one orchestrator, one worker, unless a part asks for more.

use std::time::Duration;

use anyhow::ensure;
use drover_tests::{Fleet, Signal, fleet::PATIENCE, wait, wait::Seen};
use serde_json::{Value, json};

use crate::{
    counts::Counts,
    ends::Ends,
    figures::Figures,
    meter::{Cost, Meter},
};

/// The worker's program.
pub(crate) const WORKER: &str = "drover-bench-worker";
/// How many jobs the worker runs at once: all of the running jobs of the progress measurement.
pub(crate) const CONCURRENCY: u32 = 2_000;
/// The shortest time between two reports of a job that a worker can be told.
const PROGRESS_INTERVAL_SECONDS: &str = "0.01";

/// A fresh system.
pub(crate) struct System {
    pub(crate) fleet: Fleet,
    pub(crate) ends: Ends,
    meter: Meter,
    /// How long it was left alone after its start.
    pub(crate) idle: Duration,
}

impl System {
    /// Starts one orchestrator and one worker.
    pub(crate) async fn start(counts: &Counts) -> anyhow::Result<Self> {
        Self::start_many(counts, 1, 1).await
    }

    /// Starts so many of each.
    pub(crate) async fn start_many(counts: &Counts, orchestrators: usize, workers: usize) -> anyhow::Result<Self> {
        let concurrency = CONCURRENCY.to_string();
        let environment = [
            ("DROVER__WORKER__CONCURRENCY", concurrency.as_str()),
            ("DROVER__WORKER__PROGRESS_INTERVAL_SECONDS", PROGRESS_INTERVAL_SECONDS),
        ];
        Self::start_with(counts, orchestrators, workers, &environment).await
    }

    /// Starts so many of each, the workers with this environment.
    pub(crate) async fn start_with(
        counts: &Counts,
        orchestrators: usize,
        workers: usize,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut fleet = Fleet::start(orchestrators, &[]).await?;
        fleet.workers(WORKER, workers, environment).await?;
        let ends = Ends::listen(&fleet.vhost).await?;
        let meter = Meter::new(&fleet, counts.statements).await?;
        Ok(Self { fleet, ends, meter, idle: Duration::from_secs_f64(counts.idle_seconds) })
    }

    /// Ends it: all went well, and what its processes wrote is of no interest.
    pub(crate) fn done(mut self) {
        self.fleet.silence();
    }

    /// A measurement begins.
    pub(crate) async fn begin(&self) -> anyhow::Result<Cost> {
        self.meter.begin(&self.fleet).await
    }

    /// It ended after so many units: what each of them cost, in figures whose names begin with `name`.
    pub(crate) async fn end(&self, cost: Cost, figures: &mut Figures, name: &str, units: u32) -> anyhow::Result<()> {
        self.meter.end(cost, &self.fleet, figures, name, units).await
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
