//! A subscription to a queue: its channel, and what was delivered on it and is not settled.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use drover_service::retry::Backoff;
use futures_util::{StreamExt, future::try_join_all};
use lapin::{
    Channel, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    channel::OpenChannel,
    declare::Declared,
    fault::{Fault, NOT_FOUND, ask, short},
    link::Link,
    session::Session,
};
use crate::{BrokerError, Settle, Tag};

/// What stays the same through all connections, and the state that settling needs.
pub(super) struct Subscription {
    link: Arc<Link>,
    declared: Arc<Declared>,
    queue: String,
    prefetch: u16,
    /// The broker is being closed.
    pub(super) closing: CancellationToken,
    state: Mutex<State>,
    /// Held while a settlement is sent: one that acknowledges several must not overtake another one's.
    sending: tokio::sync::Mutex<()>,
}

struct State {
    /// Counts the channels; part of every tag, so that a tag of an older one is known.
    session: u64,
    channel: Option<Arc<OpenChannel>>,
    /// Handed out and not settled. Settling a tag twice would cost the channel.
    unsettled: BTreeSet<u64>,
    /// Done with, and not acknowledged yet.
    acks: BTreeSet<u64>,
    backoff: Backoff,
}

impl State {
    /// What waits to be acknowledged: through which tag all of it is, and the others, which are above one at work.
    fn take_acks(&mut self) -> (Option<u64>, BTreeSet<u64>) {
        let first_at_work = self.unsettled.first().copied().unwrap_or(u64::MAX);
        let others = self.acks.split_off(&first_at_work);
        let through = std::mem::take(&mut self.acks).last().copied();
        (through, others)
    }
}

/// A consumer at work.
pub(super) struct Subscribed {
    pub(super) consumer: Consumer,
    pub(super) session: Arc<Session>,
}

