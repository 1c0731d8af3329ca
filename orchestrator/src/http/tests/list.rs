//! `GET /api/v1/jobs` and `GET /api/v1/jobs/{id}`

use drover_protocol::JobId;
use serde_json::json;

use super::{Api, ids, redacted};

/// Jobs of two types with labels, oldest first; the first has ended.
async fn jobs(api: &Api) -> Vec<JobId> {
    let mut made = Vec::new();
    for number in 0..7 {
        let job_type = if number % 2 == 0 { "validate" } else { "process" };
        let labels = json!({ "number": number.to_string(), "parity": (number % 2).to_string() });
        made.push(api.submit(json!({ "type": job_type, "labels": labels })).await);
    }
    api.desk.complete(made[0], json!({})).await;
    api.desk.start(made[1]).await;
    made
}

#[tokio::test]
async fn filters_narrow_the_list_and_each_other() {
    let api = Api::new().await;
    let made = jobs(&api).await;
    let list = async |query: &str| {
        let page = api.get(&format!("/api/v1/jobs?{query}")).await.ok();
        let found = ids(&page).iter().map(|id| made.iter().position(|job| job == id).unwrap()).collect::<Vec<_>>();
        assert_eq!(page["next_cursor"], json!(null), "{query}");
        found
    };
    assert_eq!(list("").await, [6, 5, 4, 3, 2, 1, 0], "newest first");
    assert_eq!(list("type=process").await, [5, 3, 1]);
    assert_eq!(list("status=completed").await, [0]);
    assert_eq!(list("status=completed,running").await, [1, 0]);
    assert_eq!(list("status=pending&type=validate").await, [6, 4, 2]);
    assert_eq!(list("label=parity:1").await, [5, 3, 1]);
    assert_eq!(list("label=parity:1&label=number:3").await, [3]);
    assert_eq!(list("label=parity:0&label=number:3").await, [] as [usize; 0]);
    assert_eq!(list("type=unheard_of").await, [] as [usize; 0]);

    let at = |job: &serde_json::Value| job["created_at"].as_str().unwrap().replace('+', "%2B");
    let third = at(&api.job(made[3]).await);
    assert_eq!(list(&format!("created_after={third}")).await, [6, 5, 4]);
    assert_eq!(list(&format!("created_before={third}")).await, [2, 1, 0]);
    assert_eq!(list("created_after=2001-01-01T00:00:00Z&created_before=9999-12-31T00:00:00Z").await.len(), 7);
    assert_eq!(list("created_before=1970-01-01T00:00:00Z").await.len(), 0);
}

#[tokio::test]
async fn pages_join_to_the_whole_list_and_the_last_has_no_next() {
    let api = Api::new().await;
    let made = jobs(&api).await;
    for limit in [1, 2, 3, 7, 8] {
        let (mut all, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = api.get(&format!("/api/v1/jobs?limit={limit}&cursor={cursor}")).await.ok();
            all.extend(ids(&page));
            pages += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert!(all.iter().rev().eq(made.iter()), "limit {limit}");
        assert_eq!(pages, made.len().div_ceil(limit), "limit {limit}");
    }
}

#[tokio::test]
async fn a_job_made_while_a_list_is_paged_changes_no_later_page() {
    let api = Api::new().await;
    let made = jobs(&api).await;
    let first = api.get("/api/v1/jobs?limit=3").await.ok();
    api.submit(json!({ "type": "validate" })).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/api/v1/jobs?limit=3&cursor={cursor}")).await.ok();
    assert_eq!(ids(&second), [made[3], made[2], made[1]]);
}

#[tokio::test]
async fn sub_jobs_are_listed_where_they_are_asked_for() {
    let api = Api::new().await;
    let (id, subs) = api.import(3).await;
    assert_eq!(ids(&api.get("/api/v1/jobs").await.ok()), [id]);
    assert_eq!(ids(&api.get("/api/v1/jobs?parent=none").await.ok()), [id]);
    let below = ids(&api.get(&format!("/api/v1/jobs?parent={id}")).await.ok());
    assert_eq!(below.len(), 4);
    assert!(subs.iter().all(|sub| below.contains(sub)) && below.is_sorted_by(|a, b| a > b));
    assert_eq!(ids(&api.get("/api/v1/jobs?parent=any").await.ok()).len(), 5);
    let some = ids(&api.get(&format!("/api/v1/jobs?parent={id}&type=process&status=pending")).await.ok());
    assert_eq!(some.len(), 3);
}

#[tokio::test]
async fn a_bad_query_names_the_parameter_and_the_way_out() {
    let api = Api::new().await;
    for (query, field, text) in [
        ("stauts=failed", "stauts", "known here: status, type, parent, label"),
        ("status=done", "status", "completed_with_errors"),
        ("type=No", "type", "^[a-z]"),
        ("parent=x", "parent", "none, any or a job's id"),
        ("label=x", "label", "KEY:VALUE"),
        ("label=a:1&label=a:2", "label", "given twice"),
        ("created_after=yesterday", "created_after", "RFC 3339"),
        ("limit=501", "limit", "from 1 to 500"),
        ("limit=5&limit=6", "limit", "given twice"),
        ("cursor=abc", "cursor", "next_cursor"),
        ("label=a:%00", "label", "NUL"),
    ] {
        let refused = api.get(&format!("/api/v1/jobs?{query}")).await;
        assert!(refused.problem(400, "malformed").contains(text), "{query}: {:#}", refused.body);
        assert_eq!(refused.body["field"], field, "{query}");
    }
}

#[tokio::test]
async fn the_view_of_a_job_is_the_contract() {
    let api = Api::new().await;
    let body = json!({ "type": "validate", "params": { "path": "/a" }, "labels": { "team": "a" } });
    let id = api.submit(body).await;
    api.desk.start(id).await;
    api.desk.progress(id, 45.257, "half way").await;
    insta::assert_json_snapshot!("job_running", redacted(&api.job(id).await));
    api.desk.fail(id, "the disk is full").await;
    insta::assert_json_snapshot!("job_failed", redacted(&api.job(id).await));
    insta::assert_json_snapshot!("job_list", redacted(&api.get("/api/v1/jobs").await.ok()));
}

#[tokio::test]
async fn the_view_of_a_workflow_is_the_contract() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    api.desk.start(subs[1]).await;
    api.desk.progress(subs[1], 50.0, "reading").await;
    insta::assert_json_snapshot!("workflow_running", redacted(&api.job(id).await));
    for sub in &subs[1..] {
        api.desk.complete(*sub, json!({ "rows": 3 })).await;
    }
    let ended = api.job(id).await;
    assert_eq!((&ended["status"], ended["progress"].as_f64()), (&json!("completed"), Some(100.0)), "{ended:#}");
    let mut shown = redacted(&ended);
    for path in ["/result/steps/check/duration_seconds", "/result/steps/load/0/duration_seconds"] {
        *shown.pointer_mut(path).unwrap() = "[seconds]".into();
    }
    *shown.pointer_mut("/result/steps/load/1/duration_seconds").unwrap() = "[seconds]".into();
    insta::assert_json_snapshot!("workflow_completed", shown);
}

