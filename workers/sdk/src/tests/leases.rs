//! What a worker says of itself while it holds jobs.

use std::time::Duration;

use drover_broker::Settle;
use drover_protocol::{Control, ControlId, RunningJob, WorkerEventKind};
use tokio::time::Instant;

use super::{
    Scene,
    fake::{FakeBroker, Publishing, State},
    jobs::{Act, message},
    names, section,
};
use crate::WorkerSection;

fn running(state: &State) -> Option<Vec<RunningJob>> {
    match state.heartbeat() {
        Some(WorkerEventKind::WorkerHeartbeat { running, .. }) => Some(running),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_the_pace_of_the_lease_and_name_what_runs() {
    let broker = FakeBroker::new();
    broker.change(|state| state.lease_seconds = 8.0);
    let scene = Scene::start_with(broker, section());
    let job = scene.running(Act::Gate).await;
    let expected = vec![RunningJob { job_id: job.id, dispatch: 1 }];
    scene.broker.until("a heartbeat names the job", |state| running(state).filter(|jobs| *jobs == expected)).await;
    let count = |state: &State| {
        let heartbeat = |event: &&WorkerEventKind| matches!(event, WorkerEventKind::WorkerHeartbeat { .. });
        state.worker_events.iter().filter(heartbeat).count()
    };
    let before = count(&scene.broker.state());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let beats = count(&scene.broker.state()) - before;
    assert!((9..=11).contains(&beats), "four per lease: {beats} in 20 s");
    scene.probe.gate.add_permits(1);
    scene.ended(&job).await;
    scene.broker.until("nothing runs", |state| running(state).filter(Vec::is_empty)).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_acknowledged_only_after_its_start_is_confirmed_and_runs_meanwhile() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.publishing = Publishing::Hold);
    let job = scene.running(Act::Gate).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let settled = |state: &State| state.settled.iter().any(|(id, _)| *id == job.id.to_string());
    assert!(!settled(&scene.broker.state()));
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    scene.probe.gate.add_permits(1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_again_begins_only_when_it_is_known_to_be_at_work() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.publishing = Publishing::Hold);
    let [again, stopped] = [message(Act::Return(1.into())), message(Act::Return(2.into()))];
    scene.broker.submit_again(&again);
    scene.broker.submit_again(&stopped);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!scene.probe.has_run(&again) && !scene.probe.has_run(&stopped));
    let jobs = vec![RunningJob { job_id: stopped.id, dispatch: 1 }];
    scene.broker.tell(&Control::Cancel { control_id: ControlId(uuid::Uuid::now_v7()), jobs });
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(names(&scene.ended(&again).await), ["started", "completed"]);
    assert_eq!(names(&scene.ended(&stopped).await), ["started", "cancelled"]);
    assert!(scene.probe.has_run(&again) && !scene.probe.has_run(&stopped));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_silent_for_a_lease_begins_nothing_before_it_is_welcomed_anew() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    let ups = |state: &State| state.worker_events.iter().filter(|event| up(event)).count();
    let before = ups(&scene.broker.state());
    scene.broker.change(|state| (state.publishing, state.welcome) = (Publishing::Fail, None));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let [cancelled, other] = [scene.submit(Act::Return(1.into())), scene.submit(Act::Return(2.into()))];
    assert_eq!(scene.broker.settled(cancelled.id).await, Settle::GiveBack);
    // Its heartbeats are heard again; what was cancelled meanwhile it does not know yet.
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    scene.broker.until("it asks to be welcomed", |state| (ups(state) > before).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!scene.probe.has_run(&cancelled) && !scene.probe.has_run(&other));
    let dead = RunningJob { job_id: cancelled.id, dispatch: 1 };
    scene.broker.change(|state| state.welcome = Some(vec![dead]));
    scene.ended(&other).await;
    let settled = |state: &State| state.settled.contains(&(cancelled.id.to_string(), Settle::Ack)).then_some(());
    scene.broker.until("the cancelled one is put away", settled).await;
    assert!(!scene.probe.has_run(&cancelled));
    scene.end().await;
}

fn up(event: &WorkerEventKind) -> bool {
    matches!(event, WorkerEventKind::WorkerUp { .. })
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_isolated_for_too_long_stops_its_jobs() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { isolation_seconds: 60.0, ..section() });
    let job = scene.running(Act::StopOnCancel).await;
    scene.broker.settled(job.id).await;
    let silent_from = Instant::now();
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    tokio::time::sleep(Duration::from_secs(55)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert_eq!(
        names(&scene.broker.state().events.clone()).last(),
        Some(&"progress"),
        "an outage that ends in time harms nothing"
    );
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    tokio::time::sleep(Duration::from_secs(75)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(names(&scene.ended(&job).await).last(), Some(&"released"), "after {:?}", silent_from.elapsed());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_nothing_to_say_between_two_heartbeats_is_not_isolated() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { isolation_seconds: 2.0, ..section() });
    let job = scene.running(Act::Gate).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    scene.end().await;
}
