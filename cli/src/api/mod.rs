//! What the HTTP API answers, as far as the command line reads it. Unknown fields are ignored; with `--json` the answer is
//! passed on whole.

mod accounts;
mod dead;
mod fleet;
mod jobs;
mod problem;
mod schedules;

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use fleet::paused_name;
pub(crate) use {accounts::*, dead::*, fleet::*, jobs::*, problem::*, schedules::*};

/// An answer, read and as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    pub(crate) raw: Value,
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads the answer.
    pub(crate) fn read(raw: Value) -> Result<Self, serde_json::Error> {
        Ok(Self { body: T::deserialize(&raw)?, raw })
    }
}

/// Which part of an orchestrator is there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Readiness {
    database: bool,
    migrated: bool,
    broker: bool,
    draining: bool,
    /// Job types of which workers take nothing.
    #[serde(default)]
    paused: Vec<String>,
}

impl Readiness {
    /// Whether it can take and dispatch jobs.
    pub(crate) const fn is_ready(&self) -> bool {
        self.database && self.migrated && self.broker && !self.draining
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let away = [
            (!self.database, "the database is away"),
            (self.database && !self.migrated, "the database has no schema yet"),
            (!self.broker, "the broker is away"),
            (self.draining, "it is shutting down"),
        ];
        let away: Vec<&str> = away.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect();
        if away.is_empty() { f.write_str("ready") } else { write!(f, "not ready: {}", away.join(", ")) }?;
        let paused: Vec<&str> = self.paused.iter().map(|name| paused_name(name)).collect();
        if paused.is_empty() { Ok(()) } else { write!(f, "; paused: {}", paused.join(", ")) }
    }
}
