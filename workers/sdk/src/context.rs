//! What a running job sees of Drover.

use std::{panic::resume_unwind, sync::Arc};

use drover_protocol::{JobId, LogLevel, ProgressReport};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use tokio_util::sync::CancellationToken;

use crate::{JobFailure, items, logs, state::JobState};

/// What a running job sees of Drover: it reports by it, and learns by it that it should stop. Cheap to clone, and valid
/// in any task or thread; reports after the job's end are ignored.
#[derive(Clone, Debug)]
pub struct JobContext {
    state: Arc<JobState>,
}

impl JobContext {
    pub(crate) const fn new(state: Arc<JobState>) -> Self {
        Self { state }
    }

    /// Where this run stands in a trace, as W3C's `traceparent`: for the header of that name of what the job asks of other
    /// systems. `None`: it is part of no trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.state.facts.trace.map(|trace| trace.place.to_string())
    }

    /// Reports progress; an absent field keeps its value. Never waits: reports are merged, and the latest state is sent
    /// a few times a second, so call it as often as is convenient.
    pub fn progress(&self, report: ProgressReport) {
        if self.state.is_ended() {
            return;
        }
        let news = self.state.progress.update(report);
        self.state.sink.progress(&self.state, news);
    }

    /// Reports percent, 0 to 100; less than before changes nothing. See [`JobContext::progress`].
    pub fn percent(&self, percent: f64) {
        self.progress(ProgressReport { percent: Some(percent), ..ProgressReport::default() });
    }

    /// Reports what the job is doing, for a person. See [`JobContext::progress`].
    pub fn message(&self, message: impl Into<String>) {
        self.progress(ProgressReport { message: Some(message.into()), ..ProgressReport::default() });
    }

    /// Reports how many units are done and, if known, how many there are; the percentage follows. See
    /// [`JobContext::progress`].
    pub fn processed(&self, done: u64, total: impl Into<Option<u64>>) {
        self.progress(ProgressReport { processed: Some(done), total: total.into(), ..ProgressReport::default() });
    }

    /// Adds values to the list `name`, for lists that may be too long for the result, which then refers to the list by
    /// its name; without values the list is known and empty. Sent in chunks; returns when the broker holds them all, so a
    /// slow broker slows the job down.
    ///
    /// # Errors
    /// A permanent `invalid_items` failure that names the value which cannot be sent.
    pub async fn items(&self, name: &str, values: impl IntoIterator<Item: Serialize>) -> Result<(), JobFailure> {
        let mut chunks = items::Chunks::new(name, self.state.message_bytes)?;
        for (index, value) in values.into_iter().enumerate() {
            if let Some(full) = chunks.push(index, &value)? {
                self.send_items(name, full).await?;
            }
        }
        match chunks.finish() {
            Some(last) => self.send_items(name, last).await,
            // A list without values is known and empty: the end says so, and nothing needs to be sent before it.
            None => self.state.count_items(name, 0),
        }
    }

    async fn send_items(&self, name: &str, values: Vec<Box<RawValue>>) -> Result<(), JobFailure> {
        self.state.sink.items(&self.state, name, values).await
    }

    /// Adds a line to the job's log, which people see in the UI. Never waits; lines above the rate limit are counted
    /// and left out.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.log_with(level, message, Map::new());
    }

    /// Adds a line with structured fields to the job's log. See [`JobContext::log`].
    pub fn log_with(&self, level: LogLevel, message: impl Into<String>, fields: Map<String, Value>) {
        logs::explicit(&self.state, level, message.into(), fields);
    }

    /// Runs work that blocks, on a thread for it, with the job's log. The job is not over before the work is: what cannot be
    /// dropped is waited for, and a cancel is not done while it goes on. So have it look at [`JobContext::is_cancelled`].
    ///
    /// # Errors
    /// A retryable `shutdown` failure when the worker ends before the work began. A panic of the work is the handler's.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobFailure> {
        let (at_work, span) = (self.state.blocking.token(), self.state.span.clone());
        let task = tokio::task::spawn_blocking(move || {
            let _at_work = at_work;
            span.in_scope(work)
        });
        match task.await {
            Ok(done) => Ok(done),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err(JobFailure::retryable("shutdown", "the worker ended before the work could begin")),
        }
    }

    /// Waits until the job should stop: cancelled, timed out, or its worker ends. What the handler returns then is
    /// reported; if it does not return within the grace period, it is dropped at its next `await`, and if it has none, that
    /// is reported and the job goes on until the handler returns.
    pub async fn cancelled(&self) {
        self.state.token.cancelled().await;
    }

    /// Whether the job should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.token.is_cancelled()
    }

    /// A token that is cancelled when the job should stop, for libraries that take one.
    #[must_use]
    pub fn cancellation_token(&self) -> CancellationToken {
        self.state.token.child_token()
    }

    /// Which try this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.state.facts.attempt
    }

    /// The fence: it rises whenever the job is given to a worker, and never falls. A store that refuses writes with a
    /// number lower than the highest it has seen is safe from a worker that was thought lost and goes on.
    #[must_use]
    pub fn dispatch(&self) -> u32 {
        self.state.facts.dispatch
    }

    /// The same text for every attempt of this job, and another one in each round of a step that is repeated: give it to services
    /// that make an effect happen once per key.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.state.facts.idempotency_key
    }

    /// The job.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        self.state.facts.job_id
    }

    /// The workflow that the job belongs to, if any.
    #[must_use]
    pub fn parent_id(&self) -> Option<JobId> {
        self.state.facts.parent_id
    }

    /// The outermost workflow; the job itself when it runs alone.
    #[must_use]
    pub fn root_id(&self) -> JobId {
        self.state.facts.root_id
    }

    /// The key of the workflow's step, if the job is part of one.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.state.facts.step.as_deref()
    }
}