impl Subscription {
    pub(super) fn new(
        link: Arc<Link>,
        declared: Arc<Declared>,
        queue: String,
        prefetch: u16,
        closing: CancellationToken,
    ) -> Arc<Self> {
        let state = State {
            session: 0,
            channel: None,
            unsettled: BTreeSet::new(),
            acks: BTreeSet::new(),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
        };
        // To the broker, 0 means no limit.
        let prefetch = prefetch.max(1);
        Arc::new(Self {
            link,
            declared,
            queue,
            prefetch,
            closing,
            state: Mutex::new(state),
            sending: Default::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self) -> Duration {
        self.link.limit()
    }

    /// The broker could not be reached in the time for a call.
    pub(super) fn unreachable(&self) -> BrokerError {
        self.link.unreachable(self.limit(), self.link.reason())
    }

    pub(super) fn has_channel(&self) -> bool {
        self.state().channel.is_some()
    }

    /// Whether what is delivered can still be settled.
    pub(super) fn is_open(&self) -> bool {
        self.state().channel.as_ref().is_some_and(|channel| channel.is_open())
    }

    /// Whether nothing that was handed out waits to be settled.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.state();
        state.unsettled.is_empty() && state.acks.is_empty()
    }

    /// Notes that a delivery is with the caller.
    pub(super) fn hand_out(&self, number: u64) -> Tag {
        let mut state = self.state();
        state.unsettled.insert(number);
        Tag { session: state.session, number }
    }

    /// Closes the channel: the broker takes back everything that came on it.
    pub(super) fn drop_channel(&self, error: Option<&lapin::Error>) {
        let channel = {
            let mut state = self.state();
            state.unsettled.clear();
            state.acks.clear();
            state.channel.take()
        };
        // A lost connection is reported once, by the link; a channel that the broker closed (an acknowledgement that took
        // too long, for example) by nobody else.
        let refused = error.map(|error| Fault::new(error, || "consume".to_owned()));
        if let (Some(_), Some(Fault::Refused { reason, .. })) = (channel, refused) {
            tracing::warn!(queue = self.queue, reason, "the broker ended the subscription; it is made again");
        }
    }

    /// The channel to settle this tag on, and the tag is settled herewith.
    fn claim(&self, tag: Tag) -> Option<Arc<OpenChannel>> {
        let mut state = self.state();
        let known = state.session == tag.session && state.unsettled.remove(&tag.number);
        state.channel.clone().filter(|_| known)
    }

    /// See [`crate::Deliveries::settle`].
    pub(super) async fn settle(&self, tag: Tag, how: Settle) -> bool {
        if how == Settle::Ack {
            return self.ack(tag).await;
        }
        let _sending = self.sending.lock().await;
        let Some(channel) = self.claim(tag) else { return false };
        send_settlement(&channel, tag.number, how, self.limit()).await.is_ok()
    }

    /// Acknowledges a delivery, together with what else comes to be acknowledged while another acknowledgement is sent: each
    /// frame costs a quorum queue an entry of its log.
    async fn ack(&self, tag: Tag) -> bool {
        {
            let mut state = self.state();
            if state.session != tag.session || !state.unsettled.remove(&tag.number) {
                return false;
            }
            state.acks.insert(tag.number);
        }
        let _sending = self.sending.lock().await;
        let (channel, (through, others)) = {
            let mut state = self.state();
            // A new channel knows nothing of the tag.
            let channel = state.channel.clone().filter(|_| state.session == tag.session);
            let Some(channel) = channel else { return false };
            (channel, state.take_acks())
        };
        let ack = |number, multiple| {
            let ack = channel.basic_ack(number, BasicAckOptions { multiple });
            ask(self.limit(), || "acknowledge".to_owned(), ack)
        };
        // Nothing at all: another one has sent it along. All of it is on its way at once, should nobody wait for the end.
        let all =
            through.map(|number| (number, true)).into_iter().chain(others.into_iter().map(|number| (number, false)));
        try_join_all(all.map(|(number, multiple)| ack(number, multiple))).await.is_ok()
    }

    /// See [`crate::Deliveries::ack_through`].
    pub(super) async fn ack_through(&self, tag: Tag) -> bool {
        let _sending = self.sending.lock().await;
        let (channel, number) = {
            let mut state = self.state();
            if state.session != tag.session {
                return false;
            }
            state.acks = state.acks.split_off(&(tag.number + 1));
            let later = state.unsettled.split_off(&(tag.number + 1));
            let settled = std::mem::replace(&mut state.unsettled, later);
            let (Some(channel), Some(highest)) = (state.channel.clone(), settled.last().copied()) else {
                return false;
            };
            (channel, highest)
        };
        let ack = channel.basic_ack(number, BasicAckOptions { multiple: true });
        ask(self.limit(), || "acknowledge".to_owned(), ack).await.is_ok()
    }

    /// Subscribes on a new channel of this session.
    pub(super) async fn subscribe(&self, session: Arc<Session>) -> Result<Subscribed, Fault> {
        let channel = session.channel().await?;
        // Per consumer: quorum queues know no limit per channel, and asking for one costs the connection.
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions { global: false });
        ask(session.limit(), || "limit the deliveries under way".to_owned(), qos).await?;
        let consumer = self.consume(&channel, session.limit()).await?;
        let mut state = self.state();
        state.session += 1;
        state.unsettled.clear();
        state.acks.clear();
        state.channel = Some(Arc::new(channel));
        Ok(Subscribed { consumer, session })
    }

    async fn consume(&self, channel: &Channel, limit: Duration) -> Result<Consumer, Fault> {
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(short(&self.queue)?, "".into(), options, FieldTable::default());
        ask(limit, || format!("consume queue {:?}", self.queue), consume).await
    }

    /// Subscribes on the channel that a pause left, if it is still there.
    async fn resubscribe(&self) -> Option<Subscribed> {
        let channel = self.state().channel.clone()?;
        if !channel.is_open() {
            self.drop_channel(None);
            return None;
        }
        let session = Arc::clone(channel.session());
        match self.consume(&channel, session.limit()).await {
            Ok(consumer) => Some(Subscribed { consumer, session }),
            Err(_) => {
                self.drop_channel(None);
                None
            }
        }
    }

