//! Cancel, retry, delete.

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
    api.desk.report(subs[1], drover_protocol::JobEventKind::Cancelled { result: None, progress: None }).await;
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
    for action in ["cancel", "retry"] {
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
