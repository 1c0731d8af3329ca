//! A broker in memory that a test can make slow, silent or forgetful, with an orchestrator's side to it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use drover_broker::{
    Broadcasts, Broker, BrokerError, Deliveries, Delivery, Heard, Properties, Publication, PublishError, Settle,
    Settler, Tag, Topology,
};
use drover_protocol::{
    Control, ControlId, JobEvent, JobMessage, MessageType, Names, PausedTypes, RunningJob, WorkerEvent,
    WorkerEventKind, decode, decode_one_or_many, encode, limits::MESSAGE_BYTES,
};
use tokio::sync::{Notify, mpsc};

/// How long a test waits for what must happen. With paused time it costs nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What becomes of publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publishing {
    /// They are confirmed.
    Confirm,
    /// They are refused.
    Fail,
    /// They wait until the mode changes.
    Hold,
}

pub(crate) struct FakeBroker {
    me: Weak<FakeBroker>,
    state: Mutex<State>,
    changed: Notify,
}

/// Publications of a kind.
pub(crate) type Matches = fn(&Publication) -> bool;

pub(crate) struct State {
    pub(crate) publishing: Publishing,
    /// These can never be sent.
    pub(crate) unfit: Matches,
    /// These are refused for now.
    pub(crate) refused: Matches,
    /// How long settling takes.
    pub(crate) settling: Duration,
    /// Whether `worker_up` is answered, and with which cancels.
    pub(crate) welcome: Option<Vec<RunningJob>>,
    pub(crate) controls: BTreeSet<ControlId>,
    /// Which types the welcome says are paused.
    pub(crate) paused: Option<PausedTypes>,
    pub(crate) lease_seconds: f64,
    pub(crate) published: Vec<Publication>,
    /// The events of jobs that were confirmed, without log lines.
    pub(crate) events: Vec<JobEvent>,
    /// The log lines that were confirmed.
    pub(crate) logs: Vec<JobEvent>,
    /// The worker's own events.
    pub(crate) worker_events: Vec<WorkerEventKind>,
    queues: HashMap<String, VecDeque<Delivery>>,
    unsettled: HashMap<Tag, (String, Delivery)>,
    pub(crate) settled: Vec<(String, Settle)>,
    pub(crate) pauses: usize,
    pub(crate) resumes: usize,
    pub(crate) consumes: Vec<(String, u16)>,
    pub(crate) declared: Option<Topology>,
    listeners: Vec<mpsc::UnboundedSender<Heard>>,
    next_tag: u64,
    closed: bool,
}

