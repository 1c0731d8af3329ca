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
use tokio::runtime::Handle;
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
    /// Before the handler is called; a job cancelled now is not called at all.
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
            trace: None,
        };
        let recorder = Arc::new(Recorder { seen: Mutex::default(), cancel_when: self.cancel_when });
        let gate = LogGate::new(LogLevel::Trace, u32::MAX);
        let sink = Arc::clone(&recorder);
        let state = JobState::new(facts, sink, gate, limits::MESSAGE_BYTES);
        recorder.at(&state, Moment::Start);
        let handlers = Handle::current();
        let handler = execute(registry::any(self.job), &state, params, self.grace, &handlers);
        let outcome = handler.instrument(state.span.clone()).await.unwrap_or(JobEventKind::Released { progress: None });
        let outcome = ending::checked(outcome, limits::MESSAGE_BYTES);
        let Seen { progress, mut items, logs } = std::mem::take(&mut *recorder.lock());
        // A list without values was not sent, and is known.
        for name in state.ran().items.into_keys() {
            items.entry(name).or_default();
        }
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
        job.count_items(name, values.len())?;
        let count = {
            let mut seen = self.lock();
            let list = seen.items.entry(name.to_owned()).or_default();
            list.extend(values);
            list.len()
        };
        self.at(job, Moment::Items { name, count });
        Ok(())
    }

    fn log(&self, job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) -> bool {
        self.lock().logs.push(LogLine { level, message: message.clone(), fields });
        self.at(job, Moment::Log(&message));
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{JobContext, Outcome};

    /// Sums numbers, one at a time.
    struct Sum;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Numbers {
        numbers: Vec<i64>,
    }

    #[async_trait]
    impl Job for Sum {
        const TYPE: &'static str = "sum";
        const TITLE: &'static str = "Sum";
        type Params = Numbers;
        type Result = i64;

        async fn run(&self, ctx: &JobContext, params: Numbers) -> Result<Outcome<i64>, JobFailure> {
            let total = u64::try_from(params.numbers.len())?;
            let mut sum = 0;
            for (done, number) in (1..).zip(&params.numbers) {
                if ctx.is_cancelled() {
                    return Err(JobFailure::cancelled().with_partial(sum));
                }
                sum += number;
                ctx.items("sums", [sum]).await?;
                ctx.processed(done, total);
                tokio::task::yield_now().await;
            }
            ctx.log(LogLevel::Info, format!("attempt {}", ctx.attempt()));
            Ok(sum.into())
        }
    }

    #[tokio::test]
    async fn everything_that_a_job_reports_is_seen() {
        let parent = JobId(Uuid::now_v7());
        let case = TestCase::new(Sum).attempt(2).sub_job_of(parent, "adding");
        let run = case.run(json!({"numbers": [1, 2, 3]})).await;
        assert!(run.is_completed(), "{run:?}");
        assert_eq!(run.result(), Some(6));
        assert_eq!(run.items["sums"], [1, 3, 6]);
        assert_eq!(run.progress.iter().filter_map(|report| report.processed).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(run.logs[0].message, "attempt 2");
    }

    #[tokio::test]
    async fn a_job_can_be_cancelled_at_a_moment() {
        let second = |moment: Moment<'_>| matches!(moment, Moment::Items { name: "sums", count: 2 });
        let run = TestCase::new(Sum).cancel_when(second).run(json!({"numbers": [1, 2, 3]})).await;
        assert!(run.is_cancelled(), "{run:?}");
        assert_eq!(run.result(), Some(3));
    }

    #[tokio::test]
    async fn a_job_cancelled_before_it_begins_is_not_called() {
        let start = |moment: Moment<'_>| matches!(moment, Moment::Start);
        let run = TestCase::new(Sum).cancel_when(start).run(json!({"numbers": [1]})).await;
        assert!(run.is_cancelled() && run.progress.is_empty(), "{run:?}");
    }

    #[tokio::test]
    async fn parameters_and_results_meet_the_same_checks_as_in_a_worker() {
        let run = run(Sum, json!({"numbers": [1, "two"]})).await;
        let error = run.error().unwrap();
        assert_eq!((error.kind.as_str(), error.retryable), ("invalid_params", false));
        assert!(error.message.starts_with("params.numbers[1]: invalid type"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_a_failure_that_may_be_retried() {
        struct Sleep;
        #[async_trait]
        impl Job for Sleep {
            const TYPE: &'static str = "sleep";
            const TITLE: &'static str = "Sleep";
            type Params = ();
            type Result = ();

            async fn run(&self, _: &JobContext, (): ()) -> Result<Outcome<()>, JobFailure> {
                std::future::pending().await
            }
        }
        let case = TestCase::new(Sleep).timeout(Duration::from_secs(1)).grace(Duration::from_secs(2));
        let run = case.run(()).await;
        assert_eq!(run.error().map(|error| (error.kind.as_str(), error.retryable)), Some(("timeout", true)));
    }
}
