//! Many jobs at once: cancelled, retried, deleted by a filter.

use drover_protocol::JobId;
use serde_json::{Value, json};

use super::{Api, ids};

impl Api {
    /// Does something with many, which must be served.
    async fn many(&self, action: &str, body: Value) -> Value {
        self.post_json(&format!("/api/v1/jobs/{action}"), &body).await.ok()
    }

    async fn statuses(&self, jobs: &[JobId]) -> Vec<String> {
        let mut statuses = Vec::new();
        for id in jobs {
            statuses.push(self.job(*id).await["status"].as_str().unwrap().to_owned());
        }
        statuses
    }

    /// Jobs of a type, in the order of their making.
    async fn make(&self, job_type: &str, count: usize) -> Vec<JobId> {
        let mut jobs = Vec::new();
        for number in 0..count {
            let labels = json!({ "number": number.to_string(), "team": "sales" });
            jobs.push(self.submit(json!({ "type": job_type, "labels": labels })).await);
        }
        jobs
    }
}

fn counts(answer: &Value) -> (u64, u64, usize) {
    let number = |name: &str| answer[name].as_u64().unwrap();
    (number("matched"), number("done"), answer["refused"].as_array().unwrap().len())
}

#[tokio::test]
async fn a_filter_means_what_the_list_of_it_shows() {
    let api = Api::new().await;
    let jobs = api.make("validate", 4).await;
    let (workflow, _) = api.import(3).await;
    api.desk.start(jobs[0]).await;
    api.desk.fail(jobs[1], "the disk is full").await;
    let made = api.job(jobs[2]).await["created_at"].as_str().unwrap().to_owned();
    let escaped = made.replace('+', "%2B");
    let cases = [
        ("type=validate&status=pending,running".to_owned(), json!({ "type": "validate" })),
        ("label=team:sales&status=pending,running".into(), json!({ "label": ["team:sales"] })),
        (
            "label=team:sales&label=number:2&status=pending,running".into(),
            json!({ "label": ["team:sales", "number:2"] }),
        ),
        ("status=running".into(), json!({ "status": "running" })),
        ("status=pending,running&parent=none".into(), json!({ "status": ["pending", "running"] })),
        (format!("parent={workflow}&status=pending,running"), json!({ "parent": workflow })),
        (format!("created_before={escaped}&status=pending,running"), json!({ "created_before": made })),
        (format!("created_after={escaped}&status=pending,running"), json!({ "created_after": made })),
        ("paused=false&status=pending,running".into(), json!({ "paused": false })),
    ];
    for (query, filter) in cases {
        let listed = ids(&api.get(&format!("/api/v1/jobs?limit=500&{query}")).await.ok());
        let dry = api.many("cancel", json!({ "filter": filter, "dry_run": true })).await;
        assert_eq!(counts(&dry), (u64::try_from(listed.len()).unwrap(), 0, 0), "{query}");
        assert!(!listed.is_empty(), "{query} shows something");
    }
    assert_eq!(api.statuses(&jobs).await, ["running", "failed", "pending", "pending"], "only counted");
}

#[tokio::test]
async fn what_has_not_ended_is_cancelled_and_asking_again_finds_nothing() {
    let api = Api::new().await;
    let jobs = api.make("validate", 4).await;
    api.desk.start(jobs[1]).await;
    api.desk.complete(jobs[2], json!({})).await;
    let (workflow, subs) = api.import(2).await;
    let of_others = api.submit(json!({ "type": "process", "labels": { "team": "ops" } })).await;

    let answer = api.many("cancel", json!({ "filter": { "label": "team:sales" } })).await;
    assert_eq!((counts(&answer), &answer["next_cursor"]), ((3, 3, 0), &json!(null)));
    assert_eq!(api.statuses(&jobs).await, ["cancelling", "cancelling", "completed", "cancelling"]);
    assert_eq!(api.statuses(&[workflow, of_others]).await, ["running", "pending"]);
    let again = api.many("cancel", json!({ "filter": { "label": "team:sales" } })).await;
    assert_eq!(counts(&again), (0, 0, 0));

    let answer = api.many("cancel", json!({ "filter": { "type": "import" } })).await;
    assert_eq!(counts(&answer), (1, 1, 0));
    assert_eq!(api.statuses(&[workflow, subs[1]]).await, ["cancelling", "cancelling"], "with all that is below it");
    let answer = api.many("cancel", json!({ "filter": { "label": "team:sales" }, "now": true })).await;
    assert_eq!(counts(&answer), (3, 3, 0), "what is cancelling is written off");
    assert_eq!(api.statuses(&jobs).await, ["cancelled", "cancelled", "completed", "cancelled"]);
}

