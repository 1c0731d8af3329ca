//! Runs a job in a test, without servers: the same handler calls, the same limits, the same endings.
//!
//! ```
//! # use async_trait::async_trait;
//! # use drover_worker::{Job, JobContext, JobFailure, Outcome, testing};
//! # use serde::{Deserialize, Serialize};
//! # struct Double;
//! # #[derive(Deserialize, schemars::JsonSchema)]
//! # struct Params { number: i64 }
//! # #[async_trait]
//! # impl Job for Double {
//! #     const TYPE: &'static str = "double";
//! #     const TITLE: &'static str = "Double";
//! #     type Params = Params;
//! #     type Result = i64;
//! #     async fn run(&self, ctx: &JobContext, params: Params) -> Result<Outcome<i64>, JobFailure> {
//! #         ctx.percent(50.0);
//! #         Ok((params.number * 2).into())
//! #     }
//! # }
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let run = testing::run(Double, serde_json::json!({"number": 21})).await;
//! assert_eq!(run.result::<i64>(), Some(42));
//! assert_eq!(run.progress[0].percent, Some(50.0));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use drover_protocol::{JobError, JobEventKind, JobId, JobType, LogLevel, ProgressReport, limits};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Job, JobFailure, ending,
    execute::execute,
    logs::LogGate,
    registry,
    sink::Sink,
    state::{Facts, JobState, Stop},
};

/// Runs a job once, as its first attempt. [`TestCase`] runs it under other circumstances.
///
/// # Panics
/// When the parameters are no JSON.
pub async fn run<J: Job>(job: J, params: impl Serialize) -> TestRun {
    TestCase::new(job).run(params).await
}

/// What a job did in a test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRun {
    /// How it ended, as it would be reported.
    pub outcome: JobEventKind,
    /// Its progress after each report. A worker sends only the latest of them, a few times a second.
    pub progress: Vec<ProgressReport>,
    /// Its lists by name.
    pub items: BTreeMap<String, Vec<Value>>,
    /// Its log.
    pub logs: Vec<LogLine>,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How grave it is.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Its fields.
    pub fields: Map<String, Value>,
}

impl TestRun {
    /// The result, whole or partial; `None` when there is none or it is no `R`.
    #[must_use]
    pub fn result<R: DeserializeOwned>(&self) -> Option<R> {
        let result = match &self.outcome {
            JobEventKind::Completed { result, .. } | JobEventKind::CompletedWithErrors { result, .. } => Some(result),
            JobEventKind::Failed { result, .. } | JobEventKind::Cancelled { result, .. } => result.as_ref(),
            _ => None,
        };
        R::deserialize(result?).ok()
    }

    /// The error that the job failed with.
    #[must_use]
    pub const fn error(&self) -> Option<&JobError> {
        match &self.outcome {
            JobEventKind::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether the job did all that was asked.
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self.outcome, JobEventKind::Completed { .. })
    }

    /// Whether the job ended cancelled.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self.outcome, JobEventKind::Cancelled { .. })
    }
}