    fn next_delay(&self) -> Duration {
        self.state().backoff.next()
    }
}

async fn send_settlement(channel: &Channel, number: u64, how: Settle, limit: Duration) -> Result<(), Fault> {
    let action = || "settle a delivery".to_owned();
    match how {
        Settle::Ack => ask(limit, action, channel.basic_ack(number, BasicAckOptions::default())).await,
        // From RabbitMQ 4.3 on a nack does not wear out the delivery limit, a reject does.
        Settle::GiveBack => {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            ask(limit, action, channel.basic_nack(number, options)).await
        }
        Settle::DeadLetter => {
            let options = BasicRejectOptions { requeue: false };
            ask(limit, action, channel.basic_reject(number, options)).await
        }
    }
}

/// Subscribes again, on the connection that is there or the next one, as long as it takes. `None`: closed.
///
/// `pause` is waited for first, so that what it gives back is not acknowledged with something later. `wait`: the last
/// subscription ended without a delivery, so do not hurry.
pub(super) async fn subscribe_again(
    subscription: Arc<Subscription>,
    pause: Option<JoinHandle<Result<(), BrokerError>>>,
    wait: bool,
) -> Option<Subscribed> {
    if let Some(pause) = pause {
        // A failed pause has dropped the channel.
        let _ = pause.await;
    }
    if let Some(subscribed) = subscription.resubscribe().await {
        return Some(subscribed);
    }
    if wait {
        sleep(subscription.next_delay()).await;
    } else {
        subscription.state().backoff.reset();
    }
    let mut reported = false;
    loop {
        let session = subscription.link.up().await?;
        let fault = match subscription.subscribe(Arc::clone(&session)).await {
            Ok(subscribed) => return Some(subscribed),
            Err(fault) => fault,
        };
        let queue = subscription.queue.as_str();
        if matches!(fault, Fault::Refused { .. }) && !reported {
            tracing::warn!(queue, reason = fault.reason(), "the queue cannot be consumed now");
            reported = true;
        }
        if fault.has_code(NOT_FOUND) {
            restore_queue(&subscription, &session).await;
        }
        sleep(subscription.next_delay()).await;
    }
}

/// How long after a queue's end it is declared again. RabbitMQ takes some 50 ms to tell all consumers of a deleted queue;
/// those that it has not told when the queue is there again are moved to it, and get nothing (seen with 3.10.8).
const RESTORE_DELAY: Duration = Duration::from_secs(1);

async fn restore_queue(subscription: &Subscription, session: &Arc<Session>) {
    sleep(RESTORE_DELAY).await;
    let queue = subscription.queue.as_str();
    if matches!(subscription.declared.restore_queue(session, queue).await, Ok(true)) {
        tracing::info!(queue, "the queue is declared again");
    }
}

/// Ends the consumer, and gives back what it received and did not hand out.
pub(super) async fn give_back(subscription: Arc<Subscription>, subscribed: Subscribed) -> Result<(), BrokerError> {
    let Some(channel) = subscription.state().channel.clone() else { return Ok(()) };
    let limit = subscription.limit();
    match cancel_and_give_back(&channel, subscribed.consumer, limit).await {
        Ok(()) => Ok(()),
        Err(fault) => {
            // Without the channel, everything goes back.
            subscription.drop_channel(None);
            Err(subscription.link.unreachable(limit, fault.reason().to_owned()))
        }
    }
}

async fn cancel_and_give_back(channel: &Channel, mut consumer: Consumer, limit: Duration) -> Result<(), Fault> {
    let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    ask(limit, || "end a subscription".to_owned(), cancel).await?;
    // The buffer ends with the cancellation, behind everything that was delivered.
    let mut buffered = Vec::new();
    while let Some(item) = consumer.next().await {
        buffered.push(item.map_err(Fault::lost)?.delivery_tag);
    }
    // One by one, since one for all would take what was handed out as well; together, since each waits for the socket.
    let each = buffered.iter().map(|number| send_settlement(channel, *number, Settle::GiveBack, limit));
    try_join_all(each).await?;
    Ok(())
}
