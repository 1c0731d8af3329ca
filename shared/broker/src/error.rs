//! What can go wrong at the broker. `BrokerError` is for calls, `PublishError` for the outcome of one message.

use std::time::Duration;

/// A call to the broker failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address cannot be used.
    #[error("the broker address {address} is not valid: {reason}")]
    Address {
        /// The address without its password.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// No connection within the time allowed. It is still being tried.
    #[error("the broker at {address} could not be reached within {}s: {reason}", .waited.as_secs_f32())]
    Unreachable {
        /// The address without its password.
        address: String,
        /// How long the call waited.
        waited: Duration,
        /// The last reason.
        reason: String,
    },
    /// The broker said no.
    #[error("the broker refused to {action}: {reason}")]
    Refused {
        /// What was asked.
        action: String,
        /// Its words.
        reason: String,
    },
    /// `Broker::close` was called.
    #[error("the connection to the broker was closed by this process")]
    Closed,
}

/// A message is not known to be held by the broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No queue takes this routing key: declare the queue, then publish again.
    #[error("no queue takes {routing_key:?} of exchange {exchange:?}")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// The broker refused it (a full queue, a lost leader).
    #[error("the broker did not take the message")]
    Rejected,
    /// No broker can carry it (a body or property too long): publishing it again brings the same.
    #[error("the message cannot be sent: {reason}")]
    Unfit {
        /// Which part, its size and the limit.
        reason: String,
    },
    /// The connection broke, or no confirm came in time.
    #[error("not confirmed: {reason}")]
    Unconfirmed {
        /// What happened.
        reason: String,
    },
}
