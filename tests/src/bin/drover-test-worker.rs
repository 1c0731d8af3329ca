//! A worker whose jobs do as they are told: for the end-to-end tests.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobError, JobFailure, LogLevel, Outcome, ProgressReport, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn main() -> ExitCode {
    Worker::builder("drover-test-worker").version(env!("CARGO_PKG_VERSION")).job(Script).job(Noop).main()
}

/// Does nothing and says what it was given.
struct Noop;

#[derive(Deserialize, JsonSchema)]
struct NoopParams {
    #[serde(default)]
    value: Value,
}

#[async_trait]
impl Job for Noop {
    const TYPE: &'static str = "noop";
    const TITLE: &'static str = "Do nothing";
    type Params = NoopParams;
    type Result = Value;

    async fn run(&self, _ctx: &JobContext, params: NoopParams) -> Result<Outcome<Value>, JobFailure> {
        Ok(json!({ "value": params.value, "count": 1 }).into())
    }
}

/// Does what its parameters say, in the order of the fields.
struct Script;

#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(default)]
struct Params {
    /// A line `<job> <attempt> <what>` is appended to this file at the start and at the end.
    ledger: Option<PathBuf>,
    /// Percentages to report, in turn.
    progress: Vec<f64>,
    /// A message to report.
    message: Option<String>,
    /// Log lines to write.
    log: Vec<String>,
    /// An items list `list` of this many numbers to send.
    items: Option<u32>,
    /// Sends a value of this many bytes in the items list.
    item_bytes: usize,
    /// Waits until this file is there.
    gate: Option<PathBuf>,
    /// Goes on waiting at the gate when it is cancelled.
    stubborn: bool,
    /// Ends its process, by abort, in attempts up to this one.
    crash_attempts: u32,
    /// Panics.
    panic: bool,
    /// Fails in attempts up to this one.
    fail_attempts: u32,
    /// What these failures say, if not the attempt.
    told: Option<String>,
    /// Whether these failures are retryable.
    retryable: bool,
    /// Completes with this error beside the result.
    error: Option<String>,
    /// What it returns; `null` for `{"attempt": n}`.
    result: Value,
    /// Adds a text of this many bytes to the result.
    result_bytes: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            ledger: None,
            progress: Vec::new(),
            message: None,
            log: Vec::new(),
            items: None,
            item_bytes: 0,
            gate: None,
            stubborn: false,
            crash_attempts: 0,
            panic: false,
            fail_attempts: 0,
            told: None,
            retryable: true,
            error: None,
            result: Value::Null,
            result_bytes: 0,
        }
    }
}

#[async_trait]
impl Job for Script {
    const TYPE: &'static str = "script";
    const TITLE: &'static str = "Do as told";
    type Params = Params;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, params: Params) -> Result<Outcome<Value>, JobFailure> {
        note(ctx, &params, "begin")?;
        let done = run(ctx, &params).await;
        note(ctx, &params, if done.is_ok() { "done" } else { "failed" })?;
        done
    }
}

async fn run(ctx: &JobContext, params: &Params) -> Result<Outcome<Value>, JobFailure> {
    for percent in &params.progress {
        ctx.progress(ProgressReport { percent: Some(*percent), ..ProgressReport::default() });
    }
    if let Some(message) = &params.message {
        ctx.message(message.clone());
    }
    for line in &params.log {
        ctx.log(LogLevel::Info, line.clone());
        tracing::info!(from = "tracing", "{line}");
    }
    if let Some(count) = params.items {
        ctx.items("list", 0..count).await?;
    }
    if params.item_bytes > 0 {
        ctx.items("list", ["x".repeat(params.item_bytes)]).await?;
    }
    if let Some(gate) = &params.gate {
        while !gate.exists() {
            if ctx.is_cancelled() && !params.stubborn {
                return Err(JobFailure::cancelled().with_partial(json!({ "waited": true })));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    if ctx.attempt() <= params.crash_attempts {
        std::process::abort();
    }
    assert!(!params.panic, "the script says so");
    if ctx.attempt() <= params.fail_attempts {
        let message = params.told.clone().unwrap_or_else(|| format!("attempt {} fails as told", ctx.attempt()));
        let failure = if params.retryable {
            JobFailure::retryable("told", message)
        } else {
            JobFailure::permanent("told", message)
        };
        return Err(failure.with_partial(json!({ "partial": ctx.attempt() })));
    }
    let mut result = params.result.clone();
    if result.is_null() {
        result = json!({ "attempt": ctx.attempt() });
    }
    if params.result_bytes > 0 {
        result = json!({ "text": "x".repeat(params.result_bytes) });
    }
    Ok(match &params.error {
        Some(message) => Outcome::CompletedWithErrors(result, vec![JobError::permanent("told", message.clone())]),
        None => result.into(),
    })
}

/// One short append is one write: lines of several processes do not mix.
fn note(ctx: &JobContext, params: &Params, what: &str) -> Result<(), JobFailure> {
    use std::io::Write;
    let Some(ledger) = &params.ledger else { return Ok(()) };
    let mut file = std::fs::File::options().create(true).append(true).open(ledger)?;
    file.write_all(format!("{} {} {what}\n", ctx.job_id(), ctx.attempt()).as_bytes())?;
    Ok(())
}
