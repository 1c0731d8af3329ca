//! Answers to what waits for a signal.

use axum::http::Method;
use drover_engine::Input;
use drover_protocol::{JobEvent, JobEventKind, JobId};
use serde_json::json;

use super::Api;
use crate::access::Role;

/// A workflow that waits before it does something.
const RELEASE: &str = "
name: release
title: Release
steps:
  - { key: gate, title: Approve the release, wait_for: signal, timeout: 2h, params: { version: 7 } }
  - { key: ship, job: process, params: { gate: '${steps.gate.result}' } }
";

/// One that waits in each of its batches.
const RINGS: &str = "
name: rings
steps:
  - key: ring
    for_each: '${[1, 2]}'
    steps:
      - { key: gate, wait_for: signal }
";

fn at(id: impl std::fmt::Display) -> String {
    format!("/api/v1/jobs/{id}/answer")
}

impl Api {
    /// A workflow that waits: it, and the sub-job that does.
    async fn waiting(&self) -> (JobId, JobId) {
        self.desk.apply(RELEASE).await;
        let id = self.submit(json!({ "type": "release" })).await;
        (id, self.sub_jobs(id).await[0])
    }
}

#[tokio::test]
async fn what_waits_says_so_everywhere() {
    let api = Api::new().await;
    let (id, gate) = api.waiting().await;
    let job = api.job(gate).await;
    let standing = (&job["status"], &job["type"], &job["wait_for"], &job["step"], &job["params"]["version"]);
    assert_eq!(standing, (&json!("running"), &json!("signal"), &json!("signal"), &json!("gate"), &json!(7)));
    let why = job["why"].as_str().unwrap();
    assert!(
        why.starts_with("waiting for approval since ") && why.ends_with(&format!("drover approve {gate}")),
        "{why}"
    );
    assert!(why.contains("for 2 h 0 min at most") || why.contains("for 119 min at most"), "{why}");
    let workflow = api.job(id).await;
    let why = workflow["why"].as_str().unwrap();
    let expected = format!("drover approve {id}");
    assert!(
        why.starts_with("step Approve the release is waiting for approval since ") && why.ends_with(&expected),
        "{why}"
    );
    let message = workflow["metadata"]["message"].as_str().unwrap();
    assert!(message.starts_with("Approve the release: waiting for approval since "), "{message}");
    // No duty takes it for something that a worker has.
    let store = &api.desk.app.store;
    assert_eq!(store.lost_dispatches("another", &Default::default(), 100).await.unwrap().len(), 0);
    assert_eq!(store.due(100).await.unwrap().len(), 0);
    assert!(api.desk.broker.published().is_empty());
    assert_eq!(super::ids(&api.get("/api/v1/jobs?parent=any&type=signal&status=running").await.ok()), [gate]);
}

