//! The worker that `drover-bench` measures: jobs that do nothing, make a list, hold or report.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome, ProgressReport, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::sleep};

fn main() -> ExitCode {
    Worker::builder("drover-bench-worker")
        .version(env!("CARGO_PKG_VERSION"))
        .job(Noop)
        .job(Numbers)
        .job(Reports)
        .job(Holds)
        .job(Stamps)
        .main()
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

/// Sends a list that a fan-out is cut from.
struct Numbers;

#[derive(Deserialize, JsonSchema)]
struct NumbersParams {
    /// From 0 up to this.
    count: u32,
}

#[async_trait]
impl Job for Numbers {
    const TYPE: &'static str = "numbers";
    const TITLE: &'static str = "Make a list of numbers";
    type Params = NumbersParams;
    type Result = ();

    async fn run(&self, ctx: &JobContext, params: NumbersParams) -> Result<Outcome<()>, JobFailure> {
        ctx.items("numbers", 0..params.count).await?;
        Ok(().into())
    }
}

/// Does nothing below a number. From there on it holds until it is cancelled, and takes a known time to stop.
struct Holds;

#[derive(Deserialize, JsonSchema)]
struct HoldsParams {
    /// This batch's one number.
    numbers: [u32; 1],
    /// From here on jobs hold.
    hold_from: u32,
    /// From being told to the end.
    stop_ms: u64,
}

#[async_trait]
impl Job for Holds {
    const TYPE: &'static str = "holds";
    const TITLE: &'static str = "Hold until cancelled";
    const CONCURRENCY: Option<u32> = Some(8);
    type Params = HoldsParams;
    type Result = ();

    async fn run(&self, ctx: &JobContext, params: HoldsParams) -> Result<Outcome<()>, JobFailure> {
        if params.numbers[0] < params.hold_from {
            return Ok(().into());
        }
        ctx.cancelled().await;
        sleep(Duration::from_millis(params.stop_ms)).await;
        Err(JobFailure::cancelled())
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

/// Reports in a loop, and then the time of day for a while.
struct Stamps;

#[derive(Deserialize, JsonSchema)]
struct StampsParams {
    /// How many reports the loop makes.
    reports: u32,
    /// How many of the time of day follow.
    stamps: u32,
    /// From one of those to the next.
    spacing_ms: u64,
}

#[derive(Serialize, JsonSchema)]
struct StampsResult {
    /// What a report of the loop took.
    ns_per_call: f64,
}

#[async_trait]
impl Job for Stamps {
    const TYPE: &'static str = "stamps";
    const TITLE: &'static str = "Report in a loop";
    type Params = StampsParams;
    type Result = StampsResult;

    async fn run(&self, ctx: &JobContext, params: StampsParams) -> Result<Outcome<StampsResult>, JobFailure> {
        let start = Instant::now();
        for _ in 0..params.reports {
            ctx.processed(micros_of_day()?, None);
        }
        let ns_per_call = start.elapsed().as_secs_f64() * 1e9 / f64::from(params.reports.max(1));
        for _ in 0..params.stamps {
            ctx.processed(micros_of_day()?, None);
            sleep(Duration::from_millis(params.spacing_ms)).await;
        }
        Ok(StampsResult { ns_per_call }.into())
    }
}

/// Microseconds since 1970.
fn micros_of_day() -> Result<u64, JobFailure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.ok().and_then(|now| u64::try_from(now.as_micros()).ok());
    micros.ok_or_else(|| JobFailure::permanent("clock", "the clock stands before 1970"))
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
