//! A worker on a real RabbitMQ, with a test in the orchestrator's place.
#![allow(clippy::unwrap_used, reason = "tests")]

mod desk;

use std::{sync::Arc, time::Duration};

use drover_broker::Broker;
use drover_protocol::{Control, ControlId, JobEventKind, RunningJob, WorkerEventKind};
use drover_worker::WorkerSection;
use uuid::Uuid;

use desk::{Desk, Echo, Hold};

#[tokio::test]
async fn a_job_goes_from_its_queue_to_its_end_and_leaves_nothing_behind() {
    let mut desk = Desk::open().await;
    let (echo, hold) = (Echo, Hold::default());
    let worker = desk.worker(echo, hold, WorkerSection::default()).await;
    let job = desk.submit("echo", 7.into()).await;
    let events = desk.ended(job).await;
    // Progress may travel by itself while the list waits for its confirm; the end carries it in any case.
    let names: Vec<_> = events.iter().map(|event| event.kind.name()).filter(|name| *name != "progress").collect();
    assert_eq!(names, ["started", "items", "completed"]);
    let Some(JobEventKind::Completed { result, items, progress, .. }) = events.last().map(|event| &event.kind) else {
        panic!("completed: {events:?}")
    };
    assert_eq!((result, items.get("copies")), (&7.into(), Some(&3)));
    assert_eq!(progress.as_ref().and_then(|progress| progress.percent), Some(50.0));
    worker.end().await;
    assert_eq!(desk.left_over("drover.jobs.echo").await, 0, "the job's message is acknowledged");
    assert_eq!(desk.worker_events.last(), Some(&WorkerEventKind::WorkerDown));
}

#[tokio::test]
async fn a_job_cancelled_before_its_message_came_never_runs() {
    let mut desk = Desk::open().await;
    let hold = Hold::default();
    let worker = desk.worker(Echo, hold.clone(), WorkerSection::default()).await;
    let job = Desk::message("hold", 1.into());
    let control_id = ControlId(Uuid::now_v7());
    let jobs = vec![RunningJob { job_id: job.id, dispatch: job.dispatch }];
    desk.tell(&Control::Cancel { control_id, jobs }).await;
    desk.until_worker(|event| match event {
        WorkerEventKind::WorkerHeartbeat { acknowledged, .. } => acknowledged.contains(&control_id),
        _ => false,
    })
    .await;
    desk.publish(&job).await;
    let next = desk.submit("hold", 2.into()).await;
    hold.until_begun(1).await;
    hold.open(1);
    desk.ended(next).await;
    assert_eq!(hold.begun(), 1, "the one behind it");
    assert!(desk.job_events.iter().all(|event| event.job_id == next), "{:?}", desk.job_events);
    worker.end().await;
}

#[tokio::test]
async fn a_broken_connection_runs_nothing_twice_and_loses_no_report() {
    let mut desk = Desk::open().await;
    let hold = Hold::default();
    let section = WorkerSection { concurrency: 8, ..WorkerSection::default() };
    let worker = desk.worker(Echo, hold.clone(), section).await;
    let mut jobs = Vec::new();
    for number in 0..8 {
        jobs.push(desk.submit("hold", number.into()).await);
    }
    hold.until_begun(8).await;
    desk.break_connections().await;
    hold.open(8);
    for job in jobs {
        let events = desk.ended(job).await;
        assert_eq!(events.last().map(|event| event.kind.name()), Some("completed"), "{events:?}");
    }
    // After the reconnect the worker asks to be welcomed again, and works on.
    let next = desk.submit("echo", 1.into()).await;
    desk.ended(next).await;
    assert_eq!(hold.begun(), 8);
    worker.end().await;
    assert_eq!(desk.left_over("drover.jobs.hold").await, 0);
}

#[tokio::test]
async fn a_full_worker_leaves_the_queue_to_an_idle_one() {
    let mut desk = Desk::open().await;
    let (full, idle) = (Hold::default(), Hold::default());
    let one = || WorkerSection { concurrency: 1, ..WorkerSection::default() };
    let first = desk.worker(Echo, full.clone(), one()).await;
    desk.submit("hold", 0.into()).await;
    full.until_begun(1).await;
    let waiting = desk.submit("hold", 1.into()).await;
    let second = desk.worker(Echo, idle.clone(), one()).await;
    tokio::time::timeout(Duration::from_secs(5), idle.until_begun(1)).await.expect("the idle worker gets it");
    full.open(1);
    idle.open(1);
    desk.ended(waiting).await;
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn what_was_not_begun_is_in_the_queue_again_after_a_shutdown() {
    let mut desk = Desk::open().await;
    let hold = Hold::default();
    let worker = desk.worker(Echo, hold.clone(), WorkerSection { concurrency: 2, ..WorkerSection::default() }).await;
    for number in 0..6 {
        desk.submit("hold", number.into()).await;
    }
    hold.until_begun(2).await;
    // First the shutdown: a job that ends before it makes room for another one.
    let ending = worker.shut_down();
    hold.open(2);
    ending.end().await;
    assert_eq!(hold.begun(), 2);
    assert_eq!(desk.left_over("drover.jobs.hold").await, 4);
    desk.until_worker(|event| *event == WorkerEventKind::WorkerDown).await;
    let broker: Arc<dyn Broker> = desk.broker();
    broker.close().await;
}