#[tokio::test]
async fn many_are_done_page_by_page_and_what_is_made_meanwhile_is_not_meant() {
    let api = Api::new().await;
    let jobs = api.make("validate", 5).await;
    let mut body = json!({ "filter": { "type": "validate" }, "limit": 2 });
    let first = api.many("cancel", body.clone()).await;
    assert_eq!(counts(&first), (2, 2, 0));
    assert_eq!(api.statuses(&jobs[2..]).await, ["pending", "cancelling", "cancelling"], "newest first");
    let late = api.make("validate", 1).await;
    let mut done = 2;
    let mut page = first;
    while let Some(cursor) = page["next_cursor"].as_str() {
        body["cursor"] = json!(cursor);
        // Twice: a page may be asked for again.
        page = api.many("cancel", body.clone()).await;
        done += counts(&page).1;
        assert_eq!(counts(&api.many("cancel", body.clone()).await).2, 0);
    }
    assert!(done <= 5, "{done}");
    assert!(api.statuses(&jobs).await.iter().all(|status| status == "cancelling"));
    assert_eq!(api.statuses(&late).await, ["pending"]);
}

#[tokio::test]
async fn what_failed_is_retried_and_what_was_cancelled_only_when_that_is_said() {
    let api = Api::new().await;
    let jobs = api.make("validate", 4).await;
    api.desk.fail(jobs[0], "the disk is full").await;
    api.desk.complete(jobs[1], json!({})).await;
    api.post(&format!("/api/v1/jobs/{}/cancel?now=true", jobs[2])).await.ok();
    let answer = api.many("retry", json!({ "filter": { "type": "validate" }, "from": "start" })).await;
    assert_eq!(counts(&answer), (1, 1, 0));
    assert_eq!(api.statuses(&jobs).await, ["pending", "completed", "cancelled", "pending"]);
    assert_eq!(api.job(jobs[0]).await["attempt"], 2);
    let answer = api.many("retry", json!({ "filter": { "status": "cancelled" } })).await;
    assert_eq!(counts(&answer), (1, 1, 0));
    assert_eq!(api.statuses(&jobs).await, ["pending", "completed", "pending", "pending"]);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_job_by_job() {
    let api = Api::new().await;
    let (workflow, subs) = api.import(2).await;
    api.desk.fail(subs[1], "the disk is full").await;
    api.desk.fail(subs[2], "the disk is full").await;
    let answer = api.many("retry", json!({ "filter": { "parent": workflow } })).await;
    assert_eq!(counts(&answer), (2, 0, 2));
    let refused = &answer["refused"][0];
    assert_eq!((&refused["id"], &refused["kind"]), (&json!(subs[2]), &json!("parent_finished")), "newest first");
    assert!(refused["reason"].as_str().unwrap().contains(&workflow.to_string()), "{refused}");
    let answer = api.many("delete", json!({ "filter": { "parent": workflow, "status": "failed" } })).await;
    assert_eq!((counts(&answer), &answer["refused"][0]["kind"]), ((2, 0, 2), &json!("sub_job")));
}

#[tokio::test]
async fn one_that_cannot_be_folded_harms_itself_only() {
    let api = Api::new().await;
    let jobs = api.make("validate", 3).await;
    let client = api.desk.database.connect().await.unwrap();
    client.execute("UPDATE jobs SET policy = '7' WHERE id = $1", &[&jobs[1].0]).await.unwrap();
    let answer = api.many("cancel", json!({ "all": true })).await;
    assert_eq!(counts(&answer), (3, 2, 1));
    let refused = &answer["refused"][0];
    assert_eq!((&refused["id"], &refused["kind"]), (&json!(jobs[1]), &json!("internal")));
    assert_eq!(api.statuses(&[jobs[0], jobs[2]]).await, ["cancelling", "cancelling"]);
}

#[tokio::test]
async fn finished_trees_are_deleted_and_others_stay() {
    let api = Api::new().await;
    let jobs = api.make("validate", 5).await;
    for id in &jobs[..3] {
        api.desk.complete(*id, json!({})).await;
    }
    api.desk.start(jobs[3]).await;
    let (workflow, subs) = api.import(1).await;
    api.desk.complete(subs[1], json!({})).await;
    assert_eq!(api.job(workflow).await["status"], "completed");
    let mut answer = api.many("delete", json!({ "all": true, "limit": 3 })).await;
    assert_eq!(counts(&answer), (3, 3, 0));
    answer = api.many("delete", json!({ "all": true, "limit": 3, "cursor": answer["next_cursor"] })).await;
    assert_eq!((counts(&answer), &answer["next_cursor"]), ((1, 1, 0), &json!(null)));
    let left = ids(&api.get("/api/v1/jobs?parent=any").await.ok());
    assert_eq!(left, [jobs[4], jobs[3]]);
    let client = api.desk.database.connect().await.unwrap();
    let of_gone = "SELECT count(*) FROM history WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = history.root_id)";
    assert_eq!(client.query_one(of_gone, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn all_jobs_are_meant_only_when_it_is_said() {
    let api = Api::new().await;
    let jobs = api.make("validate", 1).await;
    for action in ["cancel", "retry", "delete"] {
        let path = format!("/api/v1/jobs/{action}");
        for body in [json!({}), json!({ "filter": {} }), json!({ "filter": { "parent": "none" } })] {
            let refused = api.post_json(&path, &body).await;
            let detail = refused.problem(400, "malformed");
            assert!(detail.contains("status, type") && detail.contains("\"all\": true"), "{detail}");
        }
        for (body, words) in [
            (json!({ "filter": { "stauts": "failed" } }), "unknown field \"stauts\"; known here: status, type"),
            (json!({ "filter": { "parent": "any" } }), "/filter/parent: give none or a job's id"),
            (json!({ "filter": { "label": "team" } }), "KEY:VALUE"),
            (json!({ "filter": { "type": "a" }, "all": true }), "give one of the two"),
            (
                json!({ "all": true, "from": "middle", "now": true }),
                if action == "cancel" { "\"from\"" } else { "\"now\"" },
            ),
        ] {
            let answer = api.post_json(&path, &body).await;
            let detail = answer.problem(400, "malformed");
            assert!(detail.contains(words) || detail.contains("unknown field"), "{body}: {detail}");
        }
    }
    for (action, status, words) in [
        ("cancel", "completed", "a job that is completed is not cancelled; this takes pending, running, cancelling"),
        ("retry", "completed", "a job that is completed is not retried"),
        ("delete", "failed,running", "a job that is running is not deleted"),
    ] {
        let body = json!({ "filter": { "status": status } });
        let refused = api.post_json(&format!("/api/v1/jobs/{action}"), &body).await;
        assert!(refused.problem(400, "malformed").contains(words), "{refused:?}");
        assert_eq!(refused.body["field"], "/filter/status");
    }
    assert_eq!(api.statuses(&jobs).await, ["pending"]);
}