impl FakeBroker {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            publishing: Publishing::Confirm,
            unfit: |_| false,
            refused: |_| false,
            settling: Duration::ZERO,
            welcome: Some(Vec::new()),
            controls: BTreeSet::new(),
            paused: None,
            lease_seconds: 15.0,
            published: Vec::new(),
            events: Vec::new(),
            logs: Vec::new(),
            worker_events: Vec::new(),
            queues: HashMap::new(),
            unsettled: HashMap::new(),
            settled: Vec::new(),
            pauses: 0,
            resumes: 0,
            consumes: Vec::new(),
            declared: None,
            listeners: Vec::new(),
            next_tag: 0,
            closed: false,
        };
        Arc::new_cyclic(|me| Self { me: Weak::clone(me), state: Mutex::new(state), changed: Notify::new() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    /// Waits until the state gives something.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = look(&self.state()) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// Puts a job's message into the queue of its type.
    pub(crate) fn submit(&self, message: &JobMessage) {
        let body = encode(message, MESSAGE_BYTES).unwrap();
        self.put(&Names::default().jobs_queue(&message.job_type), &message.id.to_string(), body);
    }

    /// The same for a message that somebody else had and lost.
    pub(crate) fn submit_again(&self, message: &JobMessage) {
        self.submit(message);
        let queue = Names::default().jobs_queue(&message.job_type);
        self.change(|state| {
            let last = state.queues.get_mut(&queue).and_then(VecDeque::back_mut);
            last.unwrap().redelivered = true;
        });
    }

    /// The same for a job that is part of a trace.
    pub(crate) fn submit_within(&self, message: &JobMessage, traceparent: &str) {
        self.submit(message);
        let queue = Names::default().jobs_queue(&message.job_type);
        self.change(|state| {
            let last = state.queues.get_mut(&queue).and_then(VecDeque::back_mut).unwrap();
            last.properties.headers.insert("traceparent".into(), traceparent.into());
        });
    }

    /// Puts any bytes into a queue.
    pub(crate) fn put(&self, queue: &str, message_id: &str, body: Vec<u8>) {
        let properties = Properties {
            message_id: Some(message_id.to_owned()),
            kind: Some(JobMessage::type_property()),
            reply_to: Some(Names::default().events_queue()),
            ..Properties::default()
        };
        let delivery = Delivery {
            tag: Tag { session: 0, number: 0 },
            body: body.into(),
            properties,
            exchange: String::new(),
            routing_key: queue.to_owned(),
            redelivered: false,
        };
        self.change(|state| state.queues.entry(queue.to_owned()).or_default().push_back(delivery));
    }

    /// Tells all workers something.
    pub(crate) fn tell(&self, control: &Control) {
        self.change(|state| state.tell(control));
    }

    /// The workers' connections came back: they listen anew.
    pub(crate) fn reconnect(&self) {
        self.change(|state| {
            let heard = Heard::Listening { queue: "control-2".into() };
            state.listeners.retain(|listener| listener.send(heard.clone()).is_ok());
        });
    }

    /// The connection that delivered broke: what is unsettled comes again, and old tags settle nothing.
    pub(crate) fn lose_connection(&self) {
        self.change(|state| {
            for (_, (queue, mut delivery)) in state.unsettled.drain() {
                delivery.redelivered = true;
                state.queues.entry(queue).or_default().push_front(delivery);
            }
        });
    }

    /// Waits for an event of a job for which `last` holds; gives all events so far.
    pub(crate) async fn events_until(&self, what: &str, last: impl Fn(&JobEvent) -> bool) -> Vec<JobEvent> {
        self.until(what, |state| state.events.iter().any(&last).then(|| state.events.clone())).await
    }

    /// Waits until this message is settled, and says how.
    pub(crate) async fn settled(&self, message_id: impl ToString) -> Settle {
        let message_id = message_id.to_string();
        let of = |state: &State| state.settled.iter().find(|(id, _)| *id == message_id).map(|(_, how)| *how);
        self.until("a message is settled", of).await
    }
}

impl State {
    fn tell(&mut self, control: &Control) {
        let properties = Properties { kind: Some(Control::type_property()), ..Properties::default() };
        let message = Delivery {
            tag: Tag { session: 0, number: 0 },
            body: encode(control, MESSAGE_BYTES).unwrap().into(),
            properties,
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
        };
        self.listeners.retain(|listener| listener.send(Heard::Message(message.clone())).is_ok());
    }

    /// The last heartbeat.
    pub(crate) fn heartbeat(&self) -> Option<WorkerEventKind> {
        let is_heartbeat = |event: &WorkerEventKind| matches!(event, WorkerEventKind::WorkerHeartbeat { .. });
        self.worker_events.iter().rfind(|event| is_heartbeat(event)).cloned()
    }

    pub(crate) fn waiting(&self, queue: &str) -> usize {
        self.queues.get(queue).map_or(0, VecDeque::len)
    }

    fn settle(&mut self, tag: Tag, how: Settle) -> bool {
        let Some((queue, delivery)) = self.unsettled.remove(&tag) else { return false };
        let message_id = delivery.properties.message_id.clone().unwrap_or_default();
        self.settled.push((message_id, how));
        if how == Settle::GiveBack {
            self.queues.entry(queue).or_default().push_front(delivery);
        }
        true
    }

    fn deliver(&mut self, queue: &str, subscription: u64) -> Option<Delivery> {
        let mut delivery = self.queues.get_mut(queue)?.pop_front()?;
        self.next_tag += 1;
        delivery.tag = Tag { session: subscription, number: self.next_tag };
        self.unsettled.insert(delivery.tag, (queue.to_owned(), delivery.clone()));
        Some(delivery)
    }

    /// The broker has a message: what it says is noted, and what an orchestrator would answer at once is answered.
    fn take(&mut self, message: Publication) {
        let kind = message.properties.kind.as_deref();
        if kind == Some(&WorkerEvent::type_property()) {
            let event = decode::<WorkerEvent>(kind, &message.body, MESSAGE_BYTES).unwrap();
            self.answer(&event);
            self.worker_events.push(event.kind);
        } else {
            let events = decode_one_or_many::<JobEvent>(kind, &message.body, MESSAGE_BYTES).unwrap();
            let is_log = |event: &JobEvent| event.kind.name() == "log";
            let (logs, events) = events.into_iter().map(Result::unwrap).partition::<Vec<_>, _>(is_log);
            assert_eq!(
                message.routing_key == Names::default().logs_queue(),
                events.is_empty(),
                "logs have their queue"
            );
            self.logs.extend(logs);
            self.events.extend(events);
        }
        self.published.push(message);
    }

    fn answer(&mut self, event: &WorkerEvent) {
        if let WorkerEventKind::WorkerUp { .. } = event.kind
            && let Some(cancelled) = self.welcome.clone()
        {
            self.tell(&Control::Welcome {
                worker_session: event.worker_session,
                cancelled,
                controls: self.controls.clone(),
                paused: self.paused.clone(),
                lease_seconds: self.lease_seconds,
            });
        }
    }
}

#[async_trait]
impl Broker for FakeBroker {
    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        self.change(|state| state.declared = Some(topology.clone()));
        Ok(())
    }

    async fn publish(&self, publications: Vec<Publication>) -> Vec<Result<(), PublishError>> {
        let mode = |state: &State| (state.publishing != Publishing::Hold).then_some(state.publishing);
        let mode = self.until("publishing goes on", mode).await;
        let unconfirmed = || Err(PublishError::Unconfirmed { reason: "test".into() });
        if mode == Publishing::Fail {
            return publications.iter().map(|_| unconfirmed()).collect();
        }
        self.change(|state| {
            let take = |message: Publication| {
                if (state.unfit)(&message) {
                    return Err(PublishError::Unfit { reason: "it is too heavy".into() });
                }
                if (state.refused)(&message) {
                    return Err(PublishError::Rejected);
                }
                state.take(message);
                Ok(())
            };
            publications.into_iter().map(take).collect()
        })
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        let subscription = self.change(|state| {
            state.consumes.push((queue.to_owned(), prefetch));
            state.consumes.len() as u64
        });
        let broker = self.me.upgrade().unwrap();
        Ok(Box::new(FakeDeliveries { broker, subscription, queue: queue.to_owned(), prefetch, paused: false }))
    }

    async fn listen(&self, _: &str, _: &str) -> Result<Box<dyn Broadcasts>, BrokerError> {
        let (listener, heard) = mpsc::unbounded_channel();
        listener.send(Heard::Listening { queue: "control-1".into() }).unwrap();
        self.change(|state| state.listeners.push(listener));
        Ok(Box::new(FakeBroadcasts(heard)))
    }

    async fn depth(&self, queue: &str) -> Result<Option<u64>, BrokerError> {
        Ok(self.state().queues.get(queue).map(|queue| queue.len() as u64))
    }

    async fn epoch(&self) -> Result<String, BrokerError> {
        Ok("test".into())
    }

    async fn round_trip(&self) -> Result<u64, BrokerError> {
        Ok(0)
    }

    fn detection(&self) -> Duration {
        Duration::ZERO
    }

    fn is_ready(&self) -> bool {
        self.state().publishing == Publishing::Confirm
    }

    async fn close(&self) {
        self.change(|state| state.closed = true);
    }
}

