//! A job that does as it is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use drover_protocol::{JobError, JobId, JobMessage};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::{Job, JobContext, JobFailure, LogLevel, Outcome, ProgressReport};

/// What the handler does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    /// Returns this.
    Return(Value),
    /// Waits for the test's gate.
    Gate,
    /// Waits to be stopped and obeys, with a partial result.
    StopOnCancel,
    /// Waits to be stopped and completes all the same.
    CompleteOnCancel,
    /// Never returns.
    IgnoreCancel,
    /// Panics.
    Panic,
    /// Fails with a partial result.
    Fail(Value),
    /// Returns a text with NUL, deep inside.
    ReturnNul,
    /// Fails with a partial result that has NUL.
    FailNul,
    /// Returns so many bytes.
    ReturnBytes(usize),
    /// Completes with errors.
    Errors,
    /// Reports progress.
    Progress { reports: u64, every_millis: u64 },
    /// Sends a list.
    Items { count: usize, bytes: usize },
    /// Sends a list of one value, whether it is taken or not, then another value.
    ItemsOrNot(Value, Value),
    /// Sends lists of one value each, side by side, and gives up after a second.
    ItemsInTime { lists: u64 },
    /// Logs lines, by its context and by `tracing`.
    Log { lines: u32 },
}

/// What the test sees of handlers.
#[derive(Debug)]
pub(super) struct Probe {
    runs: Mutex<Vec<(JobId, u32)>>,
    changed: Notify,
    pub(super) gate: Semaphore,
    /// One for each handler that runs no more, whatever became of it.
    pub(super) over: Semaphore,
}

/// A handler that runs.
struct Running<'a>(&'a Probe);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.over.add_permits(1);
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self { runs: Mutex::default(), changed: Notify::new(), gate: Semaphore::new(0), over: Semaphore::new(0) }
    }
}

impl Probe {
    pub(super) fn runs(&self, job: &JobMessage) -> usize {
        self.runs.lock().unwrap().iter().filter(|(id, _)| *id == job.id).count()
    }

    pub(super) fn has_run(&self, job: &JobMessage) -> bool {
        self.runs(job) > 0
    }

    pub(super) fn total(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    pub(super) async fn until_running(&self, job: &JobMessage) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.has_run(job) {
                return;
            }
            tokio::time::timeout(Duration::from_secs(3600), changed).await.expect("the handler never ran");
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Params {
    act: Act,
}

pub(super) struct Work(pub(super) Arc<Probe>);

#[async_trait]
impl Job for Work {
    const TYPE: &'static str = "work";
    const TITLE: &'static str = "Work";

    type Params = Params;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, params: Params) -> Result<Outcome<Value>, JobFailure> {
        let _running = Running(&self.0);
        self.0.runs.lock().unwrap().push((ctx.job_id(), ctx.attempt()));
        self.0.changed.notify_waiters();
        match params.act {
            Act::Return(value) => return Ok(value.into()),
            Act::Gate => self.0.gate.acquire().await?.forget(),
            Act::StopOnCancel => {
                ctx.processed(3, 10);
                ctx.cancelled().await;
                return Err(JobFailure::cancelled().with_partial("three of ten"));
            }
            Act::CompleteOnCancel => ctx.cancelled().await,
            Act::IgnoreCancel => std::future::pending().await,
            Act::Panic => panic!("it is {}", "broken"),
            Act::Fail(partial) => return Err(JobFailure::retryable("io", "no disk").with_partial(partial)),
            Act::ReturnNul => return Ok(serde_json::json!({"rows": [{"name": "a\0b"}]}).into()),
            Act::FailNul => return Err(JobFailure::retryable("io", "no disk").with_partial("a\0b")),
            Act::ReturnBytes(bytes) => return Ok(Value::from("x".repeat(bytes)).into()),
            Act::Errors => {
                let errors = vec![JobError::permanent("row", "row 3")];
                return Ok(Outcome::CompletedWithErrors("most".into(), errors));
            }
            Act::Progress { reports, every_millis } => {
                ctx.message("at it");
                for done in 1..=reports {
                    ctx.progress(ProgressReport {
                        processed: Some(done),
                        total: Some(reports),
                        ..ProgressReport::default()
                    });
                    tokio::time::sleep(Duration::from_millis(every_millis)).await;
                }
            }
            Act::Items { count, bytes } => ctx.items("rows", vec!["x".repeat(bytes); count]).await?,
            Act::ItemsOrNot(first, second) => {
                ctx.items("rows", [first]).await.ok();
                ctx.items("rows", [second]).await?;
            }
            Act::ItemsInTime { lists } => {
                let all = join_all((0..lists).map(|value| ctx.items("rows", [value])));
                tokio::time::timeout(Duration::from_secs(1), all).await.ok();
            }
            Act::Log { lines } => {
                for line in 0..lines {
                    ctx.log(LogLevel::Warn, format!("line {line}"));
                }
                tracing::info!(rows = 3, "traced");
                tracing::debug!("too fine");
            }
        }
        Ok(Value::Null.into())
    }
}

/// A message that starts a new job.
pub(super) fn message(act: Act) -> JobMessage {
    let id = JobId(Uuid::now_v7());
    JobMessage {
        id,
        job_type: "work".parse().unwrap(),
        attempt: 1,
        dispatch: 1,
        parent_id: None,
        root_id: id,
        step: None,
        params: serde_json::to_value(Params { act }).unwrap(),
        timeout_seconds: None,
        deadline: None,
        idempotency_key: id.to_string(),
    }
}
