//! RabbitMQ behind the trait, by way of lapin.
//!
//! lapin's own recovery is not used. Two connections, one that publishes and one that does everything else (the broker
//! blocks a publishing connection as a whole, acknowledgements included), are kept by a [`link::Link`] each: connect,
//! declare again what was declared, work; and when anything breaks, drop all of it and begin anew after a delay. A third is
//! there once it is wanted: over it comes what strangers write, which may be what no client can decode.
//!
//! | file | what |
//! | --- | --- |
//! | `dial`, `session`, `link` | one attempt, one connection, the loop around them |
//! | `declare` | the topology, and again after a reconnect |
//! | `publisher`, `lane`, `batch` | calls, the channels they share, what is settled together |
//! | `deliveries`, `subscription` | a queue's stream, and the channel behind it |
//! | `broadcasts` | a listener's stream |
//! | `epoch` | the sentinel |

mod address;
mod batch;
mod broadcasts;
mod channel;
mod config;
mod convert;
mod declare;
mod deliveries;
mod dial;
mod epoch;
mod fault;
mod lane;
mod link;
mod publisher;
mod session;
mod subscription;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use address::redact;
pub use config::AmqpConfig;

use self::{
    address::Address,
    broadcasts::{AmqpBroadcasts, Station},
    declare::Declared,
    deliveries::AmqpDeliveries,
    fault::{Fault, NOT_FOUND, ask, short},
    link::Link,
    publisher::Publisher,
    session::Session,
    subscription::Subscription,
};
use crate::{Broadcasts, Broker, BrokerError, Deliveries, Publication, PublishError, Topology};

/// RabbitMQ looks at its connections now and then: it closes one that was silent for two heartbeats up to so much later.
const DETECTION_MARGIN: Duration = Duration::from_secs(1);

/// A connection to RabbitMQ 3.10 to 4.x.
pub struct AmqpBroker {
    prefix: String,
    declared: Arc<Declared>,
    /// Publishes, nothing else.
    publishing: Arc<Link>,
    /// Does everything else.
    consuming: Arc<Link>,
    /// Consumes what strangers write.
    apart: OnceLock<Arc<Link>>,
    address: Address,
    config: AmqpConfig,
    publisher: Arc<Publisher>,
    /// One reader of the epoch at a time: the lock at the broker is the connection's.
    epoch_reader: tokio::sync::Mutex<()>,
    closing: CancellationToken,
    detection: Duration,
}

impl AmqpBroker {
    /// Connects, and tries for [`AmqpConfig::startup_timeout`] to. From then on the connection is kept up until
    /// [`Broker::close`], or until the broker is dropped.
    ///
    /// # Errors
    /// When the address is not valid, or the broker could not be reached in time (with the last reason).
    pub async fn connect(config: AmqpConfig) -> Result<Arc<Self>, BrokerError> {
        let address = Address::parse(&config)?;
        let declared = Arc::new(Declared::default());
        let link = |role| Link::start(role, &address, &config, Arc::clone(&declared));
        let (publishing, consuming) = (link("publish"), link("consume"));
        let deadline = Instant::now() + config.startup_timeout;
        publishing.up_by(deadline, config.startup_timeout).await?;
        consuming.up_by(deadline, config.startup_timeout).await?;
        Ok(Arc::new(Self {
            publisher: Arc::new(Publisher::start(&publishing, &config)),
            prefix: config.prefix.clone(),
            declared,
            publishing,
            consuming,
            apart: OnceLock::new(),
            epoch_reader: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
            detection: config.heartbeat * 2 + DETECTION_MARGIN,
            address,
            config,
        }))
    }

    async fn consume_by(
        &self,
        link: &Arc<Link>,
        queue: &str,
        prefetch: u16,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        let declared = Arc::clone(&self.declared);
        let subscription =
            Subscription::new(Arc::clone(link), declared, queue.to_owned(), prefetch, self.closing.clone());
        let open = &subscription;
        let subscribed = link.run(|session| async move { open.subscribe(session).await }).await?;
        Ok(Box::new(AmqpDeliveries::new(subscription, subscribed, self.config.idle_renewal)))
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        self.consuming.run(|session| async move { declare::declare(&session, topology).await }).await?;
        self.declared.remember(topology);
        Ok(())
    }

    async fn publish(&self, publications: Vec<Publication>) -> Vec<Result<(), PublishError>> {
        self.publisher.publish(publications).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        self.consume_by(&self.consuming, queue, prefetch).await
    }

    async fn consume_apart(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        let link = || Link::start("strangers", &self.address, &self.config, Arc::clone(&self.declared));
        self.consume_by(self.apart.get_or_init(link), queue, prefetch).await
    }

    async fn listen(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Broadcasts>, BrokerError> {
        let station = Arc::new(Station {
            link: Arc::clone(&self.consuming),
            exchange: exchange.to_owned(),
            routing_key: routing_key.to_owned(),
            prefix: self.prefix.clone(),
            closing: self.closing.clone(),
        });
        let open = &station;
        let ear = self.consuming.run(|session| async move { open.listen(&session).await }).await?;
        Ok(Box::new(AmqpBroadcasts::new(station, ear)))
    }

    async fn depth(&self, queue: &str) -> Result<Option<u64>, BrokerError> {
        let look = |session| async move {
            match passive_depth(&session, queue).await {
                Err(fault) if fault.has_code(NOT_FOUND) => Ok(None),
                depth => depth.map(Some),
            }
        };
        self.consuming.run(look).await
    }

    async fn epoch(&self) -> Result<String, BrokerError> {
        let _alone = self.epoch_reader.lock().await;
        let read = |session| epoch::read(session, Arc::clone(&self.publisher), self.prefix.clone());
        self.consuming.run(read).await
    }

    async fn round_trip(&self) -> Result<u64, BrokerError> {
        let down = |reason| self.consuming.unreachable(self.consuming.limit(), reason);
        let session = self.consuming.now().ok_or_else(|| down(self.consuming.reason()))?;
        let channel = session.channel().await.map_err(|fault| down(fault.reason().to_owned()))?;
        channel.close().await;
        if session.is_over() { Err(down(session.reason())) } else { Ok(session.number()) }
    }

    fn detection(&self) -> Duration {
        self.detection
    }

    fn is_ready(&self) -> bool {
        self.publishing.now().is_some_and(|session| session.blocked().is_none())
    }

    async fn close(&self) {
        self.publisher.close().await;
        self.closing.cancel();
        let apart = async {
            if let Some(link) = self.apart.get() {
                link.close().await;
            }
        };
        tokio::join!(self.publishing.close(), self.consuming.close(), apart);
    }
}

impl Drop for AmqpBroker {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// How many messages are ready. A missing queue costs the channel, so it is one of its own.
async fn passive_depth(session: &Arc<Session>, queue: &str) -> Result<u64, Fault> {
    let channel = session.channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declaration = channel.queue_declare(short(queue)?, passive, FieldTable::default());
    let state = ask(session.limit(), || format!("look at queue {queue:?}"), declaration).await?;
    channel.close().await;
    Ok(u64::from(state.message_count()))
}
