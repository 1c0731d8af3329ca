//! Definitions, job types and workers.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// All definitions.
#[derive(Debug, Deserialize)]
pub(crate) struct Definitions {
    pub(crate) definitions: Vec<Definition>,
}

/// A registered definition.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) steps: Option<u64>,
    /// The definition itself, where one alone was asked for.
    #[serde(default)]
    pub(crate) definition: Value,
}

/// The answer to `GET /definitions/NAME/versions`.
#[derive(Debug, Deserialize)]
pub(crate) struct Versions {
    pub(crate) versions: Vec<Version>,
}

/// A version of a definition.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) is_current: bool,
    #[serde(default)]
    pub(crate) runs: u64,
}

/// The answer to a definition that was put.
#[derive(Debug, Deserialize)]
pub(crate) struct Applied {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) changed: bool,
}

/// All job types that workers announced.
#[derive(Debug, Deserialize)]
pub(crate) struct Types {
    pub(crate) types: Vec<TypeView>,
}

/// A job type.
#[derive(Debug, Deserialize)]
pub(crate) struct TypeView {
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) live_workers: u64,
    #[serde(default)]
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) paused_at: Option<DateTime<Utc>>,
}

/// Everything that is paused beside jobs.
#[derive(Debug, Deserialize)]
pub(crate) struct Pauses {
    pub(crate) paused: Vec<PauseView>,
}

/// A paused job type, or one that is not.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PauseView {
    /// `*`: every type.
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) workers: Acknowledged,
}

/// How many workers have heard of a pause.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Acknowledged {
    pub(crate) live: u64,
    pub(crate) acknowledged: u64,
    /// Their program knows no pauses.
    pub(crate) unaware: u64,
}

impl Acknowledged {
    /// How many are yet to say so.
    pub(crate) const fn pending(self) -> u64 {
        self.live.saturating_sub(self.acknowledged).saturating_sub(self.unaware)
    }
}

impl fmt::Display for PauseView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = paused_name(&self.job_type);
        if !self.paused {
            return write!(f, "{name} resumed");
        }
        let Acknowledged { live, acknowledged, unaware } = self.workers;
        write!(f, "{name} paused; {acknowledged} of {live} workers have acknowledged")?;
        if unaware > 0 {
            write!(f, "; {unaware} of an older version go on taking jobs: start them anew with this one")?;
        }
        Ok(())
    }
}

/// What a person calls it.
pub(super) fn paused_name(name: &str) -> &str {
    if name == "*" { "all job types" } else { name }
}

/// All workers that were seen of late.
#[derive(Debug, Deserialize)]
pub(crate) struct Workers {
    pub(crate) workers: Vec<WorkerView>,
}

/// A worker that was told to drain.
#[derive(Debug, Deserialize)]
pub(crate) struct Draining {
    pub(crate) session: String,
}

/// A worker.
#[derive(Debug, Deserialize)]
pub(crate) struct WorkerView {
    pub(crate) session: String,
    #[serde(default)]
    pub(crate) host: String,
    #[serde(default)]
    pub(crate) version: String,
    /// Names, or objects with a `type`.
    #[serde(default)]
    pub(crate) types: Vec<Value>,
    #[serde(default)]
    pub(crate) concurrency: u64,
    /// A number, or the list of the running jobs.
    #[serde(default)]
    pub(crate) running: Value,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) seen_at: Option<DateTime<Utc>>,
    pub(crate) status: String,
}
