//! Cancel, pause, resume, retry, delete.

use drover_engine::Input;
use drover_protocol::JobId;
use serde_json::json;

use super::Api;

fn at(id: JobId, action: &str) -> String {
    format!("/api/v1/jobs/{id}/{action}")
}

#[tokio::test]
async fn a_running_job_is_cancelled_and_asking_twice_is_no_error() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.start(id).await;
    for _ in 0..2 {
        let answer = api.post(&at(id, "cancel")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("cancelling")));
        assert_eq!(answer.body["id"], json!(id));
    }
    let now = api.post(&at(id, "cancel?now=true")).await;
    assert_eq!((now.status.as_u16(), &now.body["status"]), (202, &json!("cancelled")), "{now:?}");
}

#[tokio::test]
async fn fault_7_cancelling_a_finished_job_says_so_and_changes_nothing() {
    let api = Api::new().await;
    let (completed, failed) =
        (api.submit(json!({ "type": "validate" })).await, api.submit(json!({ "type": "validate" })).await);
    api.desk.complete(completed, json!({ "files": 3 })).await;
    api.desk.fail(failed, "the disk is full").await;
    for (id, status) in [(completed, "completed"), (failed, "failed")] {
        let before = (api.job(id).await, api.get(&at(id, "history")).await.ok());
        for query in ["cancel", "cancel?now=true"] {
            let refused = api.post(&at(id, query)).await;
            assert!(refused.problem(409, "already_finished").contains(status));
            assert_eq!(refused.body["job_status"], status);
        }
        assert_eq!((api.job(id).await, api.get(&at(id, "history")).await.ok()), before, "nothing changes");
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

impl Api {
    /// The worker acknowledges every withdrawal.
    async fn obeys_withdrawals(&self) {
        let client = self.desk.database.connect().await.unwrap();
        let rows = client.query("SELECT DISTINCT control_id FROM withdrawals", &[]).await.unwrap();
        let beat = crate::store::WorkerBeat {
            session: self.desk.worker,
            seq: 1_000,
            running: Vec::new(),
            types: vec![crate::testing::job_type("validate"), crate::testing::job_type("process")],
            acknowledged: rows.iter().map(|row| drover_protocol::ControlId(row.get(0))).collect(),
            draining: false,
            paused_version: None,
        };
        self.desk.app.store.heartbeats(&[beat]).await.unwrap();
    }
}

#[tokio::test]
async fn a_paused_workflow_says_so_and_begins_nothing_until_it_is_resumed() {
    let api = Api::new().await;
    let (id, subs) = api.import(12).await;
    assert_eq!(subs.len(), 11, "the first step, and a window of ten");
    api.desk.start(subs[1]).await;
    let before = api.job(id).await;
    assert_eq!((&before["paused"], &before["paused_at"]), (&json!(false), &json!(null)));
    for _ in 0..2 {
        let answer = api.post(&at(id, "pause")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("running")));
        assert_eq!((&answer.body["paused"], answer.body["paused_at"].is_string()), (&json!(true), true));
        assert_eq!(answer.body["metadata"]["message"], "Paused: 1 of 12 sub-jobs still running");
    }
    let withdrawn = api.job(subs[2]).await;
    assert_eq!((&withdrawn["status"], &withdrawn["paused"]), (&json!("pending"), &json!(true)));
    api.desk.complete(subs[1], json!({})).await;
    let job = api.job(id).await;
    assert_eq!((&job["metadata"]["message"], &job["metadata"]["active_sub_job"]), (&json!("Paused"), &json!(null)));
    assert_eq!(api.sub_jobs(id).await.len(), 11, "the window does not move");

    // As the duties would: nothing is due, nothing is lost, no message is made.
    let store = &api.desk.app.store;
    assert_eq!(store.due(100).await.unwrap().len(), 0);
    assert_eq!(store.lost_dispatches("another", &Default::default(), 100).await.unwrap().len(), 0);
    assert_eq!(store.job_messages(&[(subs[2], 1)]).await.unwrap(), []);

    let paused = api.get("/api/v1/jobs?paused=true").await.ok();
    assert_eq!(super::ids(&paused), [id]);
    assert_eq!(super::ids(&api.get("/api/v1/jobs?paused=false").await.ok()), []);
    let part = api.post(&at(subs[2], "resume")).await;
    assert!(part.problem(409, "paused_above").contains(&id.to_string()));

    for _ in 0..2 {
        let answer = api.post(&at(id, "resume")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["paused"]), (202, &json!(false)), "{answer:?}");
    }
    assert_eq!(api.sub_jobs(id).await.len(), 12, "the window moves on");
    let resumed = api.job(subs[2]).await;
    assert_eq!((&resumed["dispatch"], &resumed["paused"]), (&json!(1), &json!(false)), "a worker may have begun it");
    api.desk.folded().await;
    assert_eq!(store.settled_withdrawals(100, PATIENCE).await.unwrap().len(), 0, "it has not said that it has not");
    api.obeys_withdrawals().await;
    let never = store.settled_withdrawals(100, PATIENCE).await.unwrap();
    assert_eq!(never.len(), 9);
    store.fold(&api.desk.app.context, never).await.unwrap();
    assert_eq!(api.job(subs[2]).await["dispatch"], 2);
    assert_eq!(store.job_messages(&[(subs[2], 2)]).await.unwrap().len(), 1);
    let history = api.get(&at(id, "history")).await.ok();
    let kinds: Vec<&str> =
        history["events"].as_array().unwrap().iter().filter_map(|event| event["kind"].as_str()).collect();
    for (kind, times) in [("paused", 1), ("withdrawn", 9), ("resumed", 1)] {
        assert_eq!(kinds.iter().filter(|other| **other == kind).count(), times, "{kind}: {kinds:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_paused_says_why() {
    let api = Api::new().await;
    let (running, completed, cancelling) = (
        api.submit(json!({ "type": "validate" })).await,
        api.submit(json!({ "type": "validate" })).await,
        api.submit(json!({ "type": "validate" })).await,
    );
    api.desk.start(running).await;
    api.desk.complete(completed, json!({})).await;
    api.post(&at(cancelling, "cancel")).await.ok();
    let refused = api.post(&at(running, "pause")).await;
    assert!(refused.problem(409, "at_work").contains("goes on to its end"));
    assert_eq!(refused.body["job_status"], "running");
    for action in ["pause", "resume"] {
        assert!(api.post(&at(completed, action)).await.problem(409, "already_finished").contains("completed"));
    }
    api.post(&at(cancelling, "pause")).await.problem(409, "cancelling");

    let waiting = api.submit(json!({ "type": "validate" })).await;
    assert_eq!(api.post(&at(waiting, "pause")).await.ok()["paused"], true);
    assert_eq!(api.post(&at(waiting, "cancel")).await.ok()["paused"], false, "a cancel goes through");
}

#[tokio::test]
async fn a_worker_that_arrives_is_told_what_was_withdrawn() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.post(&at(id, "pause")).await.ok();
    let arrival = crate::store::WorkerArrival {
        session: drover_protocol::WorkerSession(uuid::Uuid::now_v7()),
        seq: 1,
        types: Vec::new(),
        version: "1".into(),
        host: "here".into(),
        concurrency: 1,
        control_queue: None,
    };
    let store = &api.desk.app.store;
    let briefing = store.worker_up(&arrival, 10).await.unwrap();
    let [(withdrawn, Some(_))] = briefing.withdrawn.as_slice() else { panic!("{briefing:?}") };
    assert_eq!(*withdrawn, drover_protocol::RunningJob { job_id: id, dispatch: 1 });
    store.delete_tombstones(std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(store.worker_up(&arrival, 10).await.unwrap().withdrawn.len(), 1, "it is kept while the job is paused");
    api.post(&at(id, "resume")).await.ok();
    store.delete_tombstones(std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(store.worker_up(&arrival, 10).await.unwrap().withdrawn.len(), 1, "and until workers have let go of it");
    // One that knows no such acknowledgement is not waited for longer than this.
    let never = store.settled_withdrawals(100, std::time::Duration::ZERO).await.unwrap();
    store.fold(&api.desk.app.context, never).await.unwrap();
    assert_eq!(api.job(id).await["dispatch"], 2);
    store.delete_tombstones(std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(store.worker_up(&arrival, 10).await.unwrap().withdrawn, []);
}

#[tokio::test]
async fn a_failed_job_is_retried_and_others_are_not() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let early = api.post(&at(id, "retry")).await;
    early.problem(409, "not_finished");
    assert_eq!(early.body["job_status"], "pending");
    api.desk.fail(id, "the disk is full").await;
    let answer = api.post(&at(id, "retry?from=start")).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("pending")));
    assert_eq!((&answer.body["attempt"], &answer.body["error"]), (&json!(2), &json!(null)));

    let done = api.submit(json!({ "type": "validate" })).await;
    api.desk.complete(done, json!({})).await;
    let refused = api.post(&at(done, "retry")).await;
    assert!(refused.problem(409, "not_retryable").contains("nothing to retry"));
    assert_eq!(refused.body["job_status"], "completed");
    let bad = api.post(&at(id, "retry?from=middle")).await;
    assert!(bad.problem(400, "malformed").contains("failed or start"));
}

#[tokio::test]
async fn a_sub_job_of_a_finished_workflow_is_not_retried() {
    let api = Api::new().await;
    let (id, subs) = api.import(1).await;
    api.desk.fail(subs[1], "the disk is full").await;
    assert_eq!(api.job(id).await["status"], "completed_with_errors");
    let refused = api.post(&at(subs[1], "retry")).await;
    assert!(refused.problem(409, "parent_finished").contains(&id.to_string()));
    assert_eq!(api.post(&at(id, "retry")).await.status, 202, "its workflow is");
}

#[tokio::test]
async fn only_whole_finished_trees_are_deleted() {
    let api = Api::new().await;
    let (id, subs) = api.import(1).await;
    let path = format!("/api/v1/jobs/{id}");
    let running = api.delete(&path).await;
    assert!(running.problem(409, "not_finished").contains("cancel it"));
    assert_eq!(running.body["job_status"], "running");
    api.desk.complete(subs[1], json!({})).await;
    let part = api.delete(&format!("/api/v1/jobs/{}", subs[1])).await;
    assert!(part.problem(409, "sub_job").contains(&id.to_string()));

    let gone = api.delete(&path).await;
    assert_eq!((gone.status.as_u16(), &gone.body), (204, &json!("")));
    api.get(&path).await.problem(404, "not_found");
    api.get(&format!("/api/v1/jobs/{}", subs[1])).await.problem(404, "not_found");
    api.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_cancelled_workflow_ends_when_its_sub_jobs_have() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    api.desk.start(subs[1]).await;
    let answer = api.post(&at(id, "cancel")).await;
    assert_eq!(answer.body["status"], "cancelling");
    api.desk
        .report(
            subs[1],
            drover_protocol::JobEventKind::Cancelled { result: None, items: Default::default(), progress: None },
        )
        .await;
    assert_eq!(api.job(id).await["status"], "cancelling", "the other was published and may yet start");
    let never = Input::NeverStarted { job_id: subs[2], dispatch: 1 };
    let folded = api.desk.app.store.fold(&api.desk.app.context, vec![never]).await.unwrap();
    api.desk.app.committed(folded);
    assert_eq!(api.job(id).await["status"], "cancelled");
}

#[tokio::test]
async fn an_unknown_job_is_not_found_and_a_bad_id_is_named() {
    let api = Api::new().await;
    let nobody = JobId(uuid::Uuid::now_v7());
    for action in ["cancel", "pause", "resume", "retry"] {
        assert!(api.post(&at(nobody, action)).await.problem(404, "not_found").contains(&nobody.to_string()));
    }
    for part in ["jobs", "items/files", "logs", "history", "events"] {
        api.get(&at(nobody, part)).await.problem(404, "not_found");
    }
    for bad in ["7", "x%00", "%ff", "01980c5e"] {
        let refused = api.get(&format!("/api/v1/jobs/{bad}")).await;
        refused.problem(400, "malformed");
    }
    let refused = api.get("/api/v1/jobs/01980c5e").await;
    assert!(refused.problem(400, "malformed").contains("01980c5e"));
    assert_eq!(refused.body["field"], "id");
}
