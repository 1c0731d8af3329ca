//! From types to bytes and back, with every limit checked.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{
    Control, JobEvent, JobMessage, Notification, Submission, SubmissionReply, WorkerEvent, check, misfit, schema,
};

/// A type that is the body of a message: which `type` property it goes by and what it must hold beyond its shape.
pub trait MessageType: Serialize + DeserializeOwned + JsonSchema {
    /// The `type` property without its version, for example `drover.job`.
    const NAME: &'static str;
    /// The major version: another one is refused.
    const VERSION: u32 = 1;

    /// The whole `type` property, for example `drover.job.v1`.
    #[must_use]
    fn type_property() -> String {
        format!("{}.v{}", Self::NAME, Self::VERSION)
    }

    /// What the shape alone does not say: lengths of texts, ranges of numbers.
    ///
    /// # Errors
    /// The first field that breaks a limit.
    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Why a body is refused. The text names the field, the value or size, and the limit. Fields are JSON pointers, for
/// example `/errors/3/message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The `type` property is not what the queue takes.
    #[error("{}", not_understood(.found, .expected))]
    Type {
        /// The property as it came, cut to 80 characters.
        found: String,
        /// What would have been taken.
        expected: String,
    },
    /// The body is over the limit.
    #[error("the message has {size_bytes} bytes; the limit is {limit_bytes}. Send long lists as `items` events")]
    TooLarge {
        /// Size of the body.
        size_bytes: usize,
        /// The limit in force.
        limit_bytes: usize,
    },
    /// The body is not JSON or not of the right shape.
    #[error("the body is not a valid {name}: {reason}")]
    Malformed {
        /// The message type.
        name: &'static str,
        /// The field that does not fit, where one is to blame.
        field: Option<String>,
        /// What is wrong with the field, or what the parser says, with line and column.
        reason: String,
    },
    /// A text holds U+0000, which Postgres cannot store.
    #[error("{field} holds a NUL character (U+0000), which cannot be stored; remove it")]
    Nul {
        /// Where.
        field: String,
    },
    /// A text, list or number is out of its limits.
    #[error("{field} {problem}")]
    Limit {
        /// Where.
        field: String,
        /// What is wrong, with the limit.
        problem: String,
    },
}

impl DecodeError {
    /// JSON pointer of the field that is to blame, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        let field = match self {
            Self::Type { .. } | Self::TooLarge { .. } => None,
            Self::Malformed { field, .. } => field.as_deref(),
            Self::Nul { field } | Self::Limit { field, .. } => Some(field.as_str()),
        };
        field.filter(|field| field.starts_with('/'))
    }
}

fn not_understood(found: &str, expected: &str) -> String {
    let version = |kind: &str| {
        kind.rsplit_once(".v").and_then(|(name, version)| Some((name.to_owned(), version.parse::<u32>().ok()?)))
    };
    match (version(found), version(expected)) {
        (Some((name, newer)), Some((known, version))) if name == known && newer > version => {
            format!(
                "message type {found:?} is newer than {expected:?}, which is what is understood here: update this process"
            )
        }
        _ => format!("message type {found:?} is not understood here; expected {expected:?}"),
    }
}

/// Serialises a message.
///
/// # Errors
/// When a field breaks its limit, a text holds NUL, or the body is over `limit_bytes`.
pub fn encode<T: MessageType>(message: &T, limit_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    message.check()?;
    let body = serde_json::to_vec(message).map_err(|error| malformed::<T>(&error, &[]))?;
    check_size(&body, limit_bytes)?;
    check_nul::<T>(&body)?;
    Ok(body)
}

/// Reads a message whose `type` property is `found` (absent: the queue's own type is meant).
///
/// # Errors
/// See [`DecodeError`].
pub fn decode<T: MessageType>(found: Option<&str>, body: &[u8], limit_bytes: usize) -> Result<T, DecodeError> {
    check_envelope::<T>(found, body, limit_bytes)?;
    decode_part(body)
}

