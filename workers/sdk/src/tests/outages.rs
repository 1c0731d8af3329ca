//! What was not confirmed is sent again; the buffer stays bounded.

use std::time::Duration;

use drover_broker::Settle;
use drover_protocol::{JobEventKind, LogLevel};

use super::{
    Scene,
    fake::{FakeBroker, Publishing},
    jobs::Act,
    names, section,
};
use crate::WorkerSection;

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_during_an_outage_is_reported_afterwards() {
    let scene = Scene::start();
    let job = scene.running(Act::Gate).await;
    scene.broker.settled(job.id).await;
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    scene.probe.gate.add_permits(1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_before_the_ack_duplicates_nothing() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    let job = scene.running(Act::Gate).await;
    // The message comes again, to this very worker, while `started` is still unconfirmed.
    scene.broker.lose_connection();
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    scene.probe.gate.add_permits(1);
    assert_eq!(names(&scene.ended(&job).await), ["started", "completed"]);
    assert_eq!(scene.probe.runs(&job), 1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn progress_of_an_outage_arrives_as_its_latest_state() {
    let scene = Scene::start();
    let job = scene.running(Act::Progress { reports: 10_000, every_millis: 1 }).await;
    scene.broker.settled(job.id).await;
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = scene.broker.state().events.clone().len();
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    let events = scene.broker.events_until("progress again", |event| match &event.kind {
        JobEventKind::Progress(report) => report.processed > Some(4_000),
        _ => false,
    });
    let events = events.await;
    assert_eq!(events.len(), before + 1, "one state for the whole outage");
    scene.ended(&job).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn log_lines_of_an_outage_are_bounded_and_the_missing_ones_counted() {
    let section = WorkerSection { log_lines_per_second: 100_000, ..section() };
    let scene = Scene::start_with(FakeBroker::new(), section);
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.publishing = Publishing::Fail);
    let noisy = scene.running(Act::Log { lines: 50_000 }).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    assert_eq!(names(&scene.ended(&noisy).await).last(), Some(&"completed"), "the end is never dropped");
    let lines = |level| {
        move |state: &super::fake::State| {
            let of = |event: &&drover_protocol::JobEvent| match &event.kind {
                JobEventKind::Log { level: found, .. } => *found == level,
                _ => false,
            };
            let count = state.logs.iter().filter(of).count();
            (count > 9_000).then_some(count)
        }
    };
    let kept = scene.broker.until("the kept lines", lines(LogLevel::Warn)).await;
    assert!(kept <= 10_001, "{kept}");
    scene.end().await;
}
