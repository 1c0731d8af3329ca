//! Pruning, asked for and by the clock.

use std::{collections::BTreeMap, time::Duration};

use drover_protocol::JobId;
use drover_tests::wait::{self, Seen};
use serde_json::{Value, json};

use super::Api;
use crate::{
    retention::{RetentionSection, TypeRetention},
    store::DeadLetter,
    testing::{Desk, job_type},
};

async fn keeping(retention: RetentionSection) -> Api {
    Api::of(Desk::with(|app| app.retention = retention).await, 1).await
}

impl Api {
    /// A job of this type that ended so many days ago.
    async fn ended(&self, job_type: &str, days_ago: f64) -> JobId {
        let id = self.submit(json!({ "type": job_type })).await;
        self.desk.start(id).await;
        self.desk.complete(id, json!({})).await;
        self.end_earlier(id, days_ago).await;
        id
    }

    async fn end_earlier(&self, id: JobId, days_ago: f64) {
        let client = self.desk.database.connect().await.unwrap();
        let earlier = "UPDATE jobs SET finished_at = finished_at - make_interval(secs => $2) WHERE id = $1";
        client.execute(earlier, &[&id.0, &(days_ago * 86_400.0)]).await.unwrap();
    }

    async fn prune(&self, body: Value) -> Value {
        self.post_json("/api/v1/prune", &body).await.ok()
    }

    /// Which of these jobs are there.
    async fn there(&self, jobs: &[JobId]) -> Vec<bool> {
        let mut there = Vec::new();
        for id in jobs {
            there.push(self.get(&format!("/api/v1/jobs/{id}")).await.status == 200);
        }
        there
    }

    /// How many rows the tables have that are kept of jobs.
    async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let client = self.desk.database.connect().await.unwrap();
        let mut rows = BTreeMap::new();
        for table in ["jobs", "batches", "fan_outs", "items", "history", "logs", "submissions"] {
            let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
            rows.insert(table, count.get(0));
        }
        rows
    }
}

#[tokio::test]
async fn what_ended_long_ago_goes_and_nothing_else() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let old = api.ended("validate", 31.0).await;
    let young = api.ended("validate", 29.0).await;
    let waiting = api.submit(json!({ "type": "validate" })).await;
    let client = api.desk.database.connect().await.unwrap();
    client.execute("UPDATE jobs SET created_at = created_at - interval '90 days'", &[]).await.unwrap();
    let of_type = json!([{ "type": "validate", "trees": 1, "jobs": 1, "more": false }]);
    let expected = json!({ "dry_run": true, "types": of_type, "dead_letters": 0, "next_cursor": null });
    assert_eq!(api.prune(json!({ "dry_run": true })).await, expected);
    assert_eq!(api.there(&[old, young, waiting]).await, [true, true, true], "it was only counted");
    assert_eq!(api.post("/api/v1/prune").await.ok()["types"], of_type);
    assert_eq!(api.there(&[old, young, waiting]).await, [false, true, true]);
    assert_eq!(api.prune(json!({})).await["types"], json!([]), "all is done");
}

#[tokio::test]
async fn a_tree_goes_whole_with_all_that_is_kept_of_it_and_by_the_end_of_its_root() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let (root, subs) = api.import(2).await;
    for sub in &subs {
        api.end_earlier(*sub, 90.0).await;
    }
    api.desk.log(subs[1], drover_protocol::LogLevel::Info, "a line").await;
    assert_eq!(api.prune(json!({})).await["types"], json!([]), "its root is at work");
    api.desk.complete(subs[1], json!({})).await;
    api.desk.complete(subs[2], json!({})).await;
    assert_eq!(api.job(root).await["status"], "completed");
    assert_eq!(api.prune(json!({})).await["types"], json!([]), "its root has only just ended");
    api.end_earlier(root, 31.0).await;
    let of_type = json!([{ "type": "import", "trees": 1, "jobs": 4, "more": false }]);
    assert_eq!(api.prune(json!({ "dry_run": true })).await["types"], of_type);
    assert_eq!(api.prune(json!({})).await["types"], of_type);
    assert!(api.rows().await.values().all(|rows| *rows == 0), "{:?}", api.rows().await);
}

#[tokio::test]
async fn of_each_type_the_newest_are_kept_by_its_own_number() {
    let own = TypeRetention { keep: Some(1), days: None };
    let types = BTreeMap::from([(job_type("process"), own)]);
    let api = keeping(RetentionSection { keep: 2, types, ..RetentionSection::default() }).await;
    let mut jobs = Vec::new();
    for name in ["validate", "process"] {
        for days_ago in [1.0, 4.0, 2.0, 3.0] {
            jobs.push(api.ended(name, days_ago).await);
        }
    }
    let counted = api.prune(json!({ "dry_run": true })).await;
    let count = |name: &str, trees: u32| json!({ "type": name, "trees": trees, "jobs": trees, "more": false });
    assert_eq!(counted["types"], json!([count("process", 3), count("validate", 2)]));
    assert_eq!(api.prune(json!({})).await["types"], counted["types"]);
    assert_eq!(api.there(&jobs).await, [true, false, true, false, true, false, false, false]);
}

