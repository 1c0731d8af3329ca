//! The orchestrator's desk: submits, welcomes, listens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use drover_broker::{
    Broker, Deliveries, Properties, Publication, Settle, Topology,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_protocol::{
    Control, JobEvent, JobEventKind, JobId, JobMessage, JobType, MessageType, Names, WorkerEvent, WorkerEventKind,
    decode, decode_one_or_many, encode, limits::MESSAGE_BYTES,
};
use drover_tests::{Vhost, wait, wait::Seen};
use drover_worker::{Job, JobContext, JobFailure, Outcome, Worker, WorkerSection};
use serde_json::Value;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Desk {
    vhost: Vhost,
    broker: Arc<AmqpBroker>,
    events: Box<dyn Deliveries>,
    heartbeats: Box<dyn Deliveries>,
    pub(crate) job_events: Vec<JobEvent>,
    pub(crate) worker_events: Vec<WorkerEventKind>,
}

/// A worker at work.
pub(crate) struct AtWork {
    broker: Arc<AmqpBroker>,
    shutdown: CancellationToken,
    run: JoinHandle<()>,
}

impl AtWork {
    /// Tells it to end; [`AtWork::end`] then waits for that.
    pub(crate) fn shut_down(self) -> Self {
        self.shutdown.cancel();
        self
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        timeout(LIMIT, self.run).await.expect("the worker ends").unwrap();
        self.broker.close().await;
    }
}

async fn connect(vhost: &Vhost) -> Arc<AmqpBroker> {
    let mut config = AmqpConfig::new(vhost.url(), "drover");
    config.publish_timeout = Duration::from_secs(2);
    AmqpBroker::connect(config).await.unwrap()
}

