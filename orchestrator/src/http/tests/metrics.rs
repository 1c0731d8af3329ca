//! Metrics: what is told of a job's life, and that dashboard and docs name what there is.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use super::Api;

/// The metrics of a fresh look.
async fn metrics(api: &Api) -> String {
    api.get("/metrics").await.ok().as_str().unwrap().to_owned()
}

/// The value of a sample.
fn sample(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// An orchestrator of which every metric has a value.
async fn lively() -> Api {
    let api = Api::new().await;
    let (_, subs) = api.import(3).await;
    api.desk.start(subs[1]).await;
    api.desk.complete(subs[1], json!({})).await;
    api.desk.start(subs[2]).await;
    api.desk.broker.set_depth(7);
    api.desk.log(subs[2], drover_protocol::LogLevel::Info, "a line").await;
    api.desk.app.metrics.schedules.fired("nightly");
    api.desk.app.metrics.schedules.missed("nightly");
    api
}

#[tokio::test]
async fn a_jobs_life_is_told() {
    let api = lively().await;
    let metrics = metrics(&api).await;
    for (name, value) in [
        // One ended without a start.
        (r#"drover_jobs_ended_total{type="validate",status="completed"}"#, 1.0),
        (r#"drover_jobs_ended_total{type="process",status="completed"}"#, 1.0),
        (r#"drover_job_wait_seconds_count{type="process"}"#, 2.0),
        (r#"drover_job_run_seconds_count{type="process"}"#, 1.0),
        (r#"drover_jobs{type="import",status="running"}"#, 1.0),
        (r#"drover_jobs{type="process",status="running"}"#, 1.0),
        (r#"drover_jobs{type="process",status="pending"}"#, 1.0),
        (r#"drover_queue_messages{type="process"}"#, 7.0),
        (r#"drover_schedules_fired_total{schedule="nightly"}"#, 1.0),
        (r#"drover_schedules_not_fired_total{schedule="nightly",outcome="missed"}"#, 1.0),
        ("drover_jobs_uncounted", 0.0),
        ("drover_workers_live", 1.0),
        ("drover_database_up", 1.0),
    ] {
        assert_eq!(sample(&metrics, name), Some(value), "{name}\n{metrics}");
    }
    let oldest = sample(&metrics, "drover_outbox_oldest_seconds").unwrap();
    assert!(oldest > 0.0, "nobody publishes what is owed: {oldest}");
    let used = sample(&metrics, r#"drover_database_connections{pool="general",state="used"}"#).unwrap();
    assert!(used >= 0.0);
}

#[tokio::test]
async fn what_the_database_would_say_is_left_out_while_it_is_away() {
    // Nothing listens on port 1.
    let answer = super::health::get("postgres://nobody@127.0.0.1:1/none", "/metrics").await;
    let metrics = answer.body.as_str().unwrap();
    assert_eq!(sample(metrics, "drover_database_up"), Some(0.0), "{metrics}");
    assert!(!metrics.contains("drover_jobs{"), "{metrics}");
}

#[tokio::test]
async fn a_lost_lease_is_counted_once() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "process" })).await;
    api.desk.start(id).await;
    let lost = drover_engine::Input::LeaseLost { job_id: id, dispatch: 1, session: api.desk.worker };
    for _ in 0..2 {
        let folded = api.desk.app.store.fold(&api.desk.app.context, vec![lost.clone()]).await.unwrap();
        api.desk.app.committed(folded);
    }
    assert_eq!(sample(&metrics(&api).await, "drover_leases_lost_total"), Some(1.0));
}

fn file(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("drover_")).map(str::to_owned).collect()
}

/// Every name that can be asked for, those of a histogram's parts among them.
fn answered(metrics: &str) -> BTreeSet<String> {
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = kinds.flat_map(|(name, kind)| {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["", "_bucket", "_sum", "_count"],
            _ => &[""],
        };
        endings.iter().map(move |ending| format!("{name}{ending}"))
    });
    names.collect()
}

#[tokio::test]
async fn dashboard_and_docs_name_what_there_is() {
    let metrics = metrics(&lively().await).await;
    let answered = answered(&metrics);
    let docs = names(&file("docs/metrics.md"));
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/drover.json")).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            asked.extend(names(target["expr"].as_str().unwrap()));
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
    let unknown: Vec<&String> = docs.union(&asked).filter(|name| !answered.contains(*name)).collect();
    assert!(unknown.is_empty(), "there is no {unknown:?}");
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let untold: Vec<&str> = kinds
        .map(|(name, _)| name)
        .filter(|name| !docs.contains(*name) && !docs.contains(&format!("{name}_total")))
        .collect();
    assert!(untold.is_empty(), "docs/metrics.md says nothing of {untold:?}");
}