struct FakeDeliveries {
    broker: Arc<FakeBroker>,
    subscription: u64,
    queue: String,
    prefetch: u16,
    paused: bool,
}

#[async_trait]
impl Deliveries for FakeDeliveries {
    async fn next(&mut self) -> Option<Delivery> {
        let broker = Arc::clone(&self.broker);
        loop {
            let changed = broker.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.broker.state().closed {
                return None;
            }
            if let Some(delivery) = self.try_next() {
                return Some(delivery);
            }
            changed.await;
        }
    }

    fn try_next(&mut self) -> Option<Delivery> {
        if self.paused {
            return None;
        }
        let mut state = self.broker.state();
        let unsettled = state.unsettled.values().filter(|(queue, _)| *queue == self.queue).count();
        if unsettled < usize::from(self.prefetch) { state.deliver(&self.queue, self.subscription) } else { None }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        self.broker.change(|state| state.settle(tag, how))
    }

    async fn ack_through(&self, tag: Tag) -> bool {
        self.broker.change(|state| {
            let mut tags: Vec<Tag> = state.unsettled.keys().copied().filter(|other| *other <= tag).collect();
            tags.sort();
            tags.into_iter().all(|tag| state.settle(tag, Settle::Ack))
        })
    }

    fn settler(&self) -> Box<dyn Settler> {
        Box::new(FakeSettler(Arc::clone(&self.broker)))
    }

    async fn pause(&mut self) -> Result<(), BrokerError> {
        self.paused = true;
        self.broker.change(|state| state.pauses += 1);
        Ok(())
    }

    async fn resume(&mut self) -> Result<(), BrokerError> {
        self.paused = false;
        self.broker.change(|state| state.resumes += 1);
        Ok(())
    }
}

impl Drop for FakeDeliveries {
    /// What is unsettled goes back, as the trait says.
    fn drop(&mut self) {
        self.broker.change(|state| {
            let tags: Vec<Tag> =
                state.unsettled.keys().copied().filter(|tag| tag.session == self.subscription).collect();
            for tag in tags {
                if let Some((queue, delivery)) = state.unsettled.remove(&tag) {
                    state.queues.entry(queue).or_default().push_front(delivery);
                }
            }
        });
    }
}

struct FakeSettler(Arc<FakeBroker>);

#[async_trait]
impl Settler for FakeSettler {
    async fn settle(&self, tag: Tag, how: Settle) -> bool {
        let settling = self.0.state().settling;
        if !settling.is_zero() {
            tokio::time::sleep(settling).await;
        }
        self.0.change(|state| state.settle(tag, how))
    }
}

struct FakeBroadcasts(mpsc::UnboundedReceiver<Heard>);

#[async_trait]
impl Broadcasts for FakeBroadcasts {
    async fn next(&mut self) -> Option<Heard> {
        self.0.recv().await
    }
}