#[tokio::test]
async fn a_text_is_found_in_parameters_labels_names_and_messages() {
    let api = Api::new().await;
    let report = api.submit(json!({ "type": "validate", "params": { "path": "/data/Report 50%.csv" } })).await;
    let labelled = api.submit(json!({ "type": "process", "labels": { "customer": "Müller_AG" } })).await;
    let failed = api.submit(json!({ "type": "process" })).await;
    api.desk.fail(failed, "connection REFUSED by 10.0.0.7").await;
    let list = async |query: &str| ids(&api.get(&format!("/api/v1/jobs?{query}")).await.ok());
    assert_eq!(list("text=report+50%25").await, [report]);
    assert_eq!(list("text=5_%25").await, [] as [JobId; 0], "no pattern");
    assert_eq!(list("text=m%C3%BCller_ag").await, [labelled]);
    assert_eq!(list("text=refused").await, [failed]);
    assert_eq!(list("text=process").await, [failed, labelled]);
    assert_eq!(list("text=process&status=failed").await, [failed]);
    assert_eq!(list("text=process&limit=1").await, [failed]);
    assert_eq!(list(&format!("text={report}")).await, [report]);
    let bulk = json!({ "filter": { "text": "process" }, "dry_run": true });
    let answer = api.post_json("/api/v1/jobs/cancel", &bulk).await;
    assert!(
        answer.problem(400, "malformed").contains("\"text\""),
        "what is looked through in part is no filter of an action"
    );
}

#[tokio::test]
async fn a_search_for_what_is_not_there_ends_and_goes_on_with_the_next_page() {
    let api = Api::new().await;
    let newest = api.submit(json!({ "type": "validate" })).await;
    // Older than any other; the very oldest has what is looked for.
    let copies = "INSERT INTO jobs
        SELECT (jsonb_populate_record(jobs, jsonb_build_object('id', copy, 'root_id', copy)
            || CASE WHEN number = 1 THEN '{\"params\": {\"a\": \"needle\"}}'::jsonb ELSE '{}' END)).*
        FROM jobs, generate_series(1, 20000) AS number,
            LATERAL (SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid AS copy) AS copies";
    api.desk.database.connect().await.unwrap().batch_execute(copies).await.unwrap();
    let page = api.get("/api/v1/jobs?text=needle").await.ok();
    assert_eq!(ids(&page), [] as [JobId; 0]);
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let empty = api.get("/jobs?text=needle").await.body;
    assert!(empty.as_str().unwrap().contains("have not been looked through yet"));
    let page = api.get(&format!("/api/v1/jobs?text=needle&cursor={cursor}")).await.ok();
    assert_eq!(ids(&page), ["00000000-0000-7000-8000-000000000001".parse().unwrap()]);
    assert_eq!(page["next_cursor"], json!(null));
    assert_eq!(ids(&api.get("/api/v1/jobs?limit=1").await.ok()), [newest]);
}

#[tokio::test]
async fn who_has_what_is_still_true_is_sent_nothing() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let path = format!("/api/v1/jobs/{id}");
    let first = api.get(&path).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = async || {
        let request = axum::http::Request::get(&path).header("if-none-match", &tag);
        api.ask(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let unchanged = again().await;
    assert_eq!((unchanged.status.as_u16(), unchanged.header("etag"), &unchanged.body), (304, tag.as_str(), &json!("")));
    assert_eq!(unchanged.header("content-type"), "");
    api.desk.start(id).await;
    let changed = again().await;
    assert_eq!(changed.body["status"], "running");
    assert_ne!(changed.header("etag"), tag);
    let missing = api.get(&format!("/api/v1/jobs/{}", JobId(uuid::Uuid::now_v7()))).await;
    assert_eq!((missing.status.as_u16(), missing.header("etag")), (404, ""));
    assert_eq!(api.get("/jobs").await.header("etag"), "", "pages are made for whoever looks");
}
