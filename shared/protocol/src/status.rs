//! The statuses of jobs and steps. Which may follow which stands in the engine's transition table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every status, in the order of a job's life.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name used in JSON, SQL, the API and the UI.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus {
                    value: text.chars().take(40).collect(),
                    known: Self::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

/// A text that names no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {value:?}; known: {known}")]
pub struct UnknownStatus {
    /// What was given, cut to 40 characters.
    pub value: String,
    /// The names that would have been understood.
    pub known: String,
}

status! {
    /// Where a job stands.
    JobStatus {
        /// Created; waits for its turn, its retry time or a worker.
        Pending = "pending",
        /// A worker (or, for a workflow, the orchestrator) is at it.
        Running = "running",
        /// A cancel was accepted; it is waited for whatever still runs.
        Cancelling = "cancelling",
        /// Ended with its whole result.
        Completed = "completed",
        /// Ended with a result and with errors beside it.
        CompletedWithErrors = "completed_with_errors",
        /// Ended without what was asked for; `error` says why.
        Failed = "failed",
        /// Ended by a cancel; nothing of it runs any more.
        Cancelled = "cancelled",
    }
}

status! {
    /// Where a step of a workflow stands.
    StepStatus {
        /// Its turn has not come.
        Pending = "pending",
        /// At least one of its sub-jobs is not finished.
        Running = "running",
        /// Every sub-job completed.
        Completed = "completed",
        /// It completed, and errors stand beside its result.
        CompletedWithErrors = "completed_with_errors",
        /// It failed; `error` says why.
        Failed = "failed",
        /// The workflow was cancelled while it ran.
        Cancelled = "cancelled",
        /// Its condition was false, its sub-workflow had nothing to do, or the workflow ended before its turn.
        Skipped = "skipped",
    }
}

impl JobStatus {
    /// Whether the job has ended. A terminal status changes only by a user's retry.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithErrors | Self::Failed | Self::Cancelled)
    }
}

#[allow(clippy::derivable_impls, reason = "the macro above writes the enum")]
impl Default for StepStatus {
    fn default() -> Self {
        Self::Pending
    }
}

impl StepStatus {
    /// Whether the step has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree_for_every_status() {
        for status in JobStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).ok(), Some(status.as_str().into()));
        }
        for status in StepStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).ok(), Some(status.as_str().into()));
        }
    }

    #[test]
    fn an_unknown_status_names_the_known_ones() {
        let error = "done".parse::<JobStatus>().map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("unknown status \"done\"; known: pending, running, cancelling, completed, completed_with_errors, \
                 failed, cancelled"
                .into())
        );
    }
}
