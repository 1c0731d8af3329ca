//! Traces: what a workflow does, on however many processes, is one trace.

use drover_tests::{
    Collector, Fleet,
    collector::CollectedSpan,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::{Value, json};

const NESTED: &str = "
name: inner
title: Inner
steps:
  - { key: only, title: Only, job: noop }
---
name: outer
title: Outer
steps:
  - { key: child, title: Child, workflow: inner }
  - { key: fails, title: Fails, job: script, params: { fail_attempts: 9, retryable: false, told: \"no luck\" } }
";

/// A fleet whose processes tell the collector what they do.
async fn fleet(collector: &Collector) -> Fleet {
    let environment = [
        ("DROVER__TELEMETRY__OTLP_ENDPOINT", collector.endpoint()),
        // Between two batches of spans, in milliseconds.
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let mut fleet = Fleet::start(1, &environment).await.expect("the orchestrator starts");
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker starts");
    for definition in NESTED.split("---") {
        fleet.apply(definition).await.expect("valid");
    }
    fleet
}

/// Submits a workflow, by a caller that may be within a trace, and waits for its end. Its id.
async fn run(fleet: &Fleet, traceparent: Option<&str>) -> String {
    let mut request = reqwest::Client::new().post(format!("{}/api/v1/jobs", fleet.url()));
    if let Some(place) = traceparent {
        request = request.header("traceparent", place);
    }
    let answer = request.json(&json!({ "type": "outer" })).send().await.expect("answered");
    let answer: Value = answer.json().await.expect("JSON");
    let id = answer["id"].as_str().expect("accepted").to_owned();
    fleet.ended(&id).await.expect("it ends");
    id
}

/// Waits for so many spans of a trace.
async fn spans(collector: &Collector, trace_id: &str, count: usize) -> Vec<CollectedSpan> {
    wait::until("the spans of the trace", PATIENCE, async || {
        let all = collector.spans();
        let spans: Vec<CollectedSpan> = all.into_iter().filter(|span| span.trace_id == trace_id).collect();
        Ok(if spans.len() >= count { Seen::Yes(spans) } else { Seen::not_yet(format!("{spans:#?}")) })
    })
    .await
    .expect("they come")
}

fn named<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}: {spans:#?}"));
    assert!(found.next().is_none(), "two spans {name}: {spans:#?}");
    span
}

#[tokio::test]
async fn a_workflow_is_one_trace_from_its_submission_to_the_handlers() {
    let collector = Collector::start().await.expect("it listens");
    let mut fleet = fleet(&collector).await;
    let caller = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let id = run(&fleet, Some(caller)).await;
    let spans = spans(&collector, "0af7651916cd43dd8448eb211c80319c", 7).await;
    // Child above parent.
    let chain = [
        ("run noop", "noop"),
        ("noop", "inner"),
        ("inner", "outer"),
        ("run script", "script"),
        ("script", "outer"),
        ("outer", "submit outer"),
    ];
    for (child, parent) in chain {
        assert_eq!(named(&spans, child).parent_span_id, named(&spans, parent).span_id, "{child}: {spans:#?}");
    }
    assert_eq!(named(&spans, "submit outer").parent_span_id, "00f067aa0ba902b7");
    assert_eq!(spans.len(), 7, "{spans:#?}");
    let outer = named(&spans, "outer");
    assert_eq!(outer.attributes["drover.job.id"], id);
    assert!(outer.nanoseconds >= named(&spans, "inner").nanoseconds, "{spans:#?}");
    assert_eq!(
        (outer.service.as_str(), named(&spans, "run noop").service.as_str()),
        ("drover-orchestrator", "drover-test-worker")
    );
    assert!(named(&spans, "script").error.contains("no luck"), "{spans:#?}");
    assert!(named(&spans, "run script").error.contains("no luck"), "{spans:#?}");
    assert_eq!(named(&spans, "noop").error, "");
    fleet.silence();
}

#[tokio::test]
async fn a_trace_that_nobody_began_has_the_id_of_its_root_and_one_that_nobody_looks_at_is_not_told() {
    let collector = Collector::start().await.expect("it listens");
    let mut fleet = fleet(&collector).await;
    run(&fleet, Some("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00")).await;
    let id = run(&fleet, None).await;
    let spans = spans(&collector, &id.replace('-', ""), 7).await;
    assert_eq!(named(&spans, "submit outer").parent_span_id, "", "{spans:#?}");
    let others = collector.spans().into_iter().filter(|span| span.trace_id.starts_with("0af7")).count();
    assert_eq!(others, 0);
    fleet.silence();
}
