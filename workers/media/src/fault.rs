//! What can be wrong with one item of a job, and what stops the job as a whole.

use std::io;

use drover_worker::{JobContext, JobError, JobFailure, LogLevel, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    limits::{ERRORS, MESSAGE_BYTES},
    store::StoreError,
    text,
};

/// The kind of a fault: a short word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A name that is no UTF-8.
    Name,
    /// The operating system refused.
    Io,
    /// No space is left.
    DiskFull,
    /// The file is no good video.
    Corrupt,
    /// A program took longer than it may.
    Slow,
    /// The scene, or its file, is not there.
    Gone,
    /// A change could not be applied.
    Lost,
    /// The database refused this one.
    Database,
}

impl FaultKind {
    /// The word as it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Io => "io",
            Self::DiskFull => "disk_full",
            Self::Corrupt => "corrupt",
            Self::Slow => "slow",
            Self::Gone => "gone",
            Self::Lost => "lost",
            Self::Database => "database",
        }
    }

    /// Whether another attempt may meet it no more.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Io | Self::DiskFull | Self::Slow)
    }
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// A sentence for people.
    pub message: String,
}

impl Fault {
    /// A fault with its words.
    pub fn new(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: text::quotable(message.as_ref(), MESSAGE_BYTES) }
    }

    /// A fault told by the operating system, with its own words.
    #[must_use]
    pub fn io(doing: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => {
                Self::new(FaultKind::DiskFull, format!("cannot {doing}: {error}; free some space"))
            }
            _ => Self::new(FaultKind::Io, format!("cannot {doing}: {error}")),
        }
    }
}

/// An item that failed, in a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemError {
    /// Which: a path, or `scene 7`. A path that is no UTF-8 is shown with `�`.
    pub item: String,
    /// What kind of fault.
    pub kind: FaultKind,
    /// A sentence for people.
    pub message: String,
}

/// Why the work on an item ended: the item's own fault, or something that ends the job.
#[derive(Debug)]
pub enum Broken {
    /// This item failed; the rest goes on.
    Item(Fault),
    /// The job as a whole stops.
    Job(JobFailure),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Item(fault)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Job(error.into_failure())
    }
}

impl From<JobFailure> for Broken {
    fn from(failure: JobFailure) -> Self {
        Self::Job(failure)
    }
}

/// Notes that an item failed: in the job's log, and in the list as far as it goes.
pub fn note(ctx: &JobContext, errors: &mut Vec<ItemError>, item: impl AsRef<str>, fault: Fault) {
    let item = text::quotable(item.as_ref(), 1_000);
    ctx.log(LogLevel::Error, format!("{item}: {}", fault.message));
    if errors.len() < ERRORS {
        errors.push(ItemError { item, kind: fault.kind, message: fault.message });
    }
}

/// The outcome of a job that goes on after an item failed.
pub fn outcome<R>(result: R, errors: &[ItemError]) -> Outcome<R> {
    if errors.is_empty() {
        return Outcome::Completed(result);
    }
    Outcome::CompletedWithErrors(result, errors.iter().map(job_error).collect())
}

/// The failure of a job of which nothing succeeded: worth another attempt if one of the errors is. `failed`: how many, of what,
/// also where not all of their errors are listed; `done`: what could be done with none of them.
#[must_use]
pub fn all_failed(failed: &str, done: &str, errors: &[ItemError]) -> JobFailure {
    let Some(first) = errors.first() else {
        return JobFailure::permanent("io", format!("none of {failed} could be {done}"));
    };
    let message = match errors {
        [_] => format!("{}: {}", first.item, first.message),
        _ => format!("none of {failed} could be {done}; the first: {}: {}", first.item, first.message),
    };
    if errors.iter().any(|error| error.kind.is_transient()) {
        JobFailure::retryable(first.kind.as_str(), message)
    } else {
        JobFailure::permanent(first.kind.as_str(), message)
    }
}

fn job_error(error: &ItemError) -> JobError {
    let message = format!("{}: {}", error.item, error.message);
    if error.kind.is_transient() {
        JobError::retryable(error.kind.as_str(), message)
    } else {
        JobError::permanent(error.kind.as_str(), message)
    }
}
