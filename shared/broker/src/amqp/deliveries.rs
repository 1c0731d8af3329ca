//! The stream of a queue's deliveries.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use lapin::{Consumer, message::Delivery as RawDelivery};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    convert::from_amqp,
    subscription::{Subscribed, Subscription, give_back, subscribe_again},
};
use crate::{BrokerError, Deliveries, Delivery, Settle, Settler, Tag};

/// Deliveries of one queue. Lost subscriptions are renewed from within `next`: a stream that nobody reads holds nothing.
pub(super) struct AmqpDeliveries {
    subscription: Arc<Subscription>,
    subscribed: Option<Subscribed>,
    /// Subscribing, kept here so that a `next` that is dropped half-way loses nothing.
    /// The mutex is never locked; it makes the stream `Sync`.
    subscribing: Mutex<Option<Subscribing>>,
    /// A pause under way; it goes on even if its caller does not wait.
    giving_back: Option<JoinHandle<Result<(), BrokerError>>>,
    paused: bool,
    /// Nothing was delivered yet since the last subscribing.
    fresh: bool,
    /// When the last delivery came or the subscription was made.
    active: Instant,
    /// See [`super::AmqpConfig::idle_renewal`].
    idle_renewal: Duration,
}

type Subscribing = BoxFuture<'static, Option<Subscribed>>;

impl AmqpDeliveries {
    /// The stream of a subscription that has just been made.
    pub(super) fn new(subscription: Arc<Subscription>, subscribed: Subscribed, idle_renewal: Duration) -> Self {
        Self {
            subscription,
            subscribed: Some(subscribed),
            subscribing: Mutex::new(None),
            giving_back: None,
            paused: false,
            fresh: true,
            active: Instant::now(),
            idle_renewal,
        }
    }

    /// Makes a subscription anew that may be a dead one. With deliveries to be settled it waits: they would be lost.
    fn renew(&mut self) {
        self.active = Instant::now();
        if self.subscription.is_settled() {
            // No sign of trouble: no delay.
            self.fresh = false;
            self.lose(None);
        }
    }

    /// `None`: it came on a channel that is closed, and is the broker's again. lapin hands out what it has of a dead connection
    /// before it says so, and another consumer may have it by now.
    fn hand_out(&mut self, raw: RawDelivery) -> Option<Delivery> {
        let is_over = self.subscribed.as_ref().is_none_or(|subscribed| subscribed.session.is_over());
        if is_over || !self.subscription.is_open() {
            self.give_up();
            return None;
        }
        self.fresh = false;
        self.active = Instant::now();
        let tag = self.subscription.hand_out(raw.delivery_tag);
        Some(from_amqp(raw, tag))
    }

    /// Passes over what is left of a closed channel, but for the reason that stands at its end.
    fn give_up(&mut self) {
        let mut reason = None;
        if let Some(Subscribed { consumer, .. }) = &mut self.subscribed {
            while let Some(Some(item)) = consumer.next().now_or_never() {
                reason = item.err().or(reason);
            }
        }
        self.lose(reason.as_ref());
    }

    /// The subscription ended: its channel goes, and with it the right to settle what it delivered.
    fn lose(&mut self, error: Option<&lapin::Error>) {
        self.subscribed = None;
        self.subscription.drop_channel(error);
    }

    fn subscribing(&mut self) -> &mut Option<Subscribing> {
        self.subscribing.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the subscription that is under way, or begins one.
    async fn subscribe(&mut self) -> Option<()> {
        if self.subscribing().is_none() {
            let subscription = Arc::clone(&self.subscription);
            let begun = subscribe_again(subscription, self.giving_back.take(), self.fresh).boxed();
            *self.subscribing() = Some(begun);
        }
        let subscribed = self.subscribing().as_mut()?.await;
        *self.subscribing() = None;
        self.subscribed = Some(subscribed?);
        self.fresh = true;
        self.active = Instant::now();
        Some(())
    }

    /// Ends a resume that is under way.
    async fn stop_subscribing(&mut self) {
        if self.subscribing().is_none() {
            return;
        }
        // On a new channel: whatever came on it goes back when it is dropped. On the old channel: what comes can only be
        // given back once the consumer is known.
        let limit = self.subscription.limit();
        if !self.subscription.has_channel() {
            *self.subscribing() = None;
        } else if timeout(limit, self.subscribe()).await.is_err() {
            *self.subscribing() = None;
            self.lose(None);
        }
    }
}

#[async_trait]
impl Deliveries for AmqpDeliveries {
    async fn next(&mut self) -> Option<Delivery> {
        let closing = self.subscription.closing.clone();
        while !closing.is_cancelled() {
            let idle_until = self.active + self.idle_renewal;
            let Some(Subscribed { consumer, session }) = &mut self.subscribed else {
                if self.paused {
                    closing.cancelled().await;
                } else {
                    closing.run_until_cancelled(self.subscribe()).await??;
                }
                continue;
            };
            let item = tokio::select! {
                biased;
                item = consumer.next() => item,
                () = session.over() => None,
                () = closing.cancelled() => return None,
                () = sleep_until(idle_until) => {
                    self.renew();
                    continue;
                }
            };
            match item {
                Some(Ok(raw)) => {
                    if let Some(delivery) = self.hand_out(raw) {
                        return Some(delivery);
                    }
                }
                Some(Err(error)) => self.lose(Some(&error)),
                None => self.lose(None),
            }
        }
        None
    }

    fn try_next(&mut self) -> Option<Delivery> {
        let Subscribed { consumer, .. } = self.subscribed.as_mut()?;
        match Consumer::next(consumer).now_or_never()? {
            Some(Ok(raw)) => self.hand_out(raw),
            Some(Err(error)) => {
                self.lose(Some(&error));
                None
            }
            None => {
                self.lose(None);
                None
            }
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        self.subscription.settle(tag, how).await
    }

    async fn ack_through(&self, tag: Tag) -> bool {
        self.subscription.ack_through(tag).await
    }

    fn settler(&self) -> Box<dyn Settler> {
        Box::new(AmqpSettler(Arc::clone(&self.subscription)))
    }

    async fn pause(&mut self) -> Result<(), BrokerError> {
        self.paused = true;
        self.stop_subscribing().await;
        if let Some(subscribed) = self.subscribed.take() {
            self.giving_back = Some(tokio::spawn(give_back(Arc::clone(&self.subscription), subscribed)));
        }
        let Some(task) = &mut self.giving_back else { return Ok(()) };
        let outcome = task.await;
        self.giving_back = None;
        outcome.unwrap_or(Err(BrokerError::Closed))
    }

    async fn resume(&mut self) -> Result<(), BrokerError> {
        self.paused = false;
        if self.subscribed.is_some() {
            return Ok(());
        }
        // A resume is no sign of trouble: no delay.
        self.fresh = false;
        let limit = self.subscription.limit();
        match timeout(limit, self.subscribe()).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(BrokerError::Closed),
            Err(_) => Err(self.subscription.unreachable()),
        }
    }
}

impl Drop for AmqpDeliveries {
    fn drop(&mut self) {
        self.subscription.drop_channel(None);
    }
}

struct AmqpSettler(Arc<Subscription>);

#[async_trait]
impl Settler for AmqpSettler {
    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        self.0.settle(tag, how).await
    }
}
