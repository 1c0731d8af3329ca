//! The stream of a queue's deliveries.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{sync::Notify, task::coop};

use super::{
    connection::{Kept, Stream},
    queue::{Queue, Taken},
    server::Server,
};
use crate::{BrokerError, Deliveries, Delivery, Settle, Settler, Tag};

/// A consumer of a queue, as its stream, its settlers and its connection share it.
pub(super) struct Subscription {
    server: Arc<Server>,
    queue: Arc<Queue>,
    /// The consumer's name in its queue, and the session of its tags.
    id: u64,
    changed: Arc<Notify>,
}

impl Subscription {
    /// Subscribes to a queue.
    pub(super) fn begin(server: &Arc<Server>, queue: &str, prefetch: u16) -> Result<Arc<Self>, BrokerError> {
        let queue = server.queue(queue)?;
        let (id, changed) = queue.subscribe(prefetch);
        Ok(Arc::new(Self { server: Arc::clone(server), queue, id, changed }))
    }

    fn settle(&self, tag: Tag, how: Settle) -> bool {
        if tag.session != self.id {
            return false;
        }
        let Some(dead) = self.queue.settle(self.id, tag.number, how) else { return false };
        self.server.bury(&self.queue, dead);
        true
    }
}

impl Stream for Subscription {
    fn end(&self) {
        let dead = self.queue.unsubscribe(self.id);
        self.server.bury(&self.queue, dead);
    }
}

/// Deliveries of one queue.
pub(super) struct MemoryDeliveries {
    subscription: Arc<Subscription>,
    /// Ends the subscription with the stream.
    _kept: Kept,
}

impl MemoryDeliveries {
    pub(super) const fn new(subscription: Arc<Subscription>, kept: Kept) -> Self {
        Self { subscription, _kept: kept }
    }

    fn take(&self) -> Taken {
        self.subscription.queue.take(self.subscription.id)
    }
}

#[async_trait]
impl Deliveries for MemoryDeliveries {
    async fn next(&mut self) -> Option<Delivery> {
        // Before anything is taken: here the future may be dropped, or have to let other tasks run.
        coop::consume_budget().await;
        loop {
            match self.take() {
                Taken::Delivery(delivery) => return Some(delivery),
                Taken::Ended => return None,
                // What comes between the look and the wait is not missed: it leaves a permit.
                Taken::Nothing => self.subscription.changed.notified().await,
            }
        }
    }

    fn try_next(&mut self) -> Option<Delivery> {
        match self.take() {
            Taken::Delivery(delivery) => Some(delivery),
            Taken::Nothing | Taken::Ended => None,
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        self.subscription.settle(tag, how)
    }

    async fn ack_through(&self, tag: Tag) -> bool {
        let Subscription { queue, id, .. } = &*self.subscription;
        tag.session == *id && queue.ack_through(*id, tag.number)
    }

    fn settler(&self) -> Box<dyn Settler> {
        Box::new(MemorySettler(Arc::clone(&self.subscription)))
    }

    async fn pause(&mut self) -> Result<(), BrokerError> {
        self.subscription.queue.pause(self.subscription.id);
        Ok(())
    }

    async fn resume(&mut self) -> Result<(), BrokerError> {
        if self.subscription.queue.resume(self.subscription.id) { Ok(()) } else { Err(BrokerError::Closed) }
    }
}

struct MemorySettler(Arc<Subscription>);

#[async_trait]
impl Settler for MemorySettler {
    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        self.0.settle(tag, how)
    }
}
