//! Dead letters, and what was done about many things at once.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A page of dead letters.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadLetters {
    pub(crate) messages: Vec<DeadLetter>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A message that nobody could process.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadLetter {
    /// A number or a text.
    pub(crate) id: Value,
    pub(crate) at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) message_id: Option<String>,
    #[serde(default)]
    pub(crate) message_type: Option<String>,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) job_id: Option<String>,
    #[serde(default)]
    pub(crate) redrives: u64,
    /// Its other properties, headers among them.
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    #[serde(default)]
    pub(crate) body: String,
    /// `utf-8` or `base64`.
    #[serde(default)]
    pub(crate) body_encoding: String,
    #[serde(default)]
    pub(crate) body_bytes: u64,
    /// Whether the server keeps only the beginning of the body.
    #[serde(default)]
    pub(crate) truncated: bool,
}

/// What became of a letter that was sent again.
#[derive(Debug, Deserialize)]
pub(crate) struct Redriven {
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) job_id: Option<String>,
}

/// What a request about many did, and where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct Swept {
    pub(crate) matched: u64,
    pub(crate) done: u64,
    #[serde(default)]
    pub(crate) refused: Vec<Value>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// What was pruned, or may be, and where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct Pruned {
    pub(crate) types: Vec<PrunedType>,
    pub(crate) dead_letters: u64,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// What of one type.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PrunedType {
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    pub(crate) trees: u64,
    pub(crate) jobs: u64,
    /// There are more than were counted.
    #[serde(default)]
    pub(crate) more: bool,
}

/// What was recovered, and where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct Recovered {
    pub(crate) redispatched: u64,
    pub(crate) retried: u64,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}