#[tokio::test]
async fn trees_that_ended_at_the_same_time_are_told_apart() {
    let api = keeping(RetentionSection { keep: 2, ..RetentionSection::default() }).await;
    for _ in 0..5 {
        api.ended("validate", 1.0).await;
    }
    let client = api.desk.database.connect().await.unwrap();
    client.execute("UPDATE jobs SET finished_at = '2026-01-01'", &[]).await.unwrap();
    assert_eq!(api.prune(json!({})).await["types"][0]["trees"], 3);
    assert_eq!(api.rows().await["jobs"], 2);
}

#[tokio::test]
async fn nothing_goes_where_everything_is_kept() {
    let api = Api::new().await;
    let job = api.ended("validate", 10_000.0).await;
    assert_eq!(api.prune(json!({})).await["types"], json!([]));
    assert_eq!(api.there(&[job]).await, [true]);
}

#[tokio::test]
async fn dead_letters_go_by_their_age() {
    let api = keeping(RetentionSection { dead_letter_days: 7.0, ..RetentionSection::default() }).await;
    let letter = DeadLetter {
        queue: "drover.events".into(),
        reason: "rejected".into(),
        detail: None,
        message_id: None,
        message_type: None,
        content_type: None,
        body: b"{".to_vec(),
        whole_bytes: None,
        properties: json!({}),
        job_id: None,
        redrives: 0,
    };
    api.desk.app.store.insert_dead_letters(&[letter.clone(), letter]).await.unwrap();
    let client = api.desk.database.connect().await.unwrap();
    let earlier = "UPDATE dead_letters SET at = at - interval '8 days' WHERE id = (SELECT min(id) FROM dead_letters)";
    client.execute(earlier, &[]).await.unwrap();
    assert_eq!(api.prune(json!({ "dry_run": true })).await["dead_letters"], 1);
    assert_eq!(api.prune(json!({})).await["dead_letters"], 1);
    assert_eq!(api.get("/api/v1/dead").await.ok()["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_of_what_is_gone_makes_a_new_job() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let submission = json!({ "type": "validate", "idempotency_key": "k" });
    let first = api.submit(submission.clone()).await;
    api.desk.start(first).await;
    api.desk.complete(first, json!({})).await;
    assert_eq!(api.submit(submission.clone()).await, first);
    api.end_earlier(first, 31.0).await;
    api.prune(json!({})).await;
    assert_ne!(api.submit(submission).await, first);
}

#[tokio::test]
async fn a_replica_that_is_at_it_is_waited_for() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let job = api.ended("validate", 31.0).await;
    let mut other = api.desk.database.connect().await.unwrap();
    let pruning = other.transaction().await.unwrap();
    pruning.query_one(include_str!("../../store/sql/try_prune_lock.sql"), &[]).await.unwrap();
    let since: chrono::DateTime<chrono::Utc> = pruning.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    let app = std::sync::Arc::clone(&api.desk.app);
    let patient = tokio::spawn(async move { app.prune(None).await });
    let watch = api.desk.database.connect().await.unwrap();
    wait::until("a try while the other one is at it", Duration::from_secs(10), async || {
        // The question, or the end of the transaction that asked it.
        let tried = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND (query LIKE '%pg_try_advisory_xact_lock(1919905898, 0)%' OR query = 'ROLLBACK') AND query_start > $2
            AND pid NOT IN (pg_backend_pid(), $1)";
        let holder: i32 = pruning.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let tries: i64 = watch.query_one(tried, &[&holder, &since]).await?.get(0);
        Ok(if tries > 0 { Seen::Yes(()) } else { Seen::not_yet("nobody tried") })
    })
    .await
    .unwrap();
    assert_eq!(api.there(&[job]).await, [true]);
    pruning.commit().await.unwrap();
    assert_eq!(patient.await.unwrap().unwrap().types[0].trees, 1);
}

#[tokio::test]
async fn a_tree_that_cannot_go_keeps_no_other_type() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let stuck = api.ended("process", 31.0).await;
    let other = api.ended("validate", 31.0).await;
    let client = api.desk.database.connect().await.unwrap();
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON jobs FOR EACH ROW WHEN (OLD.id = '{stuck}') EXECUTE FUNCTION refuse()"
    );
    client.batch_execute(&refuse).await.unwrap();
    assert!(api.desk.app.prune(None).await.is_err(), "it is told");
    assert_eq!(api.there(&[stuck, other]).await, [true, false]);
}

/// A tree is deleted whole, and a large one takes its time.
#[tokio::test]
async fn deleting_may_take_longer_than_other_statements() {
    let api = keeping(RetentionSection { days: 30.0, ..RetentionSection::default() }).await;
    let jobs = [api.ended("validate", 31.0).await, api.ended("validate", 1.0).await];
    let client = api.desk.database.connect().await.unwrap();
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('statement_timeout') <> '10min' THEN RAISE EXCEPTION 'too slow'; END IF;
            RETURN OLD;
        END $$;
        CREATE TRIGGER slow BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION slow()";
    client.batch_execute(slow).await.unwrap();
    api.prune(json!({})).await;
    assert_eq!(api.there(&jobs).await, [false, true]);
    assert_eq!(api.delete(&format!("/api/v1/jobs/{}", jobs[1])).await.status, 204);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let api = Api::new().await;
    let unknown = api.post_json("/api/v1/prune", &json!({ "days": 3 })).await;
    assert!(unknown.problem(400, "malformed").contains("known here: dry_run, cursor"));
    let cursor = api.post_json("/api/v1/prune", &json!({ "cursor": "x" })).await;
    assert!(cursor.problem(400, "malformed").contains("next_cursor"));
}
