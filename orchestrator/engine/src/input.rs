//! What reaches the fold, and what it says to it.

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobEvent, JobEventKind, JobId, JobStatus, WorkerSession};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Trigger;

/// One thing that happened. An input names its job; the fold finds the workflow above it.
#[derive(Clone, Debug)]
pub enum Input {
    /// A worker's event.
    Event(JobEvent),
    /// The worker that holds the dispatch is lost, or no longer lists it.
    LeaseLost {
        /// The job.
        job_id: JobId,
        /// The dispatch that is lost.
        dispatch: u32,
        /// The worker.
        session: WorkerSession,
    },
    /// The job's retry time or start time has come.
    Due {
        /// The job.
        job_id: JobId,
    },
    /// The job's time is up: the attempt's, or the cancel's.
    TimedOut {
        /// The job.
        job_id: JobId,
        /// The `timeout_at` that was seen; another one by now means nothing.
        timeout_at: DateTime<Utc>,
    },
    /// The message cannot be published, whatever is tried.
    Undeliverable {
        /// The job.
        job_id: JobId,
        /// The dispatch.
        dispatch: u32,
        /// Why.
        error: JobError,
    },
    /// Somebody asks for its end. The tree holds every unfinished job below it.
    Cancel {
        /// The job.
        job_id: JobId,
        /// Wait for nothing.
        now: bool,
    },
    /// Somebody asks that nothing of it be begun. The tree holds every unfinished job below it.
    Pause {
        /// The job.
        job_id: JobId,
    },
    /// Somebody asks that it go on. The tree holds every unfinished job below it.
    Resume {
        /// The job.
        job_id: JobId,
    },
    /// Every live worker that could have started the cancelled or withdrawn dispatch has said that it has not, and what they
    /// said before is folded.
    NeverStarted {
        /// The job.
        job_id: JobId,
        /// The dispatch.
        dispatch: u32,
    },
    /// A user retries it.
    Retry {
        /// The job.
        job_id: JobId,
        /// Do everything again, rather than only what did not complete.
        from_start: bool,
    },
    /// The queue lost the dispatch: publish it again.
    Republish {
        /// The job.
        job_id: JobId,
        /// The dispatch that was lost.
        dispatch: u32,
    },
    /// Somebody answers a job that waits for a signal.
    Answer {
        /// The job.
        job_id: JobId,
        /// The dispatch that was looked at: the job may wait anew by now, in another round or after a retry. None: whichever it is.
        dispatch: Option<u32>,
        /// What they say.
        answer: Answer,
    },
}

/// The answer to a job that waits for a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the workflow may go on.
    pub approved: bool,
    /// Whose token was shown; none where nobody is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the next steps may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Input {
    /// The job it is about.
    #[must_use]
    pub const fn job_id(&self) -> JobId {
        match self {
            Self::Event(event) => event.job_id,
            Self::LeaseLost { job_id, .. }
            | Self::Due { job_id }
            | Self::TimedOut { job_id, .. }
            | Self::Undeliverable { job_id, .. }
            | Self::Cancel { job_id, .. }
            | Self::Pause { job_id }
            | Self::Resume { job_id }
            | Self::NeverStarted { job_id, .. }
            | Self::Retry { job_id, .. }
            | Self::Republish { job_id, .. }
            | Self::Answer { job_id, .. } => *job_id,
        }
    }

    /// Whether it speaks of what a worker does, or of a message to one: never of a workflow, nor of what waits for a signal.
    #[must_use]
    pub const fn is_of_worker(&self) -> bool {
        matches!(
            self,
            Self::Event(_)
                | Self::LeaseLost { .. }
                | Self::Undeliverable { .. }
                | Self::NeverStarted { .. }
                | Self::Republish { .. }
        )
    }

    /// Whether the fold needs every unfinished job of the tree: to steer those below this one, or to keep what they reported.
    #[must_use]
    pub const fn needs_descendants(&self) -> bool {
        matches!(
            self,
            Self::Cancel { .. } | Self::Pause { .. } | Self::Resume { .. } | Self::Retry { .. } | Self::TimedOut { .. }
        )
    }

    /// Whether it is a report of progress.
    #[must_use]
    pub const fn is_progress(&self) -> bool {
        matches!(self, Self::Event(JobEvent { kind: JobEventKind::Progress(_), .. }))
    }
}

/// What the fold says to an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It changed something.
    Applied,
    /// It changed nothing, which is as it should be.
    Ignored(Ignored),
    /// It cannot be done; whoever asked is told.
    Illegal(Refusal),
}

/// Why an input changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// There is no such job (any more).
    UnknownJob,
    /// Of another dispatch than the current one.
    OtherDispatch,
    /// Of another worker than the one that holds the lease.
    OtherSession,
    /// A newer report was folded before.
    Stale,
    /// The job has ended.
    Finished,
    /// The state is already what the input asks for.
    Repeat,
}

impl Ignored {
    /// A word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownJob => "unknown_job",
            Self::OtherDispatch => "other_dispatch",
            Self::OtherSession => "other_session",
            Self::Stale => "stale",
            Self::Finished => "finished",
            Self::Repeat => "repeat",
        }
    }
}

/// Why an input cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The transition table has no such way.
    #[error("a job that is {status} takes no {}", trigger_name(*.trigger))]
    Transition {
        /// Where it stands.
        status: JobStatus,
        /// What was asked.
        trigger: Trigger,
    },
    /// A worker is at it.
    #[error(
        "a worker runs it, and what runs goes on to its end: cancel it, or pause its type to keep others from starting"
    )]
    AtWork,
    /// It is paused with a workflow above it.
    #[error("it is paused with its workflow {workflow}; resume that")]
    PausedAbove {
        /// The workflow that somebody paused.
        workflow: JobId,
    },
    /// It is no job that an answer could end.
    #[error("nothing of it waits for an answer: a step with `wait_for: signal` does when its turn has come")]
    NoSignal,
    /// It does not wait yet.
    #[error("it has not begun to wait for an answer: its time has not come, or it was paused before")]
    NotWaiting,
    /// It waits anew since somebody looked.
    #[error("it waits for another answer than the one that was looked at; look at it again")]
    WaitsAnew,
    /// It does not wait any more.
    #[error("it waits for no answer any more: {said}")]
    Answered {
        /// How it ended.
        status: JobStatus,
        /// What was answered, by whom and when, or why nobody can.
        said: String,
    },
    /// The workflow above it is past the sub-job's step.
    #[error("its workflow {parent} no longer waits for this sub-job; retry the workflow instead")]
    ParentPast {
        /// The workflow.
        parent: JobId,
    },
}

const fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Cancel => "cancel",
        Trigger::Pause => "pause",
        Trigger::Resume => "resume",
        Trigger::Retry => "retry",
        _ => "such event",
    }
}
