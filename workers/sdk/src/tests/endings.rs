//! However a handler ends, its job gets an end that says so.

use drover_protocol::{JobError, JobEvent, JobEventKind, LogLevel};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Scene,
    fake::FakeBroker,
    jobs::{self, Act},
    section,
};
use crate::WorkerSection;

async fn end_of(act: Act) -> JobEventKind {
    let scene = Scene::start();
    let job = scene.submit(act);
    let events = scene.ended(&job).await;
    let next = scene.submit(Act::Return(1.into()));
    scene.ended(&next).await;
    scene.end().await;
    events.into_iter().next_back().unwrap().kind
}

async fn error_of(act: Act) -> (JobError, Option<Value>) {
    match end_of(act).await {
        JobEventKind::Failed { error, result, .. } => (error, result),
        other => panic!("failed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_the_job_and_names_its_place() {
    let (error, _) = error_of(Act::Panic).await;
    assert_eq!(error.kind, "panic");
    assert!(error.message.starts_with("it is broken, at ") && error.message.contains("jobs.rs:"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_its_partial_result() {
    let (error, result) = error_of(Act::Fail(json!([1, 2]))).await;
    assert_eq!((error, result), (JobError::retryable("io", "no disk"), Some(json!([1, 2]))));
}

#[tokio::test(start_paused = true)]
async fn a_result_with_nul_fails_the_job_and_names_the_field() {
    let (error, _) = error_of(Act::ReturnNul).await;
    assert_eq!(error.kind, "invalid_result");
    assert!(error.message.starts_with("result/rows/0/name holds a NUL character"), "{error}");
    assert!(!error.retryable);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_fails_the_job_and_says_what_to_do() {
    let (error, _) = error_of(Act::ReturnBytes(2_000_000)).await;
    assert_eq!(error.kind, "invalid_result");
    assert!(error.message.contains("the limit is 1048576") && error.message.contains("JobContext::items"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_partial_result_that_cannot_be_sent_does_not_hide_the_failure() {
    let (error, result) = error_of(Act::FailNul).await;
    assert_eq!((error.kind.as_str(), result), ("io", None));
    assert!(error.message.starts_with("no disk (the partial result was left out: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn parameters_that_do_not_fit_are_named() {
    let scene = Scene::start();
    let mut job = jobs::message(Act::Gate);
    job.params = json!({"act": {"items": {"count": "many", "bytes": 1}}});
    scene.broker.submit(&job);
    let events = scene.ended(&job).await;
    let JobEventKind::Failed { error, .. } = &events.last().unwrap().kind else { panic!("failed: {events:?}") };
    assert_eq!((error.kind.as_str(), error.retryable), ("invalid_params", false));
    assert!(error.message.starts_with("params.act.items.count: invalid type: string \"many\""), "{error}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn errors_beside_a_result_are_told() {
    let JobEventKind::CompletedWithErrors { result, errors, .. } = end_of(Act::Errors).await else {
        panic!("completed with errors");
    };
    assert_eq!((result, errors), ("most".into(), vec![JobError::permanent("row", "row 3")]));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_too_long_is_stopped_and_may_be_retried() {
    for (act, seconds) in [(Act::StopOnCancel, 3), (Act::IgnoreCancel, 13)] {
        let scene = Scene::start();
        let mut job = jobs::message(act);
        job.timeout_seconds = Some(3.0);
        scene.broker.submit(&job);
        scene.probe.until_running(&job).await;
        let began = Instant::now();
        let events = scene.ended(&job).await;
        assert_eq!(began.elapsed().as_secs(), seconds);
        let JobEventKind::Failed { error, .. } = &events.last().unwrap().kind else { panic!("failed: {events:?}") };
        assert_eq!(*error, JobError::retryable("timeout", "it ran longer than its timeout of 3 s"));
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_list_travels_in_chunks_and_is_counted_in_the_end() {
    let scene = Scene::start();
    let job = scene.submit(Act::Items { count: 25_000, bytes: 100 });
    let events = scene.ended(&job).await;
    let chunks: Vec<usize> = events
        .iter()
        .filter_map(|event| match &event.kind {
            JobEventKind::Items { name, values } if name == "rows" => Some(values.len()),
            _ => None,
        })
        .collect();
    assert!(chunks.len() >= 3, "{chunks:?}");
    assert_eq!(chunks.iter().sum::<usize>(), 25_000);
    let Some(JobEvent { kind: JobEventKind::Completed { items, .. }, .. }) = events.last() else {
        panic!("completed: {:?}", events.last());
    };
    assert_eq!(items.get("rows"), Some(&25_000));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_without_values_is_known_to_be_empty() {
    let JobEventKind::Completed { items, .. } = end_of(Act::Items { count: 0, bytes: 0 }).await else {
        panic!("completed");
    };
    assert_eq!(items.get("rows"), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn log_lines_reach_the_log_and_more_than_allowed_are_counted() {
    let scene = Scene::start_with(FakeBroker::new(), WorkerSection { log_lines_per_second: 3, ..section() });
    let job = scene.submit(Act::Log { lines: 2 });
    let lines = scene.broker.until("three lines", |state| {
        let lines: Vec<_> = state.logs.iter().filter_map(as_line).collect();
        (lines.len() == 3).then_some(lines)
    });
    let lines = lines.await;
    assert_eq!(lines[0], (LogLevel::Warn, "line 0".to_owned(), Value::Null));
    assert_eq!(lines[2], (LogLevel::Info, "traced".to_owned(), json!(3)), "also from `tracing`, with its fields");
    scene.ended(&job).await;

    scene.submit(Act::Log { lines: 10 });
    let counted = scene.broker.until("a line that counts", |state| {
        state.logs.iter().filter_map(as_line).find(|(_, message, _)| message.contains("left out"))
    });
    assert_eq!(counted.await.1, "8 log lines were left out: more came than could be sent");
    scene.end().await;
}

fn as_line(event: &JobEvent) -> Option<(LogLevel, String, Value)> {
    match &event.kind {
        JobEventKind::Log { level, message, fields } => {
            Some((*level, message.clone(), fields.get("rows").cloned().unwrap_or_default()))
        }
        _ => None,
    }
}
