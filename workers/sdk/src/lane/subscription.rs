//! A lane's hold on its queue: paused, resumed, and replaced when more or fewer messages are to be fetched ahead.

use std::{mem, sync::Arc, time::Duration};

use drover_broker::{Broker, Deliveries, Delivery, Settler};
use drover_service::retry::{Backoff, retry};
use tokio_util::sync::CancellationToken;

/// Delay before subscribing is tried again.
const RETRY_INITIAL: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Subscriptions that are kept until what they delivered is settled.
pub(crate) type Unsettled = Vec<Box<dyn Deliveries>>;

/// See the module.
pub(super) struct Subscription {
    broker: Arc<dyn Broker>,
    queue: String,
    deliveries: Box<dyn Deliveries>,
    settler: Arc<dyn Settler>,
    prefetch: u16,
    previous: Vec<Previous>,
}

/// One before: what was begun from it is still acknowledged there.
struct Previous {
    deliveries: Box<dyn Deliveries>,
    /// Every receipt of what it delivered has it, too.
    settler: Arc<dyn Settler>,
}

impl Previous {
    /// Whether something that it delivered is not settled yet: the broker would give it to others without it.
    fn is_needed(&self) -> bool {
        Arc::strong_count(&self.settler) > 1
    }
}

impl Subscription {
    /// Subscribes. `None`: `stop` came first.
    pub(super) async fn open(
        broker: Arc<dyn Broker>,
        queue: String,
        prefetch: u16,
        stop: &CancellationToken,
    ) -> Option<Self> {
        let deliveries = consume(broker.as_ref(), &queue, prefetch, stop).await?;
        let settler = deliveries.settler().into();
        Some(Self { broker, queue, deliveries, settler, prefetch, previous: Vec::new() })
    }

    pub(super) async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.next().await
    }

    pub(super) const fn settler(&self) -> &Arc<dyn Settler> {
        &self.settler
    }

    pub(super) const fn prefetch(&self) -> u16 {
        self.prefetch
    }

    /// Takes no more messages, and gives back those that were not looked at.
    pub(super) async fn pause(&mut self) {
        if let Err(error) = self.deliveries.pause().await {
            tracing::warn!(queue = self.queue, error = %error, "the queue could not be left in an orderly way");
        }
    }

    /// After a pause: takes messages again, so many ahead.
    pub(super) async fn restart(&mut self, prefetch: u16, stop: &CancellationToken) {
        if prefetch == self.prefetch {
            if let Err(error) = self.deliveries.resume().await {
                tracing::warn!(queue = self.queue, error = %error, "the queue is consumed with the next connection");
            }
            return;
        }
        let Some(deliveries) = consume(self.broker.as_ref(), &self.queue, prefetch, stop).await else { return };
        tracing::debug!(queue = self.queue, prefetch, "so many messages are fetched ahead now");
        let settler = mem::replace(&mut self.settler, deliveries.settler().into());
        let deliveries = mem::replace(&mut self.deliveries, deliveries);
        self.previous.push(Previous { deliveries, settler });
        self.previous.retain(Previous::is_needed);
        self.prefetch = prefetch;
    }

    pub(super) fn close(self) -> Unsettled {
        self.previous.into_iter().map(|previous| previous.deliveries).chain([self.deliveries]).collect()
    }
}

async fn consume(
    broker: &dyn Broker,
    queue: &str,
    prefetch: u16,
    stop: &CancellationToken,
) -> Option<Box<dyn Deliveries>> {
    let what = format!("consuming from {queue}");
    retry(&what, Backoff::new(RETRY_INITIAL, RETRY_MAX), stop, || broker.consume(queue, prefetch)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use drover_broker::{Properties, Publication, Queue, Settle, Topology, memory::MemoryBroker};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_subscription_is_kept_until_all_that_it_delivered_is_settled() {
        let broker = MemoryBroker::new();
        let queue = Queue { name: "jobs".into(), dead_letter_exchange: None };
        broker.declare(&Topology { queues: vec![queue], ..Topology::default() }).await.unwrap();
        let stop = CancellationToken::new();
        let shared = Arc::clone(&broker) as Arc<dyn Broker>;
        let mut subscription = Subscription::open(shared, "jobs".into(), 1, &stop).await.unwrap();
        let publication = Publication {
            exchange: String::new(),
            routing_key: "jobs".into(),
            body: "{}".into(),
            properties: Properties::default(),
            mandatory: true,
        };
        broker.publish(vec![publication]).await.remove(0).unwrap();
        let delivery = subscription.next().await.unwrap();
        let settler = Arc::clone(subscription.settler());
        for prefetch in [2, 4, 8] {
            subscription.pause().await;
            subscription.restart(prefetch, &stop).await;
        }
        assert_eq!(subscription.previous.len(), 1, "the others had delivered nothing");
        assert!(settler.settle(delivery.tag, Settle::Ack).await, "the broker still takes it from there");
        drop(settler);
        subscription.pause().await;
        subscription.restart(16, &stop).await;
        assert_eq!(subscription.previous.len(), 0);
    }
}
