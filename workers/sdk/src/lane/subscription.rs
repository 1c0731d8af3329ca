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
    /// The one before: what was begun from it is still acknowledged there. Its predecessor is long done.
    previous: Option<Box<dyn Deliveries>>,
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
        Some(Self { broker, queue, deliveries, settler, prefetch, previous: None })
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
        self.settler = deliveries.settler().into();
        self.previous = Some(mem::replace(&mut self.deliveries, deliveries));
        self.prefetch = prefetch;
    }

    pub(super) fn close(self) -> Unsettled {
        self.previous.into_iter().chain([self.deliveries]).collect()
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
