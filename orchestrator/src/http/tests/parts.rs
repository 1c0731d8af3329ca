//! What belongs to a job: sub-jobs, items lists, log lines, history.

use std::collections::BTreeMap;

use drover_protocol::{JobEventKind, JobId, LogLevel};
use serde_json::{Value, json};

use super::{Api, ids};

/// A workflow with a workflow per batch, which has a job of its own.
const NESTED: &str = "
name: outer
title: Outer
steps:
  - key: group
    title: Group
    for_each: '${input.groups}'
    batch_size: 1
    max_parallel: 10
    steps:
      - { key: inner, title: Inner, job: process }
";

fn texts<'a>(page: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    page[list].as_array().unwrap().iter().map(|line| line[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sub_jobs_come_by_step_and_batch_in_pages() {
    let api = Api::new().await;
    let (id, subs) = api.import(5).await;
    assert_eq!(subs.len(), 6);
    let path = format!("/api/v1/jobs/{id}/jobs");
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=2&cursor={cursor}")).await.ok();
        all.extend(
            page["jobs"].as_array().unwrap().iter().map(|job| (job["step"].clone(), job["batch_index"].clone())),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    let batch = |index: i32| (json!("load"), json!(index));
    assert_eq!(all, [(json!("check"), json!(null)), batch(0), batch(1), batch(2), batch(3), batch(4)]);

    api.desk.start(subs[3]).await;
    let get = async |query: &str| ids(&api.get(&format!("{path}?{query}")).await.ok());
    assert_eq!(get("step=check").await, [subs[0]]);
    assert_eq!(get("step=load").await, subs[1..]);
    assert_eq!(get("step=load&status=running").await, [subs[3]]);
    assert_eq!(get("step=nothing").await, []);
    let first = api.get(&format!("{path}?step=load&limit=2")).await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(get(&format!("step=load&limit=2&cursor={cursor}")).await, subs[3..5]);
}