/// Reads a body that is one message or an array of them. A bad entry of an array harms itself only.
///
/// # Errors
/// When the body as a whole cannot be read: wrong type, too large, no JSON, too many entries.
pub fn decode_one_or_many<T: MessageType>(
    found: Option<&str>,
    body: &[u8],
    limit_bytes: usize,
) -> Result<Vec<Result<T, BadPart>>, DecodeError> {
    check_envelope::<T>(found, body, limit_bytes)?;
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_array {
        return Ok(vec![decode_part(body).map_err(|error| BadPart { error, body: body.to_vec() })]);
    }
    let parts: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| malformed::<T>(&error, &[]))?;
    check::array(parts.len())?;
    let read = |part: &RawValue| {
        decode_part(part.get().as_bytes()).map_err(|error| BadPart { error, body: part.get().as_bytes().to_vec() })
    };
    Ok(parts.into_iter().map(read).collect())
}

/// An entry of a body that could not be read, with its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPart {
    /// Why.
    pub error: DecodeError,
    /// The entry as it came.
    pub body: Vec<u8>,
}

impl fmt::Display for BadPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

fn decode_part<T: MessageType>(body: &[u8]) -> Result<T, DecodeError> {
    let message: T = serde_json::from_slice(body).map_err(|error| malformed::<T>(&error, body))?;
    check_nul::<T>(body)?;
    message.check()?;
    Ok(message)
}

fn check_envelope<T: MessageType>(found: Option<&str>, body: &[u8], limit_bytes: usize) -> Result<(), DecodeError> {
    check_size(body, limit_bytes)?;
    match found {
        Some(found) if found != T::type_property() => {
            Err(DecodeError::Type { found: found.chars().take(80).collect(), expected: T::type_property() })
        }
        _ => Ok(()),
    }
}

/// The parser of a flattened or tagged type no longer knows at which field it was. What is JSON and still does not fit is
/// therefore held against the schema, which does know.
fn malformed<T: MessageType>(error: &serde_json::Error, body: &[u8]) -> DecodeError {
    let misfit = match serde_json::from_slice::<Value>(body) {
        Ok(value) if error.is_data() => misfit::find(&schema::of::<T>(), &value),
        _ => None,
    };
    match misfit {
        Some(misfit) => {
            DecodeError::Malformed { name: T::NAME, reason: misfit.to_string(), field: Some(misfit.pointer) }
        }
        None => DecodeError::Malformed { name: T::NAME, field: None, reason: error.to_string() },
    }
}

fn check_size(body: &[u8], limit_bytes: usize) -> Result<(), DecodeError> {
    if body.len() > limit_bytes {
        return Err(DecodeError::TooLarge { size_bytes: body.len(), limit_bytes });
    }
    Ok(())
}

/// A NUL inside a JSON text can only be written as an escape, so most bodies are cleared by one search.
fn check_nul<T: MessageType>(body: &[u8]) -> Result<(), DecodeError> {
    if !body.windows(6).any(|window| window == b"\\u0000") {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| malformed::<T>(&error, &[]))?;
    match find_nul(&value, "") {
        Some(field) => Err(DecodeError::Nul { field }),
        None => Ok(()),
    }
}

/// JSON pointer of the first text with NUL, for example `/result/rows/3/name`. `path` is the pointer of `value` itself.
#[must_use]
pub fn find_nul(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) if text.contains('\0') => Some(if path.is_empty() { "/".into() } else { path.into() }),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| find_nul(value, &format!("{path}/{index}")))
        }
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let path = format!("{path}/{}", pointer_part(key));
            if key.contains('\0') { Some(path) } else { find_nul(value, &path) }
        }),
        _ => None,
    }
}

/// A key as one part of a JSON pointer; a NUL in it is made visible.
pub(crate) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1").replace('\0', "\\0")
}

macro_rules! messages {
    ($($type:ident = $name:literal $(, $check:path)?;)+) => {
        $(impl MessageType for $type {
            const NAME: &'static str = $name;
            $(fn check(&self) -> Result<(), DecodeError> {
                $check(self)
            })?
        })+
    };
}

messages! {
    JobMessage = "drover.job", check::job;
    JobEvent = "drover.event", check::event;
    WorkerEvent = "drover.worker", check::worker;
    Control = "drover.control", check::control;
    Submission = "drover.submission", check::submission;
    SubmissionReply = "drover.submission_reply";
    Notification = "drover.notification";
}
