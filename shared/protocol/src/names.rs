//! What the exchanges, queues and routing keys are called.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// The name of a job type or of a workflow: a lower-case letter, then lower-case letters, digits, `_`, `-` or `.`; at
/// most 64 bytes. It is part of a queue's name, hence the narrow alphabet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = JobType::PATTERN))]
pub struct JobType(String);

/// A text that is no job type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not a valid name for a job type: it must start with a lower-case letter, have only lower-case \
     letters, digits, '_', '-' and '.', and at most 64 characters"
)]
pub struct InvalidJobType {
    /// What was given, cut to 80 characters.
    pub value: String,
}

impl JobType {
    /// The rule as a regular expression, for schemas and forms.
    pub const PATTERN: &str = "^[a-z][a-z0-9_.-]{0,63}$";

    /// Checks and takes the name.
    ///
    /// # Errors
    /// When the name is empty, too long or has a character that is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidJobType> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        let valid = name.len() <= limits::NAME_BYTES
            && name.chars().next().is_some_and(|c| c.is_ascii_lowercase())
            && name.chars().all(allowed);
        if valid { Ok(Self(name)) } else { Err(InvalidJobType { value: name.chars().take(80).collect() }) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JobType {
    type Error = InvalidJobType;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl FromStr for JobType {
    type Err = InvalidJobType;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl From<JobType> for String {
    fn from(name: JobType) -> Self {
        name.0
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The prefix of every exchange and queue; two systems with different prefixes can share a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { prefix: "drover".into() }
    }
}

impl Names {
    /// Takes the prefix, which follows the rules of a job type.
    ///
    /// # Errors
    /// When the prefix is not a valid name.
    pub fn new(prefix: &str) -> Result<Self, InvalidJobType> {
        JobType::new(prefix).map(|prefix| Self { prefix: prefix.into() })
    }

    /// The prefix itself; it is also the `app_id` of what Drover publishes.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Direct exchange for job messages; the routing key is the job type.
    #[must_use]
    pub fn jobs_exchange(&self) -> String {
        format!("{}.jobs", self.prefix)
    }

    /// The queue of one job type.
    #[must_use]
    pub fn jobs_queue(&self, job_type: &JobType) -> String {
        format!("{}.jobs.{job_type}", self.prefix)
    }

    /// Direct exchange for events, heartbeats and logs; the routing key is the queue's name.
    #[must_use]
    pub fn events_exchange(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// Queue of job events; also the `reply_to` of job messages.
    #[must_use]
    pub fn events_queue(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// Queue of worker events, apart so that a backlog of job events never delays a heartbeat.
    #[must_use]
    pub fn heartbeats_queue(&self) -> String {
        format!("{}.heartbeats", self.prefix)
    }

    /// Queue of log events, apart so that a chatty job never delays the fold.
    #[must_use]
    pub fn logs_queue(&self) -> String {
        format!("{}.logs", self.prefix)
    }

    /// Fanout exchange for control messages.
    #[must_use]
    pub fn control_exchange(&self) -> String {
        format!("{}.control", self.prefix)
    }

    /// Fanout exchange for submissions from other systems: who may write to it may submit, and nothing else.
    #[must_use]
    pub fn submit_exchange(&self) -> String {
        format!("{}.submit", self.prefix)
    }

    /// Queue of submissions from other systems.
    #[must_use]
    pub fn submit_queue(&self) -> String {
        format!("{}.submit", self.prefix)
    }

    /// Topic exchange for notifications.
    #[must_use]
    pub fn notifications_exchange(&self) -> String {
        format!("{}.notifications", self.prefix)
    }

    /// Fanout exchange and queue of what nobody could process.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_type_is_checked() {
        assert!(JobType::new("process_import").is_ok());
        for bad in ["", "Import", "9lives", "a b", "a\0", "a/b", &"x".repeat(65)] {
            assert!(JobType::new(bad).is_err(), "{bad:?} should be refused");
        }
    }
}