/// A moment of a run: something was just reported.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// Before the handler is called.
    Start,
    /// The progress after a report.
    Progress(&'a ProgressReport),
    /// A list after a chunk was added.
    Items {
        /// The list's name.
        name: &'a str,
        /// How many values it has by now.
        count: usize,
    },
    /// A log line.
    Log(&'a str),
}

/// The circumstances of a run.
pub struct TestCase<J> {
    job: J,
    attempt: u32,
    timeout: Option<Duration>,
    grace: Duration,
    job_id: JobId,
    parent_id: Option<JobId>,
    step: Option<String>,
    cancel_when: Box<CancelWhen>,
}

type CancelWhen = dyn Fn(Moment<'_>) -> bool + Send + Sync;

impl<J: Job> TestCase<J> {
    /// A first attempt of a job on its own, with no timeout, that nobody cancels.
    pub fn new(job: J) -> Self {
        Self {
            job,
            attempt: 1,
            timeout: None,
            grace: Duration::from_secs(10),
            job_id: JobId(Uuid::now_v7()),
            parent_id: None,
            step: None,
            cancel_when: Box::new(|_| false),
        }
    }

    /// Which try it is, from 1.
    #[must_use]
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// How long the job may run.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the handler may take to return after it was told to stop.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The job's id: set the same one for two attempts of the same job.
    #[must_use]
    pub const fn job_id(mut self, job_id: JobId) -> Self {
        self.job_id = job_id;
        self
    }

    /// Runs it as a sub-job of this workflow, as its step `step`.
    #[must_use]
    pub fn sub_job_of(mut self, parent_id: JobId, step: impl Into<String>) -> Self {
        self.parent_id = Some(parent_id);
        self.step = Some(step.into());
        self
    }

    /// Cancels the job at the first moment for which `is_time` says so.
    #[must_use]
    pub fn cancel_when(mut self, is_time: impl Fn(Moment<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.cancel_when = Box::new(is_time);
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// When the parameters are no JSON or the job's type has no valid name: both are mistakes of the test.
    pub async fn run(self, params: impl Serialize) -> TestRun {
        let params = match serde_json::to_value(params) {
            Ok(params) => params,
            Err(error) => panic!("the parameters are no JSON: {error}"),
        };
        let job_type = match JobType::new(J::TYPE) {
            Ok(job_type) => job_type,
            Err(error) => panic!("Job::TYPE: {error}"),
        };
        let facts = Facts {
            job_id: self.job_id,
            job_type,
            attempt: self.attempt,
            dispatch: self.attempt,
            parent_id: self.parent_id,
            root_id: self.parent_id.unwrap_or(self.job_id),
            step: self.step,
            idempotency_key: self.job_id.to_string(),
            timeout: self.timeout,
            route: "test".into(),
        };
        let recorder = Arc::new(Recorder { seen: Mutex::default(), cancel_when: self.cancel_when });
        let gate = LogGate::new(LogLevel::Trace, u32::MAX);
        let sink = Arc::clone(&recorder);
        let state = JobState::new(facts, sink, gate, limits::MESSAGE_BYTES);
        recorder.at(&state, Moment::Start);
        let handler = execute(registry::any(self.job), &state, params, self.grace);
        let outcome = handler.instrument(state.span.clone()).await.unwrap_or(JobEventKind::Released);
        let outcome = ending::checked(outcome, limits::MESSAGE_BYTES);
        let Seen { progress, items, logs } = std::mem::take(&mut *recorder.lock());
        TestRun { outcome, progress, items, logs }
    }
}

impl<J> fmt::Debug for TestCase<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCase").field("job_id", &self.job_id).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Seen {
    progress: Vec<ProgressReport>,
    items: BTreeMap<String, Vec<Value>>,
    logs: Vec<LogLine>,
}

struct Recorder {
    seen: Mutex<Seen>,
    cancel_when: Box<CancelWhen>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, job: &JobState, moment: Moment<'_>) {
        if (self.cancel_when)(moment) {
            job.stop(Stop::Cancel);
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

#[async_trait]
impl Sink for Recorder {
    fn progress(&self, job: &Arc<JobState>, _: bool) {
        let report = job.progress.take();
        self.lock().progress.push(report.clone());
        self.at(job, Moment::Progress(&report));
    }

    async fn items(&self, job: &Arc<JobState>, name: &str, values: Vec<Box<RawValue>>) -> Result<(), JobFailure> {
        let values: Vec<Value> =
            values.iter().map(|value| serde_json::from_str(value.get())).collect::<Result<_, _>>()?;
        let count = {
            let mut seen = self.lock();
            let list = seen.items.entry(name.to_owned()).or_default();
            list.extend(values);
            list.len()
        };
        self.at(job, Moment::Items { name, count });
        Ok(())
    }

    fn log(&self, job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) {
        self.lock().logs.push(LogLine { level, message: message.clone(), fields });
        self.at(job, Moment::Log(&message));
    }
}
