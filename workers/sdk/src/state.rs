//! One dispatch of a job, as this worker holds it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use drover_broker::Headers;
use drover_protocol::{JobId, JobMessage, JobType, LogLevel, RunningJob, limits};
use drover_service::telemetry::{TraceParent, Traces};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Span;
use uuid::Uuid;

use crate::{JobFailure, ending::Ran, logs::LogGate, progress::Progress, sink::Sink};

/// Why a job was told to stop. A later reason counts only when it is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stop {
    /// The worker ends; the job is given back.
    Drain = 1,
    /// The worker has not reached the broker for too long; the job is given back.
    Isolation = 2,
    /// It ran longer than it may.
    Timeout = 3,
    /// It was cancelled.
    Cancel = 4,
    /// It was taken from this worker: nothing is reported of it.
    Taken = 5,
}

impl Stop {
    const ALL: [Self; 5] = [Self::Drain, Self::Isolation, Self::Timeout, Self::Cancel, Self::Taken];

    fn from_rank(rank: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| *stop as u8 == rank)
    }
}

/// What the job message said of the job, without its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) job_id: JobId,
    pub(crate) job_type: JobType,
    pub(crate) attempt: u32,
    pub(crate) dispatch: u32,
    pub(crate) parent_id: Option<JobId>,
    pub(crate) root_id: JobId,
    pub(crate) step: Option<String>,
    pub(crate) idempotency_key: String,
    pub(crate) timeout: Option<Duration>,
    /// Where its events go.
    pub(crate) route: Arc<str>,
    /// Where this dispatch stands in a trace, if it is part of one.
    pub(crate) trace: Option<Trace>,
}

/// Where a dispatch stands in a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    /// Its own span; that of the job where nobody listens here.
    pub(crate) place: TraceParent,
    /// The job's span.
    pub(crate) job_span_id: u64,
}

impl Trace {
    /// Continues what the job's message says.
    pub(crate) fn of(headers: &Headers, traces: &Traces) -> Option<Self> {
        let job: TraceParent = headers.get("traceparent")?.parse().ok()?;
        let place = if traces.are_on() { job.with_span(Uuid::now_v7().as_u64_pair().1) } else { job };
        Some(Self { place, job_span_id: job.span_id })
    }
}

impl Facts {
    pub(crate) fn of(message: &JobMessage, route: Arc<str>, trace: Option<Trace>) -> Self {
        Self {
            job_id: message.id,
            job_type: message.job_type.clone(),
            attempt: message.attempt,
            dispatch: message.dispatch,
            parent_id: message.parent_id,
            root_id: message.root_id,
            step: message.step.clone(),
            idempotency_key: message.idempotency_key.clone(),
            timeout: message
                .timeout_seconds
                .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
            route,
            trace,
        }
    }

    pub(crate) const fn running(&self) -> RunningJob {
        RunningJob { job_id: self.job_id, dispatch: self.dispatch }
    }
}

/// One dispatch of a job, from its permit to the confirm of its last event.
#[derive(Debug)]
pub(crate) struct JobState {
    pub(crate) facts: Facts,
    pub(crate) progress: Progress,
    /// Cancelled when the handler should return; [`JobState::stop_reason`] says why.
    pub(crate) token: CancellationToken,
    /// Blocking work of the handler that has not ended.
    pub(crate) blocking: TaskTracker,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) span: Span,
    pub(crate) log_gate: LogGate,
    /// Largest body of a message.
    pub(crate) message_bytes: usize,
    /// How many values were sent of each list.
    lists: Mutex<BTreeMap<String, u64>>,
    stop: AtomicU8,
    ended: AtomicBool,
}

impl JobState {
    pub(crate) fn new(facts: Facts, sink: Arc<dyn Sink>, log_gate: LogGate, message_bytes: usize) -> Arc<Self> {
        let span = drover_service::telemetry::job_span(&facts.job_type, &facts.job_id, facts.parent_id.as_ref());
        let state = Arc::new(Self {
            facts,
            progress: Progress::default(),
            token: CancellationToken::new(),
            blocking: TaskTracker::new(),
            sink,
            span,
            log_gate,
            message_bytes,
            lists: Mutex::default(),
            stop: AtomicU8::new(0),
            ended: AtomicBool::new(false),
        });
        crate::logs::attach(&state);
        state
    }

    /// Tells the handler to return.
    pub(crate) fn stop(&self, why: Stop) {
        self.stop.fetch_max(why as u8, Ordering::AcqRel);
        self.token.cancel();
    }

    /// The strongest reason given so far.
    pub(crate) fn stop_reason(&self) -> Option<Stop> {
        Stop::from_rank(self.stop.load(Ordering::Acquire))
    }

    /// Counts values that are sent for certain: the job's end waits for as many. An error: the result would have more lists than
    /// it may.
    pub(crate) fn count_items(&self, name: &str, values: usize) -> Result<(), JobFailure> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = limits::ITEM_LISTS;
        if lists.len() == limit && !lists.contains_key(name) {
            let message = format!("items of {name:?}: the job has {limit} lists already, which is the limit");
            return Err(JobFailure::permanent("invalid_items", message));
        }
        *lists.entry(name.to_owned()).or_default() += u64::try_from(values).unwrap_or(u64::MAX);
        Ok(())
    }

    /// These were never sent.
    pub(crate) fn forget_items(&self, name: &str, values: usize) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lists.get_mut(name) {
            *count = count.saturating_sub(u64::try_from(values).unwrap_or(u64::MAX));
        }
    }

    /// What stands in the job's last event beside what its handler returned.
    pub(crate) fn ran(&self) -> Ran {
        let items = self.lists.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ran { progress: self.progress.snapshot(), items, timeout: self.facts.timeout }
    }

    /// The handler is done: later reports are ignored.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether a line of this level is wanted.
    pub(crate) fn wants_log(&self, level: LogLevel) -> bool {
        !self.is_ended() && level >= self.log_gate.level
    }
}
