//! What was not confirmed is sent again; the buffer stays bounded.

use std::time::Duration;

use drover_broker::Settle;
use drover_protocol::{JobEventKind, Names};
use tokio::time::Instant;

use super::{
    Scene,
    fake::{FakeBroker, Publishing, State},
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
async fn an_end_counts_no_values_that_a_handler_gave_up_before_they_were_sent() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.publishing = Publishing::Hold);
    let job = scene.running(Act::ItemsInTime { lists: 17 }).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.broker.change(|state| state.publishing = Publishing::Confirm);
    let events = scene.ended(&job).await;
    let Some(JobEventKind::Completed { items: counted, .. }) = events.last().map(|event| &event.kind) else {
        panic!("completed: {events:?}");
    };
    let values = events.iter().map(|event| match &event.kind {
        JobEventKind::Items { values, .. } => values.len(),
        _ => 0,
    });
    assert_eq!((values.sum(), counted["rows"]), (16_usize, 16), "one waits for its turn");
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
    // 50,000 by its context, one by `tracing`.
    let all_told = |state: &State| {
        let (kept, missing) = lines(state);
        (kept + missing == 50_001).then_some(kept)
    };
    let kept = scene.broker.until("what is kept and what is counted are all lines", all_told).await;
    assert!((9_000..=10_000).contains(&kept), "{kept}");
    scene.end().await;
}

/// How many lines of jobs have come, and how many are said to be missing.
fn lines(state: &State) -> (usize, usize) {
    let (mut kept, mut missing) = (0, 0);
    for event in &state.logs {
        let JobEventKind::Log { message, .. } = &event.kind else { panic!("a log line: {event:?}") };
        match message.strip_suffix(" log lines were left out: more came than could be sent") {
            Some(count) => missing += count.parse::<usize>().unwrap(),
            None => kept += 1,
        }
    }
    (kept, missing)
}

#[tokio::test(start_paused = true)]
async fn a_logs_queue_that_refuses_delays_no_events() {
    let scene = Scene::start();
    scene.broker.change(|state| state.refused = |message| message.routing_key == Names::default().logs_queue());
    let noisy = scene.running(Act::Log { lines: 3 }).await;
    scene.ended(&noisy).await;
    // By then its next try is seconds away.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let begun = Instant::now();
    for _ in 0..10 {
        let job = scene.submit(Act::Return(1.into()));
        scene.ended(&job).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    scene.broker.change(|state| state.refused = |_| false);
    scene.broker.until("the lines come", |state| (lines(state) == (4, 0)).then_some(())).await;
    scene.end().await;
}
