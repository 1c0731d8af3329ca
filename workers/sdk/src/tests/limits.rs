//! `message_bytes` limits what jobs report, and nothing that the worker is told or says of itself.

use std::sync::Arc;

use drover_protocol::{JobEventKind, JobId, RunningJob, WorkerEventKind};
use uuid::Uuid;

use super::{
    Scene,
    fake::FakeBroker,
    jobs::{self, Act},
    names, section,
};
use crate::WorkerSection;

fn narrow() -> WorkerSection {
    WorkerSection { message_bytes: 65_536, ..section() }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_parameters_are_larger_than_its_reports_may_be_runs() {
    let scene = Scene::start_with(FakeBroker::new(), narrow());
    let mut job = jobs::message(Act::Return(7.into()));
    job.params["padding"] = "x".repeat(100_000).into();
    scene.broker.submit(&job);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    let heavy = scene.submit(Act::ReturnBytes(100_000));
    let events = scene.ended(&heavy).await;
    let end = &events.last().unwrap().kind;
    assert!(
        matches!(end, JobEventKind::Failed { error, .. } if error.message.contains("the limit is 65536")),
        "{end:?}"
    );
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_welcome_with_many_cancels_opens_the_gate() {
    let broker = FakeBroker::new();
    // As many as an orchestrator puts into one message.
    let cancelled = |_| RunningJob { job_id: JobId(Uuid::now_v7()), dispatch: 2_000_000_000 };
    broker.change(|state| state.welcome = Some((0..1_000).map(cancelled).collect()));
    let scene = Scene::start_with(Arc::clone(&broker), narrow());
    let job = scene.submit(Act::Return(7.into()));
    scene.ended(&job).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_names_all_that_runs() {
    const JOBS: usize = 1_200;
    let section = WorkerSection { concurrency: 2_000, prefetch: 2_000, ..narrow() };
    let scene = Scene::start_with(FakeBroker::new(), section);
    for _ in 0..JOBS {
        scene.submit(Act::Gate);
    }
    let all = |state: &super::fake::State| match state.heartbeat()? {
        WorkerEventKind::WorkerHeartbeat { running, .. } => (running.len() == JOBS).then_some(()),
        _ => None,
    };
    scene.broker.until("a heartbeat names them all", all).await;
    scene.probe.gate.add_permits(JOBS);
    scene.end().await;
}
