//! What happened to a job, as its worker reports it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{JobId, WorkerSession, limits};

/// An event of one job. `type` property: `drover.event.v1`; a body is one event or an array of them.
///
/// Events are delivered at least once and in any order; the fold takes each once. `seq` orders the events of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobEvent {
    /// The job.
    pub job_id: JobId,
    /// The attempt, as the job message gave it.
    #[schemars(range(min = 1, max = i32::MAX))]
    pub attempt: u32,
    /// The dispatch, as the job message gave it. An event of an older dispatch changes nothing.
    #[schemars(range(min = 1, max = i32::MAX))]
    pub dispatch: u32,
    /// Which life of which worker process reports.
    pub worker_session: WorkerSession,
    /// Rises with every event of the session.
    #[schemars(range(max = i64::MAX))]
    pub seq: u64,
    /// When it happened, by the worker's clock. Shown to people; nothing is decided by it.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub kind: JobEventKind,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobEventKind {
    /// A worker has taken the job and runs it: from here its heartbeat is the lease.
    Started,
    /// How far the job is. An absent field keeps its old value.
    Progress(ProgressReport),
    /// A chunk of a list that may be too long for a message. `values` of one `name` are joined in order of `seq`.
    Items {
        /// The list's name; the result refers to it by the same name.
        #[schemars(length(min = 1, max = limits::NAME_BYTES))]
        name: String,
        /// The chunk.
        #[schemars(length(max = limits::ITEMS_PER_EVENT))]
        values: Vec<Value>,
    },
    /// A log line of the job. Published to the logs queue; accepted among other events too.
    Log {
        /// How grave it is.
        level: LogLevel,
        /// The text.
        #[schemars(length(max = limits::LOG_MESSAGE_BYTES))]
        message: String,
        /// Structured fields of the line.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        fields: Map<String, Value>,
    },
    /// The job did what was asked.
    Completed {
        /// What it produced, shaped as the worker announced.
        result: Value,
        /// What a person should know although nothing failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = limits::ERRORS_PER_RESULT))]
        warnings: Vec<String>,
        /// How many values of each `items` list belong to this result. The end counts only when they have all arrived, so
        /// that no order of delivery loses a part of a list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(extend("maxProperties" = limits::ITEM_LISTS))]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
    /// The job did part of what was asked.
    CompletedWithErrors {
        /// What it produced.
        result: Value,
        /// What failed.
        #[schemars(length(max = limits::ERRORS_PER_RESULT))]
        errors: Vec<JobError>,
        /// How many values of each `items` list belong to this result. The end counts only when they have all arrived, so
        /// that no order of delivery loses a part of a list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(extend("maxProperties" = limits::ITEM_LISTS))]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
    /// The job failed.
    Failed {
        /// Why.
        error: JobError,
        /// What it had produced by then, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// How many values of each `items` list belong to this result. The end counts only when they have all arrived, so
        /// that no order of delivery loses a part of a list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(extend("maxProperties" = limits::ITEM_LISTS))]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
    /// The job stopped because it was told to, or never began because it was cancelled before.
    Cancelled {
        /// What it had produced by then, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// How many values of each `items` list belong to this result. The end counts only when they have all arrived, so
        /// that no order of delivery loses a part of a list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(extend("maxProperties" = limits::ITEM_LISTS))]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
    /// The worker gave the job back, not begun or drained: the same attempt is dispatched again. What it had produced is
    /// forgotten; its bar waits where it was.
    Released {
        /// The progress it was given back at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
}

/// How far a job is. An absent field keeps its old value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressReport {
    /// Percent, 0 to 100. When absent and `processed` and `total` are known, it follows from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<f64>,
    /// What the job is doing, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::PROGRESS_MESSAGE_BYTES))]
    pub message: Option<String>,
    /// How many units are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = i64::MAX))]
    pub processed: Option<u64>,
    /// How many units there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = i64::MAX))]
    pub total: Option<u64>,
}

/// Why a job, a step or a workflow failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobError {
    /// A short word for programs: `io`, `timeout`, `panic`, `worker_lost`, …
    #[schemars(length(max = limits::ERROR_KIND_BYTES))]
    pub kind: String,
    /// A sentence for people.
    #[schemars(length(max = limits::ERROR_MESSAGE_BYTES))]
    pub message: String,
    /// Whether another attempt may succeed. A permanent error (`false`) is not retried.
    #[serde(default)]
    pub retryable: bool,
}

impl JobError {
    /// An error that another attempt may not meet.
    pub fn retryable(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), retryable: true }
    }

    /// An error that every attempt would meet.
    pub fn permanent(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), retryable: false }
    }
}

impl std::fmt::Display for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Every detail.
    Trace,
    /// For those who look for a fault.
    Debug,
    /// What is worth knowing.
    Info,
    /// What is odd and went on.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The name used in JSON, SQL and on the terminal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl JobEventKind {
    /// The progress report that the event carries, whatever its kind.
    #[must_use]
    pub const fn progress(&self) -> Option<&ProgressReport> {
        match self {
            Self::Progress(report) => Some(report),
            Self::Completed { progress, .. }
            | Self::CompletedWithErrors { progress, .. }
            | Self::Failed { progress, .. }
            | Self::Cancelled { progress, .. }
            | Self::Released { progress } => progress.as_ref(),
            Self::Started | Self::Items { .. } | Self::Log { .. } => None,
        }
    }

    /// The tag as it stands in the JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Progress(_) => "progress",
            Self::Items { .. } => "items",
            Self::Log { .. } => "log",
            Self::Completed { .. } => "completed",
            Self::CompletedWithErrors { .. } => "completed_with_errors",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Released { .. } => "released",
        }
    }

    /// Whether the event ends the dispatch.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. } | Self::CompletedWithErrors { .. } | Self::Failed { .. } | Self::Cancelled { .. }
        )
    }
}
