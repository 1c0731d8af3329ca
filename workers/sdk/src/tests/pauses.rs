//! Paused types: nothing of them is taken, what runs goes on, a resume goes on with what waited.

use std::sync::Arc;

use drover_broker::Settle;
use drover_protocol::{Control, PausedTypes, WorkerEventKind};

use super::{
    Scene,
    fake::{FakeBroker, State},
    jobs::Act,
    names, section,
};
use crate::WorkerSection;

const QUEUE: &str = "drover.jobs.work";

fn paused(version: u64) -> PausedTypes {
    PausedTypes { version, all: false, types: ["work".parse().unwrap()].into() }
}

fn resumed(version: u64) -> PausedTypes {
    PausedTypes { version, ..PausedTypes::default() }
}

fn obeys(state: &State, version: u64) -> Option<()> {
    match state.heartbeat() {
        Some(WorkerEventKind::WorkerHeartbeat { paused_version: Some(told), .. }) if told == version => Some(()),
        _ => None,
    }
}

impl Scene {
    async fn tell_pauses(&self, told: PausedTypes) {
        let version = told.version;
        self.broker.tell(&Control::PausedTypes(told));
        self.broker.until("the heartbeat says so", |state| obeys(state, version)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_type_is_left_in_its_queue_and_what_runs_goes_on() {
    let scene = Scene::start();
    let running = scene.running(Act::Gate).await;
    scene.tell_pauses(paused(7)).await;
    let waiting = scene.submit(Act::Return(1.into()));
    scene.broker.until("the queue is left", |state| (state.pauses == 1).then_some(())).await;
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&running).await), ["started", "completed"]);
    assert!(!scene.probe.has_run(&waiting));
    assert_eq!(scene.broker.state().waiting(QUEUE), 1);

    // An older set, late.
    scene.broker.tell(&Control::PausedTypes(resumed(6)));
    scene.tell_pauses(resumed(8)).await;
    assert_eq!(names(&scene.ended(&waiting).await), ["started", "completed"]);
    assert_eq!(scene.broker.state().resumes, 1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_and_has_not_begun_is_given_back() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { concurrency: 1, ..section() });
    let running = scene.running(Act::Gate).await;
    let waiting = scene.submit(Act::Return(1.into()));
    let taken = |state: &State| (state.waiting(QUEUE) == 0).then_some(());
    scene.broker.until("the message is taken", taken).await;
    scene.tell_pauses(paused(7)).await;
    // Its permit comes, too late.
    scene.probe.gate.add_permits(1);
    scene.ended(&running).await;
    assert_eq!(scene.broker.settled(waiting.id).await, Settle::GiveBack);
    assert!(!scene.probe.has_run(&waiting));
    scene.tell_pauses(resumed(8)).await;
    scene.ended(&waiting).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_while_its_type_is_paused_takes_nothing() {
    let broker = FakeBroker::new();
    broker.change(|state| state.paused = Some(PausedTypes { version: 7, all: true, ..PausedTypes::default() }));
    let scene = Scene::start_with(Arc::clone(&broker), section());
    let waiting = scene.submit(Act::Return(1.into()));
    scene.broker.until("the heartbeat says so", |state| obeys(state, 7)).await;
    let left = |state: &State| (state.consumes.len(), state.waiting(QUEUE));
    assert_eq!(left(&scene.broker.state()), (0, 1));
    scene.tell_pauses(resumed(8)).await;
    scene.ended(&waiting).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_types_are_paused_ends_when_it_is_told_to() {
    let scene = Scene::start();
    scene.broker.until("it listens", |state| state.heartbeat().map(drop)).await;
    scene.tell_pauses(paused(7)).await;
    scene.broker.until("the queue is left", |state| (state.pauses == 1).then_some(())).await;
    scene.end().await;
}
