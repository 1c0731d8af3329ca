//! What came of asking the broker something.

use std::time::Duration;

use lapin::{ErrorKind, protocol::AMQPErrorKind, types::ShortString};

/// Asking came to nothing.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The broker said no and closed the channel; asking again would bring the same answer.
    Refused {
        /// Its reply code, for example 404.
        code: u16,
        /// What was asked.
        action: String,
        /// Its words.
        reason: String,
    },
    /// The connection broke or there was no answer: the same may be asked again.
    Lost {
        /// What happened.
        reason: String,
    },
}

/// The reply code for something that does not exist.
pub(super) const NOT_FOUND: u16 = 404;
/// The reply code for an exclusive queue of another connection.
pub(super) const RESOURCE_LOCKED: u16 = 405;
/// The reply code for what cannot be had in this form.
const PRECONDITION_FAILED: u16 = 406;

impl Fault {
    /// The connection broke.
    #[allow(clippy::needless_pass_by_value, reason = "used as a function of what lapin returns")]
    pub(super) fn lost(reason: impl ToString) -> Self {
        Self::Lost { reason: reason.to_string() }
    }

    /// Sorts lapin's error: a channel closed by the broker is a refusal, everything else is the connection's fault.
    pub(super) fn new(error: &lapin::Error, action: impl FnOnce() -> String) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(said) if matches!(said.kind(), AMQPErrorKind::Soft(_)) => {
                Self::Refused { code: said.get_id(), action: action(), reason: said.get_message().to_string() }
            }
            _ => Self::lost(error),
        }
    }

    /// Whether the broker answered with this reply code.
    pub(super) fn has_code(&self, expected: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == expected)
    }

    /// In one line.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } | Self::Lost { reason } => reason,
        }
    }
}

/// A name as AMQP carries it: 255 bytes at most.
pub(super) fn short(name: &str) -> Result<ShortString, Fault> {
    ShortString::try_new(name).map_err(|error| Fault::Refused {
        code: PRECONDITION_FAILED,
        action: format!("use the name {:?}…", name.chars().take(40).collect::<String>()),
        reason: error.to_string(),
    })
}

/// Asks the broker, for `limit` at most.
pub(super) async fn ask<T>(
    limit: Duration,
    action: impl FnOnce() -> String,
    question: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Fault::new(&error, action)),
        Err(_) => Err(Fault::lost(format!("no answer within {}s when asked to {}", limit.as_secs_f32(), action()))),
    }
}