impl Desk {
    pub(crate) async fn open() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let vhost = Vhost::create().await.unwrap();
        let broker = connect(&vhost).await;
        let names = Names::default();
        broker.declare(&Topology::base(&names)).await.unwrap();
        let types: Vec<JobType> = ["echo", "hold"].iter().map(|name| name.parse().unwrap()).collect();
        broker.declare(&Topology::job_queues(&names, &types)).await.unwrap();
        let events = broker.consume(&names.events_queue(), 100).await.unwrap();
        let heartbeats = broker.consume(&names.heartbeats_queue(), 100).await.unwrap();
        Self { vhost, broker, events, heartbeats, job_events: Vec::new(), worker_events: Vec::new() }
    }

    pub(crate) fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker) as Arc<dyn Broker>
    }

    /// Starts a worker and welcomes it.
    pub(crate) async fn worker(&mut self, echo: Echo, hold: Hold, section: WorkerSection) -> AtWork {
        let broker = connect(&self.vhost).await;
        let worker = Worker::builder("test").job(echo).job(hold).settings(section).build().unwrap();
        let shutdown = CancellationToken::new();
        let run = worker.run(Arc::clone(&broker) as Arc<dyn Broker>, shutdown.clone());
        let at_work = AtWork { broker, shutdown, run: tokio::spawn(run) };
        let ups = self.worker_events.len();
        while !self.worker_events[ups..].iter().any(|event| matches!(event, WorkerEventKind::WorkerUp { .. })) {
            self.hear().await;
        }
        at_work
    }

    pub(crate) fn message(job_type: &str, params: Value) -> JobMessage {
        let id = JobId(Uuid::now_v7());
        JobMessage {
            id,
            job_type: job_type.parse().unwrap(),
            attempt: 1,
            dispatch: 1,
            parent_id: None,
            root_id: id,
            step: None,
            params,
            timeout_seconds: None,
            deadline: None,
            idempotency_key: id.to_string(),
        }
    }

    pub(crate) async fn submit(&self, job_type: &str, params: Value) -> JobId {
        let message = Self::message(job_type, params);
        self.publish(&message).await;
        message.id
    }

    pub(crate) async fn publish(&self, message: &JobMessage) {
        let names = Names::default();
        let properties = Properties {
            message_id: Some(message.id.to_string()),
            reply_to: Some(names.events_queue()),
            ..Properties::default()
        };
        self.send(names.jobs_exchange(), message.job_type.to_string(), message, properties).await;
    }

    pub(crate) async fn tell(&self, control: &Control) {
        self.send(Names::default().control_exchange(), String::new(), control, Properties::default()).await;
    }

    async fn send<T: MessageType>(&self, exchange: String, routing_key: String, message: &T, properties: Properties) {
        let kind = Some(T::type_property());
        let body = encode(message, MESSAGE_BYTES).unwrap().into();
        let properties = Properties { kind, ..properties };
        let publication = Publication { exchange, routing_key, body, properties, mandatory: false };
        // The test breaks connections: what is not confirmed is sent again, as the relay would.
        for _ in 0..10 {
            if self.broker.publish(vec![publication.clone()]).await[0].is_ok() {
                return;
            }
        }
        panic!("never confirmed: {publication:?}");
    }

    /// Takes what comes next from the workers, and welcomes those that ask.
    pub(crate) async fn hear(&mut self) {
        let next = async {
            tokio::select! {
                Some(delivery) = self.events.next() => (true, delivery),
                Some(delivery) = self.heartbeats.next() => (false, delivery),
            }
        };
        let (is_job, delivery) = timeout(LIMIT, next).await.expect("nothing comes any more");
        let kind = delivery.properties.kind.as_deref();
        if is_job {
            let events = decode_one_or_many::<JobEvent>(kind, &delivery.body, MESSAGE_BYTES).unwrap();
            self.job_events.extend(events.into_iter().map(Result::unwrap));
            self.events.settle(delivery.tag, Settle::Ack).await;
            return;
        }
        let event = decode::<WorkerEvent>(kind, &delivery.body, MESSAGE_BYTES).unwrap();
        self.heartbeats.settle(delivery.tag, Settle::Ack).await;
        if let (WorkerEventKind::WorkerUp { .. }, Some(queue)) = (&event.kind, delivery.properties.reply_to) {
            let welcome = Control::Welcome {
                worker_session: event.worker_session,
                cancelled: Vec::new(),
                controls: Default::default(),
                paused: None,
                lease_seconds: 4.0,
            };
            self.send(String::new(), queue, &welcome, Properties::default()).await;
        }
        self.worker_events.push(event.kind);
    }

    /// Waits for the job's end; gives its events in the order of their seq, each once.
    pub(crate) async fn ended(&mut self, job: JobId) -> Vec<JobEvent> {
        let last = |event: &JobEvent| event.kind.is_terminal() || matches!(event.kind, JobEventKind::Released { .. });
        while !self.job_events.iter().any(|event| event.job_id == job && last(event)) {
            self.hear().await;
        }
        let mut events: Vec<_> = self.job_events.iter().filter(|event| event.job_id == job).cloned().collect();
        events.sort_by_key(|event| event.seq);
        events.dedup_by_key(|event| event.seq);
        events
    }

    /// Waits for an event of a worker.
    pub(crate) async fn until_worker(&mut self, found: impl Fn(&WorkerEventKind) -> bool) {
        while !self.worker_events.iter().any(&found) {
            self.hear().await;
        }
    }

    /// How many messages the queue holds, delivered ones included.
    pub(crate) async fn left_over(&mut self, queue: &str) -> u64 {
        // What the workers said until now; their farewell is the last.
        self.until_worker(|event| *event == WorkerEventKind::WorkerDown).await;
        self.broker.depth(queue).await.unwrap().unwrap()
    }

    /// Closes every connection of the vhost from the broker's side.
    pub(crate) async fn break_connections(&self) {
        let management = self.vhost.management().clone();
        let path = format!("vhosts/{}/connections", self.vhost.name());
        wait::until("connections to break", LIMIT, async || {
            let connections = management.get(&path).await?;
            let names: Vec<String> = connections
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|connection| connection["name"].as_str().map(str::to_owned))
                .collect();
            // The management page learns of connections some seconds late.
            if names.len() < 4 {
                return Ok(Seen::not_yet(format!("{} connections", names.len())));
            }
            for name in names {
                let name = name.replace(' ', "%20").replace('>', "%3E");
                management.delete(&format!("connections/{name}")).await?;
            }
            Ok(Seen::Yes(()))
        })
        .await
        .unwrap();
    }
}

/// Gives back what it gets, and sends three copies of it as a list.
pub(crate) struct Echo;

#[async_trait]
impl Job for Echo {
    const TYPE: &'static str = "echo";
    const TITLE: &'static str = "Echo";
    type Params = Value;
    type Result = Value;

    async fn run(&self, ctx: &JobContext, params: Value) -> Result<Outcome<Value>, JobFailure> {
        ctx.percent(50.0);
        ctx.items("copies", [&params, &params, &params]).await?;
        Ok(params.into())
    }
}

/// Runs until the test lets it go.
#[derive(Clone)]
pub(crate) struct Hold {
    begun: Arc<AtomicUsize>,
    changed: Arc<Notify>,
    gate: Arc<Semaphore>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { begun: Arc::default(), changed: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl Hold {
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self, jobs: usize) {
        self.gate.add_permits(jobs);
    }

    pub(crate) async fn until_begun(&self, jobs: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.begun() >= jobs {
                return;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Job for Hold {
    const TYPE: &'static str = "hold";
    const TITLE: &'static str = "Hold";
    type Params = Value;
    type Result = Value;

    async fn run(&self, _: &JobContext, params: Value) -> Result<Outcome<Value>, JobFailure> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.gate.acquire().await?.forget();
        Ok(params.into())
    }
}
