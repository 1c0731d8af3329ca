//! Recovery, asked for.

use std::collections::BTreeSet;

use drover_protocol::{JobId, RunningJob};
use serde_json::{Value, json};

use super::Api;
use crate::store::WorkerBeat;

impl Api {
    async fn dispatches(&self, jobs: &[JobId]) -> Vec<u64> {
        let mut dispatches = Vec::new();
        for id in jobs {
            dispatches.push(self.job(*id).await["dispatch"].as_u64().unwrap());
        }
        dispatches
    }

    async fn recover(&self, body: Value) -> Value {
        self.post_json("/api/v1/recover", &body).await.ok()
    }

    /// A heartbeat of the worker, with what it lists.
    async fn lists(&self, seq: u64, running: Vec<RunningJob>) {
        let (types, acknowledged) = (Vec::new(), BTreeSet::new());
        let (session, paused_version) = (self.desk.worker, None);
        let beat = WorkerBeat { session, seq, running, types, acknowledged, draining: false, paused_version };
        self.desk.app.store.heartbeats(&[beat]).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_published_and_not_started_is_dispatched_again_and_nothing_else() {
    let api = Api::new().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(api.submit(json!({ "type": "validate" })).await);
    }
    api.desk.relayed().await;
    api.desk.start(jobs[0]).await;
    api.post(&format!("/api/v1/jobs/{}/pause", jobs[1])).await.ok();
    api.desk.relayed().await;
    jobs.push(api.submit(json!({ "type": "validate", "run_at": "2999-01-01T00:00:00Z" })).await);
    jobs.push(api.submit(json!({ "type": "process" })).await);
    api.desk.folded().await;
    let young = api.recover(json!({ "older_than_seconds": 3600 })).await;
    assert_eq!(young, json!({ "redispatched": 0, "retried": 0, "next_cursor": null }));
    let answer = api.recover(json!({ "older_than_seconds": 0 })).await;
    assert_eq!((&answer["redispatched"], &answer["retried"]), (&json!(2), &json!(0)));
    assert_eq!(api.dispatches(&jobs).await, [1, 1, 2, 2, 0, 1], "the last one is in the outbox");
    let withdrawn = api.desk.database.connect().await.unwrap();
    let withdrawn = withdrawn.query("SELECT dispatch FROM withdrawals", &[]).await.unwrap();
    assert_eq!(withdrawn.len(), 3, "with the one that is paused");
    assert_eq!(api.post("/api/v1/recover").await.ok()["redispatched"], 0, "all of it is owed, or young");
}

#[tokio::test]
async fn many_are_recovered_page_by_page() {
    let api = Api::new().await;
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(api.submit(json!({ "type": if number % 2 == 0 { "validate" } else { "process" } })).await);
    }
    api.desk.relayed().await;
    api.desk.folded().await;
    let mut body = json!({ "older_than_seconds": 0, "limit": 2 });
    let (mut pages, mut count) = (0, 0);
    loop {
        let page = api.recover(body.clone()).await;
        api.desk.relayed().await;
        (pages, count) = (pages + 1, count + page["redispatched"].as_u64().unwrap());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        body["cursor"] = json!(cursor);
    }
    assert_eq!((pages, count), (3, 5));
    assert_eq!(api.dispatches(&jobs).await, [2; 5]);
}

#[tokio::test]
async fn what_no_worker_holds_any_more_is_retried() {
    let api = Api::new().await;
    let (listed, unlisted) =
        (api.submit(json!({ "type": "validate" })).await, api.submit(json!({ "type": "validate" })).await);
    for id in [listed, unlisted] {
        api.desk.start(id).await;
    }
    api.desk.relayed().await;
    let running = vec![RunningJob { job_id: listed, dispatch: 1 }];
    api.lists(100, running.clone()).await;
    api.desk.folded().await;
    let body = json!({ "older_than_seconds": 0 });
    assert_eq!(api.recover(body.clone()).await["retried"], 0, "one heartbeat may have been sent before it was begun");
    api.lists(101, running).await;
    let answer = api.recover(body.clone()).await;
    assert_eq!((&answer["retried"], &answer["redispatched"]), (&json!(1), &json!(0)));
    assert_eq!(api.dispatches(&[listed, unlisted]).await, [1, 2]);

    let client = api.desk.database.connect().await.unwrap();
    client.execute("UPDATE workers SET status = 'lost'", &[]).await.unwrap();
    assert_eq!(api.recover(body).await["retried"], 1);
    let job = api.job(listed).await;
    assert_eq!(
        (&job["dispatch"], &job["attempt"], &job["error"]["kind"]),
        (&json!(2), &json!(2), &json!("worker_lost"))
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_meant_is_refused() {
    let api = Api::new().await;
    for (body, words) in [
        (json!({ "older_than": 5 }), "unknown field \"older_than\"; known here: older_than_seconds"),
        (json!({ "older_than_seconds": -1 }), "a whole number from 0 to 604800"),
        (json!({ "limit": 1001 }), "from 1 to 1000"),
        (json!({ "cursor": "x" }), "no cursor of this list"),
        (json!(7), "no JSON object"),
    ] {
        assert!(api.post_json("/api/v1/recover", &body).await.problem(400, "malformed").contains(words), "{body}");
    }
}
