//! The epoch: a name for the broker's data, kept by the broker itself.
//!
//! A quorum queue of its own holds one persistent message, the sentinel, whose body is the epoch. It is read by getting
//! it and giving it back, so for a moment it is invisible to others. A reader that finds the queue empty must
//! therefore not conclude that the data is gone; hence a lock: an exclusive queue, which RabbitMQ lets one connection
//! have at a time and takes away when that connection ends. Who holds the lock is alone with the sentinel and creates
//! it if there is none. Should there be two all the same (a process froze while it held the lock, and woke up), all
//! readers keep the smaller one, which is the older, and remove the other.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    channel::OpenChannel,
    declare::declare_quorum_queue,
    fault::{Fault, NOT_FOUND, RESOURCE_LOCKED, ask, short},
    publisher::Publisher,
    session::Session,
};
use crate::{Properties, Publication};

/// Every reading counts as a delivery up to RabbitMQ 4.2, and the sentinel must survive them all.
const DELIVERY_LIMIT: i32 = i32::MAX;
/// How long a lock holder waits for a sentinel that is not there: the broker may not have taken it back yet from a
/// reader that crashed.
const CRASHED_READER_GRACE: Duration = Duration::from_secs(2);
/// Between two tries for the lock, which is held for some milliseconds.
const RETRY_DELAY: Duration = Duration::from_millis(25);

/// Reads the epoch, and makes one if there is none. Readers on one connection must come one by one: they share the lock.
///
/// A task of its own, so that the lock is given back even if the caller goes.
pub(super) async fn read(session: Arc<Session>, publisher: Arc<Publisher>, prefix: String) -> Result<String, Fault> {
    tokio::spawn(async move {
        let queue = format!("{prefix}.epoch");
        let lock = format!("{queue}.lock");
        let channel = acquire(&session, &lock).await?;
        let epoch = read_locked(&session, &publisher, &queue).await;
        release(channel, &lock).await?;
        epoch
    })
    .await
    .unwrap_or_else(|panic| Err(Fault::lost(panic)))
}

async fn read_locked(session: &Arc<Session>, publisher: &Publisher, queue: &str) -> Result<String, Fault> {
    let existed = exists(session, queue).await?;
    let channel = session.channel().await?;
    if !existed {
        declare_quorum_queue(session, &channel, queue, DELIVERY_LIMIT, None).await?;
    }
    let epoch = match wait_for_sentinel(&channel, session.limit(), queue, existed).await? {
        Some(epoch) => epoch,
        None => create_sentinel(publisher, queue).await?,
    };
    channel.close().await;
    Ok(epoch)
}

/// Declares the exclusive queue; the lock is held until it is deleted or the connection ends.
async fn acquire(session: &Arc<Session>, name: &str) -> Result<OpenChannel, Fault> {
    // Half of it, so that the reason is told before the call's own time is up.
    let until = Instant::now() + session.limit() / 2;
    while Instant::now() < until {
        let channel = session.channel().await?;
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let declare = channel.queue_declare(short(name)?, options, arguments);
        match ask(session.limit(), || format!("lock {name:?}"), declare).await {
            Ok(_) => return Ok(channel),
            Err(fault) if fault.has_code(RESOURCE_LOCKED) => sleep(RETRY_DELAY).await,
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::lost("another process reads the broker's epoch and does not come to an end"))
}

async fn release(channel: OpenChannel, name: &str) -> Result<(), Fault> {
    let delete = channel.queue_delete(short(name)?, QueueDeleteOptions::default());
    ask(channel.session().limit(), || format!("unlock {name:?}"), delete).await?;
    channel.close().await;
    Ok(())
}

async fn exists(session: &Arc<Session>, queue: &str) -> Result<bool, Fault> {
    match super::passive_depth(session, queue).await {
        Ok(_) => Ok(true),
        Err(fault) if fault.has_code(NOT_FOUND) => Ok(false),
        Err(fault) => Err(fault),
    }
}

async fn wait_for_sentinel(
    channel: &Channel,
    limit: Duration,
    queue: &str,
    existed: bool,
) -> Result<Option<String>, Fault> {
    let mut patience = if existed { CRASHED_READER_GRACE } else { Duration::ZERO };
    loop {
        let found = get_sentinel(channel, limit, queue).await?;
        if found.is_some() || patience.is_zero() {
            return Ok(found);
        }
        sleep(RETRY_DELAY).await;
        patience = patience.saturating_sub(RETRY_DELAY);
    }
}

/// Gets the sentinel and gives it back; of several, the smallest.
async fn get_sentinel(channel: &Channel, limit: Duration, queue: &str) -> Result<Option<String>, Fault> {
    let action = || format!("read {queue:?}");
    let mut kept: Option<(String, BasicGetMessage)> = None;
    while let Some(message) = ask(limit, action, channel.basic_get(short(queue)?, BasicGetOptions::default())).await? {
        let epoch = String::from_utf8_lossy(&message.data).into_owned();
        let surplus = match kept.take() {
            Some((first, other)) if first <= epoch => {
                kept = Some((first, other));
                Some(message)
            }
            other => {
                kept = Some((epoch, message));
                other.map(|(_, message)| message)
            }
        };
        if let Some(surplus) = surplus {
            ask(limit, action, surplus.ack(BasicAckOptions::default())).await?;
        }
    }
    let Some((epoch, message)) = kept else { return Ok(None) };
    let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    ask(limit, action, message.nack(requeue)).await?;
    Ok(Some(epoch))
}

async fn create_sentinel(publisher: &Publisher, queue: &str) -> Result<String, Fault> {
    // Version 7: the older one is the smaller one.
    let epoch = Uuid::now_v7().to_string();
    let sentinel = Publication {
        exchange: String::new(),
        routing_key: queue.to_owned(),
        body: Bytes::from(epoch.clone()),
        properties: Properties { content_type: Some("text/plain".to_owned()), ..Properties::default() },
        mandatory: true,
    };
    for outcome in publisher.publish(vec![sentinel]).await {
        // Whether it is there or not, the next reading shows.
        outcome.map_err(Fault::lost)?;
    }
    tracing::info!(epoch, "the broker's data has a new epoch");
    Ok(epoch)
}
