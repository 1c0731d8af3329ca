//! The rules of the run loop, against a broker in memory. Time is paused: what waits for a clock waits for nothing.

mod cancels;
mod endings;
mod fake;
mod jobs;
mod leases;
mod limits;
mod outages;
mod pauses;
mod permits;
mod unfit;

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use drover_broker::{Broker, Settle};
use drover_protocol::{JobEvent, JobEventKind, JobMessage, WorkerEventKind};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

use crate::{LogLevel, Worker, WorkerSection, job_log_layer};
use fake::FakeBroker;
use jobs::{Act, Probe, Work};

/// A worker with one job type, `work`, on a fake broker.
struct Scene {
    broker: Arc<FakeBroker>,
    probe: Arc<Probe>,
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
}

fn section() -> WorkerSection {
    WorkerSection { concurrency: 2, ..WorkerSection::default() }
}

impl Scene {
    fn start() -> Self {
        Self::start_with(FakeBroker::new(), section())
    }

    fn start_with(broker: Arc<FakeBroker>, section: WorkerSection) -> Self {
        // For all tests and before any of them logs: a subscriber that comes later may miss what is being registered.
        static LOGS: Once = Once::new();
        LOGS.call_once(|| {
            let subscriber = tracing_subscriber::registry().with(job_log_layer(LogLevel::Info));
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let probe = Arc::new(Probe::default());
        let worker =
            Worker::builder("test").version("1").job(Work(Arc::clone(&probe))).settings(section).build().unwrap();
        let shutdown = CancellationToken::new();
        let run = worker.run(Arc::clone(&broker) as Arc<dyn Broker>, shutdown.clone());
        Self { broker, probe, shutdown, worker: tokio::spawn(run) }
    }

    /// Submits a job.
    fn submit(&self, act: Act) -> JobMessage {
        let message = jobs::message(act);
        self.broker.submit(&message);
        message
    }

    /// Submits a job and waits until its handler runs.
    async fn running(&self, act: Act) -> JobMessage {
        let message = self.submit(act);
        self.probe.until_running(&message).await;
        message
    }

    /// Waits for the last event of a job; gives all events of that job.
    async fn ended(&self, job: &JobMessage) -> Vec<JobEvent> {
        let last = |event: &JobEvent| {
            event.job_id == job.id && (event.kind.is_terminal() || matches!(event.kind, JobEventKind::Released { .. }))
        };
        let mut events = self.broker.events_until("the job's last event", last).await;
        events.retain(|event| event.job_id == job.id);
        events
    }

    /// Stops the worker and waits until it has ended.
    async fn end(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap();
    }
}

fn names(events: &[JobEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_and_is_reported_and_acknowledged() {
    let scene = Scene::start();
    let job = scene.submit(Act::Return(7.into()));
    let events = scene.ended(&job).await;
    assert_eq!(names(&events), ["started", "completed"]);
    assert!(events[0].seq < events[1].seq);
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    assert_eq!(scene.broker.state().declared, None, "exchanges and queues are the orchestrator's");
    let broker = Arc::clone(&scene.broker);
    scene.end().await;
    let told = broker.state().worker_events.clone();
    assert!(
        matches!(told.first(), Some(WorkerEventKind::WorkerUp { types, .. }) if types[0].job_type.as_str() == "work")
    );
    assert_eq!(told.last(), Some(&WorkerEventKind::WorkerDown));
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_future_is_dropped_leaves_no_job_behind() {
    for act in [Act::StopOnCancel, Act::IgnoreCancel] {
        let scene = Scene::start();
        scene.running(act).await;
        scene.worker.abort();
        scene.probe.over.acquire().await.unwrap().forget();
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_job_sends_its_start_and_its_end_in_one_message() {
    let scene = Scene::start();
    let job = scene.submit(Act::Return(7.into()));
    scene.ended(&job).await;
    let messages =
        scene.broker.state().published.iter().filter(|message| message.routing_key == "drover.events").count();
    assert_eq!(messages, 1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_job_say_which_trace_it_is_part_of() {
    let scene = Scene::start();
    let place = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let job = jobs::message(Act::Return(7.into()));
    scene.broker.submit_within(&job, place);
    scene.ended(&job).await;
    let headers = |state: &fake::State| {
        let events = state.published.iter().filter(|message| message.routing_key == "drover.events");
        events.map(|message| message.properties.headers.get("traceparent").cloned()).collect::<Vec<_>>()
    };
    // Nobody here listens: it stays at the job's span.
    assert_eq!(headers(&scene.broker.state()), [Some(place.to_owned())]);
    let other = scene.submit(Act::Return(7.into()));
    scene.ended(&other).await;
    assert_eq!(headers(&scene.broker.state()).last(), Some(&None));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_goes_to_the_dead_letters_and_harms_nothing_else() {
    let scene = Scene::start();
    scene.broker.put("drover.jobs.work", "m1", b"no json".to_vec());
    let mut other = jobs::message(Act::Return(1.into()));
    other.job_type = "other".parse().unwrap();
    let body = serde_json::to_vec(&other).unwrap();
    scene.broker.put("drover.jobs.work", "m2", body);
    let job = scene.submit(Act::Return(7.into()));
    scene.ended(&job).await;
    assert_eq!(scene.broker.settled("m1").await, Settle::DeadLetter);
    assert_eq!(scene.broker.settled("m2").await, Settle::DeadLetter);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_is_not_started() {
    let scene = Scene::start();
    let mut job = jobs::message(Act::Return(7.into()));
    job.deadline = Some(chrono::Utc::now() - chrono::TimeDelta::seconds(1));
    scene.broker.submit(&job);
    let events = scene.ended(&job).await;
    assert_eq!(names(&events), ["failed"]);
    assert!(
        matches!(&events[0].kind, JobEventKind::Failed { error, .. } if error.kind == "deadline" && !error.retryable)
    );
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&job));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_starts_nothing_again() {
    let scene = Scene::start();
    let job = scene.running(Act::Gate).await;
    scene.broker.settled(job.id).await;
    scene.broker.submit(&job);
    scene.broker.until("it is settled twice", |state| (state.settled.len() == 2).then_some(())).await;
    scene.probe.gate.add_permits(1);
    scene.ended(&job).await;
    scene.broker.submit(&job);
    scene.broker.until("it is settled a third time", |state| (state.settled.len() == 3).then_some(())).await;
    assert!(scene.broker.state().settled.iter().all(|(_, how)| *how == Settle::Ack));
    assert_eq!(scene.probe.runs(&job), 1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_consumed_before_the_welcome() {
    let broker = FakeBroker::new();
    broker.change(|state| state.welcome = None);
    let scene = Scene::start_with(Arc::clone(&broker), section());
    let job = scene.submit(Act::Return(7.into()));
    let ups = |state: &fake::State| (state.worker_events.len() >= 3).then_some(());
    scene.broker.until("worker_up is repeated", ups).await;
    assert_eq!(scene.broker.state().waiting("drover.jobs.work"), 1);
    scene.broker.change(|state| state.welcome = Some(Vec::new()));
    scene.ended(&job).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_jobs_finish_and_gives_back_what_was_not_begun() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 1, ..section() });
    let job = scene.running(Act::Gate).await;
    let waiting = scene.submit(Act::Return(1.into()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.shutdown.cancel();
    assert_eq!(scene.broker.settled(waiting.id).await, Settle::GiveBack);
    scene
        .broker
        .until("the heartbeat says so", |state| match state.heartbeat() {
            Some(WorkerEventKind::WorkerHeartbeat { draining: true, .. }) => Some(()),
            _ => None,
        })
        .await;
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    let broker = Arc::clone(&scene.broker);
    scene.end().await;
    assert_eq!(broker.state().waiting("drover.jobs.work"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_finish_in_the_time_to_drain_is_released() {
    let scene = Scene::start();
    let stubborn = scene.running(Act::IgnoreCancel).await;
    let polite = scene.running(Act::StopOnCancel).await;
    let broker = Arc::clone(&scene.broker);
    let begun = tokio::time::Instant::now();
    scene.end().await;
    let took = begun.elapsed();
    assert!((Duration::from_secs(40)..Duration::from_secs(42)).contains(&took), "drain and grace: {took:?}");
    for job in [stubborn, polite] {
        let events: Vec<_> = broker.state().events.clone().into_iter().filter(|event| event.job_id == job.id).collect();
        let names = names(&events);
        assert_eq!((names.first(), names.last()), (Some(&"started"), Some(&"released")), "{names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_acks_on_their_way() {
    let scene = Scene::start();
    scene.broker.change(|state| state.settling = Duration::from_secs(3));
    let job = scene.submit(Act::Return(1.into()));
    scene.ended(&job).await;
    // Everything is confirmed by now, and the ack still under way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(scene.broker.state().settled.is_empty());
    let broker = Arc::clone(&scene.broker);
    scene.end().await;
    let state = broker.state();
    assert_eq!(state.waiting("drover.jobs.work"), 0, "a job that is done must not come again");
    assert_eq!(state.settled, [(job.id.to_string(), Settle::Ack)]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_right_after_a_job_with_progress_waits_for_nothing() {
    let scene = Scene::start();
    // Its last report waits for its turn when the end, which carries it, is confirmed.
    let job = scene.submit(Act::Progress { reports: 20, every_millis: 1 });
    scene.ended(&job).await;
    scene.broker.settled(job.id).await;
    let begun = tokio::time::Instant::now();
    scene.end().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn progress_is_merged_and_paced() {
    let scene = Scene::start();
    let job = scene.running(Act::Progress { reports: 1_000, every_millis: 1 }).await;
    let events = scene.ended(&job).await;
    let reports: Vec<_> = events.iter().filter(|event| event.kind.name() == "progress").collect();
    assert!((3..=6).contains(&reports.len()), "a second of reports at four per second: {}", reports.len());
    let Some(JobEventKind::Completed { progress: Some(progress), .. }) = events.last().map(|event| &event.kind) else {
        panic!("completed with its progress: {events:?}");
    };
    assert_eq!((progress.processed, progress.total), (Some(1_000), Some(1_000)));
    assert_eq!(progress.message.as_deref(), Some("at it"), "a field that was not reported again is kept");
    scene.end().await;
}
