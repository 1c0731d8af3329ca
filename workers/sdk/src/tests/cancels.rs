//! Cancelled jobs stop, or never start.

use std::{sync::Arc, time::Duration};

use drover_broker::Settle;
use drover_protocol::{Control, ControlId, JobEventKind, JobMessage, RunningJob, WorkerEventKind};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Scene,
    fake::{FakeBroker, Publishing, State},
    jobs::{self, Act},
    names, section,
};
use crate::WorkerSection;

fn of(job: &JobMessage) -> RunningJob {
    RunningJob { job_id: job.id, dispatch: job.dispatch }
}

fn cancel(jobs: &[&JobMessage]) -> (ControlId, Control) {
    let control_id = ControlId(Uuid::now_v7());
    (control_id, Control::Cancel { control_id, jobs: jobs.iter().map(|job| of(job)).collect() })
}

fn of_job(scene: &Scene, job: &JobMessage) -> Vec<&'static str> {
    let mut events = scene.broker.state().events.clone();
    events.retain(|event| event.job_id == job.id);
    names(&events)
}

fn acknowledges(state: &State, id: ControlId) -> Option<Vec<RunningJob>> {
    match state.heartbeat() {
        Some(WorkerEventKind::WorkerHeartbeat { acknowledged, running, .. }) if acknowledged.contains(&id) => {
            Some(running)
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_told_and_its_partial_result_is_kept() {
    let scene = Scene::start();
    let job = scene.running(Act::StopOnCancel).await;
    let (id, control) = cancel(&[&job]);
    scene.broker.tell(&control);
    let events = scene.ended(&job).await;
    let JobEventKind::Cancelled { result, progress, .. } = &events.last().unwrap().kind else {
        panic!("cancelled: {events:?}");
    };
    assert_eq!(*result, Some("three of ten".into()));
    assert_eq!(progress.as_ref().and_then(|progress| progress.processed), Some(3));
    scene.broker.until("the cancel is acknowledged", |state| acknowledges(state, id)).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_stop_is_dropped_after_the_grace_period() {
    let scene = Scene::start();
    let job = scene.running(Act::IgnoreCancel).await;
    let asked_at = Instant::now();
    scene.broker.tell(&cancel(&[&job]).1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "cancelled"]);
    assert!(asked_at.elapsed() >= Duration::from_secs(10), "the grace period: {:?}", asked_at.elapsed());
    let next = scene.submit(Act::Return(1.into()));
    assert_eq!(names(&scene.ended(&next).await), ["started", "completed"], "the permit is free again");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_completes_all_the_same_is_completed() {
    let scene = Scene::start();
    let job = scene.running(Act::CompleteOnCancel).await;
    scene.broker.tell(&cancel(&[&job]).1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_cancelled_before_its_message_came_never_runs() {
    let scene = Scene::start();
    let job = jobs::message(Act::Return(1.into()));
    let (id, control) = cancel(&[&job]);
    // Not before the worker listens.
    scene.running(Act::Gate).await;
    scene.broker.tell(&control);
    scene.broker.until("the cancel is acknowledged", |state| acknowledges(state, id)).await;
    scene.broker.submit(&job);
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&job));
    assert!(of_job(&scene, &job).is_empty(), "another worker may hold a copy: the acknowledgement says enough");
    let retried = JobMessage { dispatch: 2, ..job };
    scene.broker.submit(&retried);
    scene.probe.until_running(&retried).await;
    scene.probe.gate.add_permits(1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_cancelled_while_it_waits_for_a_permit_never_runs() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 1, ..section() });
    let running = scene.running(Act::Gate).await;
    let waiting = scene.submit(Act::Return(1.into()));
    let taken = |state: &State| (state.waiting("drover.jobs.work") == 0).then_some(());
    scene.broker.until("the message is taken", taken).await;
    let (id, control) = cancel(&[&waiting]);
    scene.broker.tell(&control);
    scene.broker.until("the cancel is acknowledged", |state| acknowledges(state, id)).await;
    scene.probe.gate.add_permits(1);
    scene.ended(&running).await;
    assert_eq!(scene.broker.settled(waiting.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&waiting) && of_job(&scene, &waiting).is_empty());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_job_does_not_start_and_nothing_is_said_of_it() {
    let scene = Scene::start();
    let running = scene.running(Act::Gate).await;
    let later = jobs::message(Act::Return(1.into()));
    let id = ControlId(Uuid::now_v7());
    scene.broker.tell(&Control::Withdraw { control_id: Some(id), jobs: vec![of(&running), of(&later)] });
    scene.broker.until("it is acknowledged", |state| acknowledges(state, id)).await;
    scene.broker.submit(&later);
    assert_eq!(scene.broker.settled(later.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&later));
    let resumed = JobMessage { dispatch: 2, ..later };
    scene.broker.submit(&resumed);
    scene.ended(&resumed).await;
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&running).await), ["started", "completed"], "what runs goes on");
    let of_the_first =
        |state: &State| state.events.iter().filter(|event| event.job_id == resumed.id && event.dispatch == 1).count();
    assert_eq!(of_the_first(&scene.broker.state()), 0);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_withdrawn_while_it_waits_for_a_permit_does_not_start() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 1, ..section() });
    let running = scene.running(Act::Gate).await;
    let waiting = scene.submit(Act::Return(1.into()));
    let taken = |state: &State| (state.waiting("drover.jobs.work") == 0).then_some(());
    scene.broker.until("the message is taken", taken).await;
    scene.broker.tell(&Control::Withdraw { control_id: None, jobs: vec![of(&waiting)] });
    scene.probe.gate.add_permits(1);
    scene.ended(&running).await;
    assert_eq!(scene.broker.settled(waiting.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&waiting));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_welcome_names_what_must_not_start() {
    let broker = FakeBroker::new();
    let job = jobs::message(Act::Return(1.into()));
    broker.change(|state| state.welcome = Some(vec![of(&job)]));
    let id = ControlId(Uuid::now_v7());
    broker.change(|state| state.controls.insert(id));
    let scene = Scene::start_with(Arc::clone(&broker), section());
    scene.broker.until("the cancel it named is acknowledged", |state| acknowledges(state, id)).await;
    scene.broker.submit(&job);
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    assert!(!scene.probe.has_run(&job));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_nothing_begins_before_the_new_welcome() {
    let scene = Scene::start();
    let running = scene.running(Act::StopOnCancel).await;
    // The cancel was sent while the connection was down.
    scene.broker.change(|state| state.welcome = None);
    scene.broker.reconnect();
    let asked = |state: &State| {
        let up = |event: &&WorkerEventKind| matches!(event, WorkerEventKind::WorkerUp { .. });
        (state.worker_events.iter().filter(up).count() >= 2).then_some(())
    };
    scene.broker.until("it asks again", asked).await;
    let job = scene.submit(Act::Return(1.into()));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!scene.probe.has_run(&job));
    assert_eq!(scene.broker.settled(job.id).await, Settle::GiveBack, "others may be welcome");
    scene.broker.change(|state| state.welcome = Some(vec![of(&running)]));
    assert_eq!(names(&scene.ended(&running).await).last(), Some(&"cancelled"));
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_waits_until_the_start_of_what_it_met_is_confirmed() {
    let scene = Scene::start();
    let first = scene.running(Act::Gate).await;
    scene.broker.settled(first.id).await;
    scene.broker.change(|state| state.publishing = Publishing::Hold);
    let job = scene.running(Act::StopOnCancel).await;
    let (id, control) = cancel(&[&job]);
    scene.broker.tell(&control);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.broker.state().settled.len(), 1, "no ack before the confirm of `started`");
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    scene.broker.until("the cancel is acknowledged", |state| acknowledges(state, id)).await;
    let started = |event: &drover_protocol::JobEvent| event.job_id == job.id && event.kind == JobEventKind::Started;
    assert!(scene.broker.state().events.clone().iter().any(started), "`started` was there before the acknowledgement");
    scene.probe.gate.add_permits(1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_repeated_in_ten_heartbeats() {
    let scene = Scene::start();
    let job = scene.running(Act::StopOnCancel).await;
    let (id, control) = cancel(&[&job]);
    scene.broker.tell(&control);
    scene.ended(&job).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let names_it = |event: &&WorkerEventKind| matches!(event, WorkerEventKind::WorkerHeartbeat { acknowledged, .. } if acknowledged.contains(&id));
    assert_eq!(scene.broker.state().worker_events.iter().filter(names_it).count(), 10);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reported_of_a_job_that_was_taken() {
    let scene = Scene::start();
    let job = scene.running(Act::StopOnCancel).await;
    scene.broker.settled(job.id).await;
    let session = scene.broker.state().events.clone()[0].worker_session;
    scene.broker.tell(&Control::Stop { worker_session: session, jobs: vec![of(&job)] });
    let other = scene.submit(Act::Return(1.into()));
    scene.ended(&other).await;
    let idle = |state: &State| match state.heartbeat() {
        Some(WorkerEventKind::WorkerHeartbeat { running, .. }) if running.is_empty() => Some(()),
        _ => None,
    };
    scene.broker.until("it is held no more", idle).await;
    let events = scene.broker.state().events.clone();
    assert!(!events.iter().any(|event| event.job_id == job.id && event.kind.is_terminal()), "{events:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_told_to_drain_finishes_and_ends() {
    let scene = Scene::start();
    let job = scene.running(Act::Gate).await;
    scene.broker.tell(&Control::Drain { worker_session: None });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    scene.worker.await.unwrap();
}
