//! How a job ends badly.

use drover_protocol::JobError;
use serde::Serialize;
use serde_json::Value;

/// Why a job did not do its work.
#[derive(Clone, Debug, PartialEq)]
pub enum JobFailure {
    /// It failed.
    Failed {
        /// Why, and whether another attempt may help.
        error: JobError,
        /// What it had produced by then.
        partial: Option<Value>,
    },
    /// It stopped because [`crate::JobContext::cancelled`] told it to.
    Cancelled {
        /// What it had produced by then.
        partial: Option<Value>,
    },
}

impl JobFailure {
    /// A failure that another attempt may not meet: a timeout, a busy service.
    pub fn retryable(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed { error: JobError::retryable(kind, message), partial: None }
    }

    /// A failure that every attempt would meet: bad parameters, a missing file.
    pub fn permanent(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed { error: JobError::permanent(kind, message), partial: None }
    }

    /// The job stopped because it was cancelled.
    #[must_use]
    pub const fn cancelled() -> Self {
        Self::Cancelled { partial: None }
    }

    /// Adds what was produced by then, so that it is not lost. A value that is no JSON is left out.
    #[must_use]
    pub fn with_partial(self, partial: impl Serialize) -> Self {
        let partial = serde_json::to_value(partial).ok();
        match self {
            Self::Failed { error, .. } => Self::Failed { error, partial },
            Self::Cancelled { .. } => Self::Cancelled { partial },
        }
    }
}

/// Any error may be returned with `?`: its kind is `error`, and another attempt may help.
impl<E: std::error::Error> From<E> for JobFailure {
    fn from(error: E) -> Self {
        Self::retryable("error", chain(&error))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
