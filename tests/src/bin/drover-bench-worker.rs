//! The worker that `drover-bench` measures: a job that does nothing, and one that reports when it is told to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome, ProgressReport, Worker};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{sync::watch, time::sleep};

fn main() -> ExitCode {
    Worker::builder("drover-bench-worker").version(env!("CARGO_PKG_VERSION")).job(Noop).job(Reports).main()
}

/// Does nothing.
struct Noop;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[async_trait]
impl Job for Noop {
    const TYPE: &'static str = "noop";
    const TITLE: &'static str = "Do nothing";
    type Params = Nothing;
    type Result = ();

    async fn run(&self, _ctx: &JobContext, _params: Nothing) -> Result<Outcome<()>, JobFailure> {
        Ok(().into())
    }
}

/// Holds until the first gate opens, reports, and holds until the second one does.
struct Reports;

#[derive(Deserialize, JsonSchema)]
struct ReportsParams {
    /// Reports begin when this file is there.
    begin: PathBuf,
    /// The job ends when this file is there.
    end: PathBuf,
    /// How many reports.
    reports: u32,
    /// From one report to the next.
    spacing_ms: u64,
}

#[async_trait]
impl Job for Reports {
    const TYPE: &'static str = "reports";
    const TITLE: &'static str = "Report";
    type Params = ReportsParams;
    type Result = ();

    async fn run(&self, ctx: &JobContext, params: ReportsParams) -> Result<Outcome<()>, JobFailure> {
        opened(&params.begin).await;
        for report in 1..=params.reports {
            ctx.progress(ProgressReport {
                percent: Some(99.0 * f64::from(report) / f64::from(params.reports)),
                message: Some(format!("report {report} of {}", params.reports)),
                processed: Some(report.into()),
                total: Some(params.reports.into()),
            });
            sleep(Duration::from_millis(params.spacing_ms)).await;
        }
        opened(&params.end).await;
        Ok(().into())
    }
}

/// How often a gate is looked at, once for all jobs that wait at it.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until the file is there.
async fn opened(gate: &Path) {
    static GATES: LazyLock<Mutex<HashMap<PathBuf, watch::Receiver<bool>>>> = LazyLock::new(Mutex::default);
    let mut open = {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(gate.to_owned()).or_insert_with(|| watched(gate.to_owned())).clone()
    };
    // The sender tells before it goes.
    let _ = open.wait_for(|open| *open).await;
}

fn watched(gate: PathBuf) -> watch::Receiver<bool> {
    let (tell, open) = watch::channel(false);
    tokio::spawn(async move {
        while !gate.exists() {
            sleep(LOOK).await;
        }
        tell.send_replace(true);
    });
    open
}