#[tokio::test]
async fn an_approval_by_the_workflows_id_goes_on_and_a_second_answer_is_told_the_first() {
    let api = Api::new().await;
    let (id, gate) = api.waiting().await;
    let body = json!({ "approved": true, "reason": " it is Monday ", "data": { "ring": 2 } });
    let answered = api.post_json(&at(id), &body).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let answered = answered.body;
    assert_eq!((&answered["id"], &answered["status"]), (&json!(gate), &json!("completed")));
    let result = &answered["result"];
    let said = (&result["approved"], &result["by"], &result["reason"], &result["data"]["ring"]);
    assert_eq!(said, (&json!(true), &json!(null), &json!("it is Monday"), &json!(2)));
    assert!(result["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    let ship = api.sub_jobs(id).await[1];
    assert_eq!(api.job(ship).await["params"]["gate"], *result);

    for (target, step) in [(id, json!(null)), (id, json!("gate")), (gate, json!(null))] {
        let again = api.post_json(&at(target), &json!({ "approved": false, "step": step })).await;
        let detail = again.problem(409, "already_answered");
        assert!(detail.contains("approved at ") && detail.ends_with(": it is Monday"), "{detail}");
        assert_eq!(again.body["job_status"], "completed");
    }
    api.desk.complete(ship, json!({})).await;
    assert_eq!(api.job(id).await["status"], "completed");
    assert_eq!(api.get(&format!("/api/v1/jobs/{id}/replay")).await.ok()["differences"], json!([]));
}

#[tokio::test]
async fn a_refusal_fails_the_step_with_who_and_why() {
    let api = Api::new().await;
    let (id, gate) = api.waiting().await;
    api.post_json(&at(gate), &json!({ "approved": false, "reason": "not on a Friday" })).await.ok();
    let job = api.job(gate).await;
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("refused")));
    let message = job["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("refused at ") && message.ends_with(": not on a Friday"), "{message}");
    assert_eq!(job["result"]["approved"], false);
    let again = api.post_json(&at(id), &json!({ "approved": true })).await;
    assert!(again.problem(409, "already_answered").contains("refused at "));
    // A retry of the workflow waits anew.
    api.desk.complete(api.sub_jobs(id).await[1], json!({})).await;
    assert_eq!(api.post(&format!("/api/v1/jobs/{id}/retry")).await.status, 202);
    api.post_json(&at(id), &json!({ "approved": true })).await.ok();
    assert_eq!(api.job(gate).await["status"], "completed");
    assert_eq!(api.get(&format!("/api/v1/jobs/{id}/replay")).await.ok()["differences"], json!([]));
}

#[tokio::test]
async fn what_waits_for_nothing_says_so() {
    let api = Api::new().await;
    let yes = json!({ "approved": true });
    let nobody = JobId(uuid::Uuid::from_u128(7));
    api.post_json(&at(nobody), &yes).await.problem(404, "not_found");
    let job = api.submit(json!({ "type": "validate" })).await;
    assert!(api.post_json(&at(job), &yes).await.problem(409, "not_waiting").contains("wait_for: signal"));
    let (id, gate) = api.waiting().await;
    let other = json!({ "approved": true, "step": "ship" });
    api.post_json(&at(id), &other).await.problem(409, "not_waiting");
    api.desk.app.cancel(id, false).await.unwrap();
    let late = api.post_json(&at(gate), &yes).await;
    assert!(late.problem(409, "already_answered").contains("cancelled before anybody answered"));
}

#[tokio::test]
async fn where_several_wait_one_is_named() {
    let api = Api::new().await;
    api.desk.apply(RINGS).await;
    let id = api.submit(json!({ "type": "rings" })).await;
    let rings = api.sub_jobs(id).await;
    let gates = [api.sub_jobs(rings[0]).await[0], api.sub_jobs(rings[1]).await[0]];
    for step in [json!(null), json!("gate")] {
        let refused = api.post_json(&at(id), &json!({ "approved": true, "step": step })).await;
        let detail = refused.problem(409, "several_wait");
        assert!(gates.iter().all(|gate| detail.contains(&format!("gate ({gate})"))), "{detail}");
    }
    let answered = api.post_json(&at(rings[1]), &json!({ "approved": true })).await.ok();
    assert_eq!(answered["id"], json!(gates[1]), "below this ring only one waits");
    let answered = api.post_json(&at(id), &json!({ "approved": true })).await.ok();
    assert_eq!(answered["id"], json!(gates[0]), "only one is left");
    assert_eq!(api.job(id).await["status"], "completed");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_names_its_field() {
    let api = Api::new().await;
    let (id, _) = api.waiting().await;
    for (body, named) in [
        (json!({}), "/approved"),
        (json!({ "approved": "maybe" }), "/approved"),
        (json!({ "approved": true, "reson": "x" }), "reson"),
        (json!({ "approved": true, "reason": "x".repeat(2_001) }), "/reason"),
        (json!({ "approved": true, "reason": "a\u{0}b" }), "/reason"),
        (json!({ "approved": true, "data": { "deep": ["a\u{0}b"] } }), "/data"),
        (json!([true]), "no JSON object"),
    ] {
        let refused = api.post_json(&at(id), &body).await;
        let detail = refused.problem(400, "malformed");
        assert!(detail.contains(named), "{detail}");
    }
    assert_eq!(api.job(id).await["status"], "running");
}

#[tokio::test]
async fn whoever_answered_is_named_by_the_token_and_has_a_line_in_the_audit() {
    let api = Api::asking().await;
    api.desk.apply(RELEASE).await;
    let (submitter, operator) = (api.token("sue", Role::Submitter).await, api.token("olga", Role::Operator).await);
    let id =
        api.ask_as(&submitter, Method::POST, "/api/v1/jobs", &json!({ "type": "release" })).await.ok()["id"].clone();
    let path = at(id.as_str().unwrap());
    let body = json!({ "approved": true, "reason": "tested", "data": { "secret": 1 } });
    api.ask_as(&submitter, Method::POST, &path, &body).await.problem(403, "role_needed");
    let answered = api.ask_as(&operator, Method::POST, &path, &body).await.ok();
    assert_eq!(answered["result"]["by"], "olga");
    let message = answered["message"].as_str().unwrap();
    assert!(message.starts_with("approved by olga at ") && message.ends_with(": tested"), "{message}");
    let lines = api.audit().await;
    let line = lines.last().unwrap();
    let told = (&line["token_name"], &line["action"], &line["status"], &line["target"], &line["detail"]);
    let detail = json!({ "approved": true, "reason": "tested" });
    assert_eq!(told, (&json!("olga"), &json!("answer"), &json!(200), &id, &detail));
}

#[tokio::test]
async fn a_round_of_a_repeated_step_has_a_message_and_a_key_of_its_own() {
    let api = Api::new().await;
    api.desk
        .apply("{name: poll, steps: [{key: poll, job: process, repeat: {until: '${steps.poll.result.done}', max: 3}}]}")
        .await;
    let id = api.submit(json!({ "type": "poll" })).await;
    let poll = api.sub_jobs(id).await[0];
    let store = &api.desk.app.store;
    let keys = async |dispatch: u32| {
        let messages = store.job_messages(&[(poll, dispatch)]).await.unwrap();
        messages.into_iter().map(|message| message.message.idempotency_key).collect::<Vec<_>>()
    };
    assert_eq!(keys(1).await, [poll.to_string()]);
    api.desk.complete(poll, json!({ "done": false })).await;
    let job = api.job(poll).await;
    assert_eq!(
        (&job["status"], &job["round"], &job["dispatch"], &job["result"]),
        (&json!("pending"), &json!(2), &json!(2), &json!(null))
    );
    assert_eq!((keys(1).await.len(), keys(2).await), (0, vec![format!("{poll}:2")]));
    assert_eq!(api.job(id).await["metadata"]["message"], "poll: round 2 of 3");
    let (result, warnings, items) = (json!({ "done": true }), Vec::new(), Default::default());
    let end = JobEventKind::Completed { result, warnings, items, progress: None };
    let end = Input::Event(JobEvent { dispatch: 2, ..api.desk.event(poll, end) });
    store.fold(&api.desk.app.context, vec![end]).await.unwrap();
    let job = api.job(id).await;
    assert_eq!(
        (&job["status"], &job["result"]["steps"]["poll"]["result"]["done"]),
        (&json!("completed"), &json!(true))
    );
    assert_eq!(api.get(&format!("/api/v1/jobs/{id}/replay")).await.ok()["differences"], json!([]));
}
