//! The message broker as Drover uses it: one trait, with RabbitMQ behind it, or a broker in the same process.
//!
//! AMQP stands in this crate only. Whoever uses the trait sees publications with an outcome each, deliveries that are
//! settled, and a topology that is data; connections, channels, confirms and recovery are the implementation's business.

mod delivery;
mod error;
mod fit;
mod publication;
mod topology;

pub mod amqp;
pub mod conformance;
pub mod memory;

use std::time::Duration;

use async_trait::async_trait;

pub use delivery::{Broadcasts, Deliveries, Delivery, Heard, Settle, Settler, Tag};
pub use error::{BrokerError, PublishError};
pub use publication::{Headers, Properties, Publication};
pub use topology::{Binding, Exchange, ExchangeKind, Queue, Topology};

/// A connection to a broker that outlives its breaks: it reconnects, declares again and subscribes again by itself.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Declares what is missing and remembers it: after a reconnect it is declared again.
    ///
    /// # Errors
    /// When the broker refuses (another declaration stands under the same name, no rights) or cannot be reached in time.
    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError>;

    /// Publishes all, pipelined and in order, and gives each its outcome in the same order: `Ok` only when the broker has
    /// confirmed that it holds the message. An error means "not known to be held": publish it again, unless it is
    /// [`PublishError::Unfit`]. It waits for a connection and for the confirms, each for a bounded time. Concurrent calls
    /// share their round trips; between them there is no order.
    async fn publish(&self, publications: Vec<Publication>) -> Vec<Result<(), PublishError>>;

    /// Subscribes to a queue. At most `prefetch` deliveries are unsettled at a time. The stream goes on across
    /// reconnects; deliveries of an old connection can no longer be settled and will come again.
    ///
    /// # Errors
    /// When the queue does not exist, or the broker cannot be reached in time.
    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError>;

    /// The same, for a queue into which strangers write: what cannot even be decoded breaks the connection at each delivery, so it
    /// is one that carries nothing else.
    ///
    /// # Errors
    /// As [`Broker::consume`].
    async fn consume_apart(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        self.consume(queue, prefetch).await
    }

    /// Listens to an exchange from now on, on a queue of its own that goes with the connection. What is sent while the
    /// connection is down is not heard; the stream says when it listens (again), so that the caller can ask what it missed.
    ///
    /// # Errors
    /// When the exchange does not exist, or the broker cannot be reached in time.
    async fn listen(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Broadcasts>, BrokerError>;

    /// How many messages wait in the queue, not counting those delivered and unsettled; `None` when there is no such queue.
    ///
    /// # Errors
    /// When the broker cannot be reached in time.
    async fn depth(&self, queue: &str) -> Result<Option<u64>, BrokerError>;

    /// Names the broker's data: it changes when the broker came back without what it held.
    ///
    /// # Errors
    /// When the broker cannot be reached in time.
    async fn epoch(&self) -> Result<String, BrokerError>;

    /// A round trip on the connection that deliveries come by: what the broker delivered before has arrived. Gives the
    /// connection's number, another one for each new connection.
    ///
    /// # Errors
    /// When there is no connection, or no answer in time.
    async fn round_trip(&self) -> Result<u64, BrokerError>;

    /// How long after a connection broke the broker may still keep from others what it delivered on it.
    fn detection(&self) -> Duration;

    /// Whether other processes reach the same broker. One that is not shared ends with its process, and with it everybody who
    /// used it.
    fn is_shared(&self) -> bool {
        true
    }

    /// Whether publishing works now: connected and not blocked by the broker. For readiness and back-pressure.
    fn is_ready(&self) -> bool;

    /// Settles what can be settled, closes channels and connections, ends the streams.
    async fn close(&self);
}