#[tokio::test]
async fn the_values_of_an_items_list_are_paged_across_its_chunks() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let mut sent = Vec::new();
    for chunk in 0..4 {
        let values: Vec<Value> = (0..5).map(|number| json!(format!("{chunk}.{number}"))).collect();
        sent.extend(values.clone());
        api.desk.report(id, JobEventKind::Items { name: "file list".into(), values }).await;
        api.desk.report(id, JobEventKind::Items { name: "other".into(), values: vec![json!("no")] }).await;
    }
    for limit in [1, 3, 5, 20, 21] {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/jobs/{id}/items/file%20list?limit={limit}&cursor={cursor}");
            let page = api.get(&path).await.ok();
            let values = page["values"].as_array().unwrap();
            assert!(values.len() <= limit && !values.is_empty());
            all.extend(values.clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(all, sent, "limit {limit}");
    }
    let none = api.get(&format!("/api/v1/jobs/{id}/items/unheard_of")).await.ok();
    assert_eq!(none, json!({ "values": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_page_of_large_values_ends_early_and_says_that_there_are_more() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let large = "x".repeat(3 * 1024 * 1024);
    for _ in 0..4 {
        api.desk.report(id, JobEventKind::Items { name: "l".into(), values: vec![json!(large)] }).await;
    }
    let path = format!("/api/v1/jobs/{id}/items/l");
    let first = api.get(&path).await.ok();
    assert_eq!(first["values"].as_array().unwrap().len(), 2, "two of 3 MiB are within 8 MiB");
    let second = api.get(&format!("{path}?cursor={}", first["next_cursor"].as_str().unwrap())).await.ok();
    assert_eq!((second["values"].as_array().unwrap().len(), &second["next_cursor"]), (2, &json!(null)));

    for _ in 0..3 {
        api.desk.log(id, LogLevel::Info, &large).await;
    }
    let first = api.get(&format!("/api/v1/jobs/{id}/logs")).await.ok();
    assert_eq!((first["logs"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let rest = api.get(&format!("/api/v1/jobs/{id}/logs?after={}", first["next_after"])).await.ok();
    assert_eq!((rest["logs"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
}

#[tokio::test]
async fn log_lines_of_a_tree_are_filtered_and_read_on_from_the_last() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    for (job, level, message) in [
        (subs[0], LogLevel::Debug, "one"),
        (subs[1], LogLevel::Info, "two"),
        (subs[2], LogLevel::Warn, "three"),
        (subs[1], LogLevel::Error, "four"),
    ] {
        api.desk.log(job, level, message).await;
    }
    let get = async |job: JobId, query: &str| api.get(&format!("/api/v1/jobs/{job}/logs?{query}")).await.ok();
    let all = get(id, "").await;
    assert_eq!(texts(&all, "logs", "message"), ["one", "two", "three", "four"]);
    assert_eq!(all["more"], false);
    let line = &all["logs"][1];
    let expected = json!({
        "id": line["id"], "at": line["at"], "level": "info", "message": "two", "fields": { "row": 7 }, "job_id": subs[1],
        "job_type": "process", "parent_job_id": id, "attempt": 1,
    });
    assert_eq!(*line, expected);
    assert_eq!(texts(&get(id, "level=warn").await, "logs", "message"), ["three", "four"], "at least this grave");
    assert_eq!(texts(&get(id, "tree=false").await, "logs", "message"), [] as [&str; 0]);
    assert_eq!(texts(&get(subs[1], "").await, "logs", "message"), ["two", "four"]);

    let first = get(id, "limit=3").await;
    assert_eq!((texts(&first, "logs", "message").len(), &first["more"]), (3, &json!(true)));
    let rest = get(id, &format!("limit=3&after={}", first["next_after"])).await;
    assert_eq!(texts(&rest, "logs", "message"), ["four"]);
    let nothing = get(id, &format!("after={}", rest["next_after"])).await;
    assert_eq!(nothing, json!({ "logs": [], "next_after": rest["next_after"], "more": false }), "to ask again later");
    let refused = api.get(&format!("/api/v1/jobs/{id}/logs?level=loud")).await;
    assert!(refused.problem(400, "malformed").contains("trace, debug, info, warn or error"));
    assert!(api.get(&format!("/api/v1/jobs/{id}/logs?after=-1")).await.problem(400, "malformed").contains("after"));
}

#[tokio::test]
async fn a_part_of_a_tree_has_the_lines_of_all_below_it() {
    let api = Api::new().await;
    api.desk.apply(NESTED).await;
    let root = api.submit(json!({ "type": "outer", "params": { "groups": ["a", "b"] } })).await;
    let groups = api.sub_jobs(root).await;
    assert_eq!(groups.len(), 2);
    let (first, second) = (api.sub_jobs(groups[0]).await[0], api.sub_jobs(groups[1]).await[0]);
    api.desk.log(first, LogLevel::Info, "below the first").await;
    api.desk.log(second, LogLevel::Info, "below the second").await;
    let logs = async |job: JobId| api.get(&format!("/api/v1/jobs/{job}/logs")).await.ok();
    assert_eq!(texts(&logs(root).await, "logs", "message"), ["below the first", "below the second"]);
    assert_eq!(texts(&logs(groups[0]).await, "logs", "message"), ["below the first"]);
    assert_eq!(texts(&logs(second).await, "logs", "message"), ["below the second"]);
    let gone = api.desk.app.store.expire_logs(0, None, 1).await.unwrap();
    assert_eq!(gone.lines, 1, "the oldest");
    for (job, expired) in [(root, 1), (groups[0], 1), (first, 1), (groups[1], 0), (second, 0)] {
        assert_eq!(logs(job).await["expired"], expired, "those of all below it are missing, too");
    }

    api.desk.complete(first, json!({})).await;
    let history = api.get(&format!("/api/v1/jobs/{}/history", groups[0])).await.ok();
    let jobs: Vec<JobId> = texts(&history, "events", "job_id").iter().map(|id| id.parse().unwrap()).collect();
    assert!(jobs.contains(&first) && jobs.contains(&groups[0]), "{history:#}");
    assert!(!jobs.contains(&second) && !jobs.contains(&groups[1]) && !jobs.contains(&root), "{history:#}");
}

#[tokio::test]
async fn the_history_tells_what_happened_in_order_and_in_pages() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.start(id).await;
    let (warnings, items) = (Vec::new(), BTreeMap::new());
    api.desk.report(id, JobEventKind::Completed { result: json!({}), warnings, items, progress: None }).await;
    let path = format!("/api/v1/jobs/{id}/history");
    let all = api.get(&path).await.ok();
    let kinds = texts(&all, "events", "kind");
    assert_eq!(kinds.last(), Some(&"completed"), "{all:#}");
    assert!(kinds.contains(&"started"), "{all:#}");
    let event = all["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&event["job_id"], &event["attempt"], &event["dispatch"]), (&json!(id), &json!(1), &json!(1)));

    let (mut paged, mut after) = (Vec::new(), json!(0));
    loop {
        let page = api.get(&format!("{path}?limit=1&after={after}")).await.ok();
        paged.extend(page["events"].as_array().unwrap().clone());
        after = page["next_after"].clone();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(json!(paged), all["events"]);
}
