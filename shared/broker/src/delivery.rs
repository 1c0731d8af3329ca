//! What a queue delivers, and how it is settled.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{BrokerError, Properties};

/// A message that a queue delivered and that waits to be settled.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names the delivery when it is settled.
    pub tag: Tag,
    /// The body.
    pub body: Bytes,
    /// The properties.
    pub properties: Properties,
    /// The exchange it came through and the key it was published with.
    pub exchange: String,
    /// See `exchange`.
    pub routing_key: String,
    /// Whether the broker may have delivered it before. Proves nothing, and is a reason for care.
    pub redelivered: bool,
}

/// Names a delivery on its stream; tags of one stream rise in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Which connection of the stream's life: settling a tag of an older one does nothing.
    pub session: u64,
    /// The delivery's number on that connection.
    pub number: u64,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// It is done with.
    Ack,
    /// Back to the queue, for whoever is free.
    GiveBack,
    /// To the queue's dead-letter exchange.
    DeadLetter,
}

/// A subscription: an endless stream of deliveries that goes on across reconnects. Dropping it cancels the
/// subscription and gives back what is unsettled.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Waits for the next delivery. `None` only after `Broker::close`. Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;

    /// A delivery that has already arrived, without waiting. It renews no lost subscription: that is for `next`.
    fn try_next(&mut self) -> Option<Delivery>;

    /// Settles one delivery. `false`: it can no longer be settled and will be delivered again.
    async fn settle(&self, tag: Tag, how: Settle) -> bool;

    /// Acknowledges every delivery up to and with this one, in one frame. `false` as for [`Deliveries::settle`].
    async fn ack_through(&self, tag: Tag) -> bool;

    /// A handle that settles this stream's deliveries from another task.
    fn settler(&self) -> Box<dyn Settler>;

    /// Takes no new deliveries and gives back those that were not yet handed out by `next`. What was handed out can still
    /// be settled, and does not count for the prefetch any more. [`Deliveries::resume`] subscribes again.
    ///
    /// # Errors
    /// When the broker cannot be reached in time; then the subscription ends, which gives everything back. It is paused
    /// in any case.
    async fn pause(&mut self) -> Result<(), BrokerError>;

    /// Subscribes again after [`Deliveries::pause`].
    ///
    /// # Errors
    /// When the broker cannot be reached in time; the stream then resumes with the next connection.
    async fn resume(&mut self) -> Result<(), BrokerError>;
}

/// Settles deliveries of a stream that another task reads.
#[async_trait]
pub trait Settler: Send + Sync {
    /// See [`Deliveries::settle`].
    async fn settle(&self, tag: Tag, how: Settle) -> bool;
}

/// A subscription to a broadcast.
#[async_trait]
pub trait Broadcasts: Send {
    /// Waits for what is heard next. `None` only after `Broker::close`. Cancel-safe.
    async fn next(&mut self) -> Option<Heard>;
}

/// What a listener hears.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are messages, and nobody keeps many")]
pub enum Heard {
    /// It listens from now on; anything before this may have been missed.
    Listening {
        /// The queue's name: what is published to it by the default exchange reaches this listener alone.
        queue: String,
    },
    /// A message. It needs no settling.
    Message(Delivery),
}
