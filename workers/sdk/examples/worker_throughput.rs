//! How many jobs that do nothing one worker runs per second, and what a progress report costs.
//!
//! On the servers of the tests, in a vhost of its own: `cargo run --release -p drover-worker --example worker_throughput --
//! [JOBS] [CONCURRENCY]`

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use drover_broker::{
    Broker, Deliveries, Properties, Publication, Topology,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_protocol::{
    Control, JobEvent, JobId, JobMessage, MessageType, Names, WorkerEvent, WorkerEventKind, decode, decode_one_or_many,
    encode, limits::MESSAGE_BYTES,
};
use drover_tests::Vhost;
use drover_worker::{Job, JobContext, JobFailure, Outcome, Worker, WorkerSection, testing};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Noop;

#[async_trait]
impl Job for Noop {
    const TYPE: &'static str = "noop";
    const TITLE: &'static str = "Nothing";
    type Params = ();
    type Result = ();

    async fn run(&self, _: &JobContext, (): ()) -> Result<Outcome<()>, JobFailure> {
        Ok(().into())
    }
}

/// Reports progress as often as it can.
struct Chatty;

const REPORTS: u32 = 1_000_000;

#[async_trait]
impl Job for Chatty {
    const TYPE: &'static str = "chatty";
    const TITLE: &'static str = "Chatty";
    type Params = ();
    type Result = u64;

    async fn run(&self, ctx: &JobContext, (): ()) -> Result<Outcome<u64>, JobFailure> {
        let begun = Instant::now();
        for done in 0..u64::from(REPORTS) {
            ctx.processed(done, u64::from(REPORTS));
        }
        let nanos = (begun.elapsed() / REPORTS).as_nanos();
        Ok(u64::try_from(nanos)?.into())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut arguments = env::args().skip(1);
    let jobs: usize = arguments.next().map_or(Ok(50_000), |text| text.parse())?;
    let concurrency: u32 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let vhost = Vhost::create().await?;
    let names = Names::default();
    let config = AmqpConfig::new(vhost.url(), names.prefix());

    let desk = AmqpBroker::connect(config.clone()).await?;
    desk.declare(&Topology::base(&names)).await?;
    let types = [Noop::TYPE.parse()?, Chatty::TYPE.parse()?];
    desk.declare(&Topology::job_queues(&names, &types)).await?;
    let began = Instant::now();
    publish(desk.as_ref(), &names, Noop::TYPE, jobs).await?;
    publish(desk.as_ref(), &names, Chatty::TYPE, 1).await?;
    report("published", jobs, began.elapsed());

    let broker = AmqpBroker::connect(config).await?;
    let section = WorkerSection { concurrency, ..WorkerSection::default() };
    let worker = Worker::builder("bench").job(Noop).job(Chatty).settings(section).build()?;
    let shutdown = CancellationToken::new();
    let run = tokio::spawn(worker.run(Arc::clone(&broker) as Arc<dyn Broker>, shutdown.clone()));
    welcome(desk.as_ref(), &names).await?;
    let began = Instant::now();
    let mut events = desk.consume(&names.events_queue(), 1_000).await?;
    let messages = ended(events.as_mut(), jobs + 1).await?;
    report("run", jobs, began.elapsed());
    eprintln!("in {messages} messages");
    let run_of_chatty = testing::run(Chatty, ()).await;
    eprintln!("{} ns per report when each is recorded, in a test", run_of_chatty.result::<u64>().unwrap_or_default());
    shutdown.cancel();
    run.await?;
    broker.close().await;
    desk.close().await;
    Ok(())
}

fn report(what: &str, jobs: usize, took: Duration) {
    let per_second = f64::from(u32::try_from(jobs).unwrap_or(u32::MAX)) / took.as_secs_f64();
    eprintln!("{what}: {jobs} jobs in {:.2} s, {per_second:.0}/s", took.as_secs_f64());
}

async fn publish(desk: &AmqpBroker, names: &Names, job_type: &str, jobs: usize) -> anyhow::Result<()> {
    let message = || -> anyhow::Result<Publication> {
        let id = JobId(Uuid::now_v7());
        let message = JobMessage {
            id,
            job_type: job_type.parse()?,
            attempt: 1,
            dispatch: 1,
            parent_id: None,
            root_id: id,
            step: None,
            params: serde_json::Value::Null,
            timeout_seconds: None,
            deadline: None,
            idempotency_key: id.to_string(),
        };
        let properties = Properties {
            message_id: Some(id.to_string()),
            kind: Some(JobMessage::type_property()),
            reply_to: Some(names.events_queue()),
            ..Properties::default()
        };
        let (exchange, body) = (names.jobs_exchange(), encode(&message, MESSAGE_BYTES)?.into());
        Ok(Publication { exchange, routing_key: job_type.to_owned(), body, properties, mandatory: true })
    };
    let messages = (0..jobs).map(|_| message()).collect::<anyhow::Result<Vec<_>>>()?;
    for outcome in desk.publish(messages).await {
        outcome?;
    }
    Ok(())
}

async fn welcome(desk: &AmqpBroker, names: &Names) -> anyhow::Result<()> {
    let mut heartbeats = desk.consume(&names.heartbeats_queue(), 10).await?;
    while let Some(delivery) = heartbeats.next().await {
        let event: WorkerEvent = decode(None, &delivery.body, MESSAGE_BYTES)?;
        if let (WorkerEventKind::WorkerUp { .. }, Some(queue)) = (event.kind, delivery.properties.reply_to) {
            let welcome = Control::Welcome {
                worker_session: event.worker_session,
                cancelled: Vec::new(),
                controls: std::collections::BTreeSet::new(),
                paused: None,
                lease_seconds: 15.0,
            };
            let (body, properties) = (encode(&welcome, MESSAGE_BYTES)?.into(), Properties::default());
            let publication =
                Publication { exchange: String::new(), routing_key: queue, body, properties, mandatory: true };
            for outcome in desk.publish(vec![publication]).await {
                outcome?;
            }
            return Ok(());
        }
    }
    anyhow::bail!("no worker came")
}

/// Waits until so many jobs have ended; gives in how many messages they said so.
async fn ended(events: &mut dyn Deliveries, jobs: usize) -> anyhow::Result<usize> {
    let (mut done, mut messages) = (0, 0);
    while done < jobs {
        let Some(delivery) = events.next().await else { anyhow::bail!("the broker closed") };
        for event in decode_one_or_many::<JobEvent>(None, &delivery.body, MESSAGE_BYTES)? {
            let event = event.map_err(|bad| anyhow::anyhow!("{bad}"))?;
            done += usize::from(event.kind.is_terminal());
            if let drover_protocol::JobEventKind::Completed { result, .. } = &event.kind
                && let Some(nanos) = result.as_u64()
            {
                eprintln!("{nanos} ns per progress report");
            }
        }
        messages += 1;
        events.ack_through(delivery.tag).await;
    }
    Ok(messages)
}
