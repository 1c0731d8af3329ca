//! A broker in this process, for when orchestrator and workers share one: no RabbitMQ, the same promises.
//!
//! It keeps nothing on disk: with the process its messages are gone, which the new [`Broker::epoch`] of each start tells.
//! Nothing here waits or polls but the streams, and there is no task: whoever publishes or settles moves the messages on,
//! under the lock of one queue for some microseconds. Names are looked up under a lock that readers share.
//!
//! | file | what |
//! | --- | --- |
//! | `server` | the names, declaring, routing, dead letters |
//! | `exchange` | bindings and topic patterns |
//! | `queue`, `consumer` | what waits, and whose turn it is; what one stream holds |
//! | `deliveries`, `broadcasts` | the streams |
//! | `connection` | what ends when a handle is closed |
//!
//! **Bounds.** Each queue holds [`Limits::queue_bytes`] at most, unsettled messages included, and rejects what is more, as
//! RabbitMQ does with `reject-publish`. A limit for all queues together would let one that nobody reads (a job type
//! without a worker) stop the events of all others. What gathers waits in the outbox, in Postgres, and comes again. A
//! listener that does not keep up must stop nobody: it loses what it has not heard and is told that it listens anew, as
//! after a broken connection.

mod broadcasts;
mod connection;
mod consumer;
mod content;
mod deliveries;
mod exchange;
mod queue;
mod server;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::coop;

use self::{
    broadcasts::MemoryBroadcasts,
    connection::Connection,
    deliveries::{MemoryDeliveries, Subscription},
    server::Server,
};
use crate::{Broadcasts, Broker, BrokerError, Deliveries, Publication, PublishError, Topology};

/// How much a memory broker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one queue, and of what one listener has not heard yet. A message counts as its body, its headers and
    /// 1 KiB for everything else.
    pub queue_bytes: usize,
}

impl Default for Limits {
    /// 64 MiB: some 60,000 job messages or 64 of the largest results. Windowed dispatch and the intake keep queues far
    /// below that; a process that reaches it has a reader that stands still.
    fn default() -> Self {
        Self { queue_bytes: 64 * 1024 * 1024 }
    }
}

/// A connection to a broker in this process.
pub struct MemoryBroker {
    server: Arc<Server>,
    connection: Arc<Connection>,
}

impl MemoryBroker {
    /// A new, empty broker, and the first connection to it. It lasts as long as any connection or stream of it.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_limits(Limits::default())
    }

    /// The same, with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Arc<Self> {
        Self::on(Arc::new(Server::new(limits)))
    }

    /// Another connection to the same broker: closing it ends its own streams only.
    #[must_use]
    pub fn connect(&self) -> Arc<Self> {
        Self::on(Arc::clone(&self.server))
    }

    fn on(server: Arc<Server>) -> Arc<Self> {
        Arc::new(Self { server, connection: Arc::default() })
    }

    fn open(&self) -> Result<&Arc<Server>, BrokerError> {
        if self.connection.is_open() { Ok(&self.server) } else { Err(BrokerError::Closed) }
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        self.open()?.declare(topology)
    }

    async fn publish(&self, publications: Vec<Publication>) -> Vec<Result<(), PublishError>> {
        let mut outcomes = Vec::with_capacity(publications.len());
        for publication in publications {
            // Nothing here ever waits: without this a task that publishes in a loop would keep the others from running.
            coop::consume_budget().await;
            outcomes.push(match self.open() {
                Ok(server) => server.publish(publication),
                Err(closed) => Err(PublishError::Unconfirmed { reason: closed.to_string() }),
            });
        }
        outcomes
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        let subscription = Subscription::begin(self.open()?, queue, prefetch)?;
        let kept = self.connection.keep(Arc::clone(&subscription) as _)?;
        Ok(Box::new(MemoryDeliveries::new(subscription, kept)))
    }

    async fn listen(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Broadcasts>, BrokerError> {
        let station = Server::listen(self.open()?, exchange, routing_key)?;
        let kept = self.connection.keep(Arc::clone(&station) as _)?;
        Ok(Box::new(MemoryBroadcasts::new(station, kept)))
    }

    async fn depth(&self, queue: &str) -> Result<Option<u64>, BrokerError> {
        Ok(self.open()?.depth(queue))
    }

    async fn epoch(&self) -> Result<String, BrokerError> {
        Ok(self.open()?.epoch().to_owned())
    }

    /// Nothing travels, and nothing breaks.
    async fn round_trip(&self) -> Result<u64, BrokerError> {
        self.open().map(|_| 0)
    }

    fn detection(&self) -> Duration {
        Duration::ZERO
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        self.connection.is_open()
    }

    async fn close(&self) {
        self.connection.close();
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.connection.close();
    }
}
