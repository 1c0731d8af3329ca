//! Tokens and the audit.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// The tokens.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
}

/// A token, without its secret.
#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    /// `live`, `expired` or `revoked`.
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) created_by: String,
    #[serde(default)]
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A token that was made.
#[derive(Deserialize)]
pub(crate) struct CreatedToken {
    /// Its secret.
    pub(crate) token: String,
}

/// A page of the audit.
#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    pub(crate) lines: Vec<AuditLine>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// What was done, by whom, and what came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditLine {
    pub(crate) at: DateTime<Utc>,
    pub(crate) action: String,
    /// The HTTP status that was answered.
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) token_name: Option<String>,
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) target: Option<String>,
    #[serde(default)]
    pub(crate) address: Option<String>,
    #[serde(default)]
    pub(crate) detail: Value,
}
