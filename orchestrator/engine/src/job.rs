//! A job as the fold sees it: the row that is locked, changed in memory and written back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobEvent, JobId, JobStatus, JobType, WorkerSession};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Progress, Workflow, definition::RetryPolicy};

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The outermost workflow, or itself.
    pub root_id: JobId,
    /// The workflow it belongs to.
    pub parent: Option<Parent>,
    /// The type, or the workflow's name.
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// The try, from 1.
    pub attempt: u32,
    /// The fence; 0 when it was never published.
    pub dispatch: u32,
    /// How often it was begun anew, by a retry of a user or as a round; tells the notifications of its ends apart.
    pub run: u32,
    /// Which round of its step it is, from 1; 1 where that is not repeated.
    pub round: u32,
    /// Attempts that failed since the last retry by a user: what the retry policy counts.
    pub failures: u32,
    /// Workers that were lost while running it, since the last retry by a user.
    pub losses: u32,
    /// The high-water mark of this run.
    pub progress: Progress,
    /// What it is doing, for a person.
    pub message: Stamped<String>,
    /// Units done.
    pub processed: Stamped<u64>,
    /// Units in all.
    pub total: Stamped<u64>,
    /// When to try again, and how long a try may take.
    pub policy: Policy,
    /// Which worker holds it.
    pub lease: Option<WorkerSession>,
    /// Not to be dispatched before, while `pending` and not published. Of a workflow under way: it goes on in another fold.
    pub due_at: Option<DateTime<Utc>>,
    /// When its time is up: the attempt's, or while `cancelling` the cancel's.
    pub timeout_at: Option<DateTime<Utc>>,
    /// The cancel that was accepted.
    pub cancel: Option<Cancel>,
    /// The pause that holds it back. What waits is paused with its workflow; what a worker runs goes on.
    pub paused: Option<Paused>,
    /// Why it failed, or what went wrong last.
    pub error: Option<JobError>,
    /// How many errors it stands for in its workflow's `total_errors`.
    pub error_count: u64,
    /// The result, as far as this fold knows it: set when it ends here or when it was loaded.
    pub result: Option<Value>,
    /// Values received of each items list of the current dispatch.
    pub items: BTreeMap<String, u64>,
    /// An end that waits for the rest of its items lists.
    pub parked: Option<Box<JobEvent>>,
    /// The parameters, as far as this fold knows them.
    pub params: Option<Value>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its first attempt of this run began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its steps, if it is a workflow.
    pub workflow: Option<Workflow>,
}

/// Where a sub-job belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The workflow.
    pub id: JobId,
    /// Index of its step; clean-up steps follow the others.
    pub step: usize,
    /// Which batch of the step, if it fans out.
    pub batch: Option<u32>,
}

/// Who does it, when to try again, and how long a try may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How often and when an attempt is repeated.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long an attempt may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What it waits for, if no worker takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for: Option<WaitFor>,
}

/// What a job waits for that no worker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// A person's or a system's answer.
    Signal,
}

/// A reported value with the sequence number it came with, so that an older report never replaces a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<T> {
    /// The value.
    pub value: Option<T>,
    /// The event's `seq`; 0 for a value of an earlier dispatch.
    pub seq: u64,
}

impl<T> Default for Stamped<T> {
    fn default() -> Self {
        Self { value: None, seq: 0 }
    }
}

impl<T> Stamped<T> {
    /// Takes a newer value. Whether it did.
    pub fn take(&mut self, value: Option<T>, seq: u64) -> bool {
        match value {
            Some(value) if seq > self.seq => {
                *self = Self { value: Some(value), seq };
                true
            }
            _ => false,
        }
    }
}

/// A cancel that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: CancelReason,
}

/// Why a job is being cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A person or a program asked.
    Asked,
    /// Its workflow is ending before it.
    Parent,
}

/// A pause: nothing of the job is begun. What of it runs goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: PauseReason,
    /// What was left of a workflow's own time, in milliseconds: its clock stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_left_ms: Option<u64>,
}

/// Why a job is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// A person or a program asked.
    Asked,
    /// Its workflow is paused.
    Parent,
    /// It is resumed. Its message was withdrawn, and somebody may have begun it before they heard of that: it goes on under a new
    /// dispatch when it is known that nobody has and nobody will.
    Settling,
}

impl PauseReason {
    /// Whether it is resumed, and goes on as soon as its withdrawn message is out of the way.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Settling)
    }
}

impl Job {
    /// Whether a message of the current dispatch may lie in a queue or at a worker.
    #[must_use]
    pub const fn is_published(&self) -> bool {
        self.dispatch > 0 && self.due_at.is_none() && !self.status.is_terminal() && !self.is_signal()
    }

    /// Whether it waits for a signal: no worker takes it, and an answer ends it.
    #[must_use]
    pub const fn is_signal(&self) -> bool {
        self.policy.wait_for.is_some()
    }

    /// Whether the orchestrator is its worker.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.workflow.is_some() || self.is_signal()
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }
}
