//! Listening to an exchange.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use drover_service::retry::Backoff;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use lapin::{
    Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    channel::OpenChannel,
    convert::from_amqp,
    fault::{Fault, ask, short},
    link::Link,
    session::Session,
};
use crate::{Broadcasts, Heard, Tag};

/// How many messages the broker may send ahead of what the listener has read; the rest waits at the broker.
const PREFETCH: u16 = 256;

/// What a listener listens to, through all connections.
pub(super) struct Station {
    pub(super) link: Arc<Link>,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    /// Begins the names of the listeners' queues.
    pub(super) prefix: String,
    pub(super) closing: CancellationToken,
}

/// A listener on one connection.
pub(super) struct Ear {
    queue: String,
    /// The caller knows that it listens.
    announced: bool,
    consumer: Consumer,
    channel: OpenChannel,
}

/// A subscription to a broadcast that is renewed with each connection.
pub(super) struct AmqpBroadcasts {
    station: Arc<Station>,
    ear: Option<Ear>,
    /// Kept here so that a `next` that is dropped half-way loses nothing.
    opening: Option<BoxFuture<'static, Option<Ear>>>,
    sessions: u64,
}

impl AmqpBroadcasts {
    /// The stream of a listener that has just begun.
    pub(super) fn new(station: Arc<Station>, ear: Ear) -> Self {
        Self { station, ear: Some(ear), opening: None, sessions: 1 }
    }

    async fn open(&mut self) -> Option<()> {
        let opening = self.opening.get_or_insert_with(|| listen_again(Arc::clone(&self.station)).boxed());
        let ear = opening.await;
        self.opening = None;
        self.ear = Some(ear?);
        self.sessions += 1;
        Some(())
    }
}

#[async_trait]
impl Broadcasts for AmqpBroadcasts {
    async fn next(&mut self) -> Option<Heard> {
        let closing = self.station.closing.clone();
        while !closing.is_cancelled() {
            let Some(ear) = &mut self.ear else {
                closing.run_until_cancelled(self.open()).await??;
                continue;
            };
            if !ear.announced {
                ear.announced = true;
                return Some(Heard::Listening { queue: ear.queue.clone() });
            }
            let item = tokio::select! {
                biased;
                item = ear.consumer.next() => item,
                () = ear.channel.session().over() => None,
                () = closing.cancelled() => return None,
            };
            let Some(Ok(raw)) = item else {
                self.ear = None;
                continue;
            };
            // The first poll hands the frame over; waiting for the socket could lose the message to a dropped `next`.
            let _ = ear.channel.basic_ack(raw.delivery_tag, BasicAckOptions::default()).now_or_never();
            let tag = Tag { session: self.sessions, number: raw.delivery_tag };
            return Some(Heard::Message(from_amqp(raw, tag)));
        }
        None
    }
}

/// Listens on the connection that is there or the next one, as long as it takes. `None`: closed.
async fn listen_again(station: Arc<Station>) -> Option<Ear> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let mut reported = false;
    loop {
        let session = station.link.up().await?;
        let fault = match station.listen(&session).await {
            Ok(ear) => return Some(ear),
            Err(fault) => fault,
        };
        if matches!(fault, Fault::Refused { .. }) && !reported {
            tracing::warn!(exchange = station.exchange, reason = fault.reason(), "cannot listen to the exchange now");
            reported = true;
        }
        sleep(backoff.next()).await;
    }
}

impl Station {
    /// Listens on this connection, with a queue that goes with it.
    pub(super) async fn listen(&self, session: &Arc<Session>) -> Result<Ear, Fault> {
        let (exchange, limit) = (&self.exchange, session.limit());
        let action = || format!("listen to exchange {exchange:?}");
        let channel = session.channel().await?;
        // A new name each time: while a broken connection lingers at the broker, its exclusive queue does, too.
        let queue = format!("{}.listener.{}", self.prefix, Uuid::new_v4());
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        // Quorum queues cannot be exclusive, and a vhost may make them its default.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        ask(limit, action, channel.queue_declare(short(&queue)?, options, arguments)).await?;
        let bind = channel.queue_bind(
            short(&queue)?,
            short(exchange)?,
            short(&self.routing_key)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        ask(limit, action, bind).await?;
        ask(limit, action, channel.basic_qos(PREFETCH, BasicQosOptions { global: false })).await?;
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let consume = channel.basic_consume(short(&queue)?, "".into(), options, FieldTable::default());
        let consumer = ask(limit, action, consume).await?;
        Ok(Ear { queue, announced: false, consumer, channel })
    }
}
