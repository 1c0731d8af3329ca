//! What no broker takes is not sent for ever: it becomes a failure of its job, or a remark in the log.

use drover_broker::{Publication, Settle};
use drover_protocol::{JobError, JobEventKind, LogLevel};

use super::{Scene, fake::Matches, jobs::Act, names};

fn holds(message: &Publication, text: &str) -> bool {
    String::from_utf8_lossy(&message.body).contains(text)
}

/// Runs a job on a broker that never takes these messages: its last event, and what else it sent. The worker goes on.
async fn run(unfit: Matches, act: Act) -> (Vec<&'static str>, JobEventKind) {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.unfit = unfit);
    let job = scene.submit(act);
    let events = scene.ended(&job).await;
    let next = scene.submit(Act::Return(2.into()));
    scene.ended(&next).await;
    assert_eq!(scene.broker.settled(job.id).await, Settle::Ack);
    scene.end().await;
    (names(&events), events.into_iter().next_back().map(|event| event.kind).expect("an end"))
}

fn error(kind: JobEventKind) -> JobError {
    match kind {
        JobEventKind::Failed { error, .. } => error,
        other => panic!("failed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_can_never_be_sent_fails_its_job() {
    let (names, end) = run(|message| holds(message, "anvil"), Act::Return("anvil".into())).await;
    assert_eq!(names, ["started", "failed"]);
    assert_eq!(error(end), JobError::permanent("invalid_result", "it is too heavy"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_can_never_be_sent_keeps_its_error_without_the_partial_result() {
    let (_, end) = run(|message| holds(message, "anvil"), Act::Fail("anvil".into())).await;
    let message = "no disk (the partial result was left out: it is too heavy)";
    assert_eq!(error(end), JobError::retryable("io", message));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_can_never_be_sent_fails_its_job() {
    let (_, end) = run(|message| holds(message, "\"items\",\"name\""), Act::Items { count: 3, bytes: 10 }).await;
    assert_eq!(error(end), JobError::permanent("invalid_items", "items of \"rows\" cannot be sent: it is too heavy"));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_can_never_be_sent_is_not_counted() {
    let (_, end) = run(|message| holds(message, "anvil"), Act::ItemsOrNot("anvil".into(), "feather".into())).await;
    let JobEventKind::Completed { items, .. } = end else { panic!("completed: {end:?}") };
    assert_eq!(items.get("rows"), Some(&1), "or the orchestrator would wait for the other");
}

#[tokio::test(start_paused = true)]
async fn progress_that_can_never_be_sent_is_left_out() {
    let unfit: Matches = |message| holds(message, "\"kind\":\"progress\"");
    let (names, end) = run(unfit, Act::Progress { reports: 1_000, every_millis: 1 }).await;
    assert_eq!(names, ["started", "completed"]);
    assert_eq!(end.progress().and_then(|progress| progress.processed), Some(1_000), "the end carries it");
}

#[tokio::test(start_paused = true)]
async fn log_lines_that_can_never_be_sent_are_left_out_and_counted() {
    let scene = Scene::start();
    scene.broker.change(|state| state.unfit = |message| holds(message, "line 0"));
    let job = scene.running(Act::Log { lines: 2 }).await;
    scene.ended(&job).await;
    let sent = scene.broker.until("the other lines", |state| {
        let texts = state.logs.iter().filter_map(|event| match &event.kind {
            JobEventKind::Log { level: LogLevel::Warn | LogLevel::Info, message, .. } => Some(message.clone()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        (texts.len() == 2).then_some(texts)
    });
    assert_eq!(sent.await, ["line 1", "traced"]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_start_can_never_be_sent_goes_to_the_dead_letters() {
    let scene = Scene::start();
    scene.running(Act::Return(1.into())).await;
    scene.broker.change(|state| state.unfit = |message| holds(message, "\"kind\":\"started\""));
    let job = scene.submit(Act::StopOnCancel);
    assert_eq!(scene.broker.settled(job.id).await, Settle::DeadLetter);
    scene.broker.change(|state| state.unfit = |_| false);
    let next = scene.submit(Act::Return(2.into()));
    scene.ended(&next).await;
    scene.end().await;
}
