//! `why` of `GET /api/v1/jobs/{id}`: what the rows say, read for the sentence.

use drover_engine::Input;
use drover_protocol::JobId;
use serde_json::{Value, json};

use super::Api;

impl Api {
    async fn why(&self, id: JobId) -> Value {
        self.job(id).await["why"].clone()
    }
}

#[tokio::test]
async fn a_job_tells_what_it_waits_for_until_it_has_ended() {
    let api = Api::new().await;
    let (first, second) =
        (api.submit(json!({ "type": "validate" })).await, api.submit(json!({ "type": "validate" })).await);
    assert_eq!(api.why(first).await, "waiting: its message is on its way to RabbitMQ");
    api.desk.broker.set_away(true);
    assert_eq!(api.why(first).await, "waiting: RabbitMQ cannot be reached");
    api.desk.broker.set_away(false);
    api.desk.relayed().await;
    assert_eq!(api.why(first).await, "waiting: next in its queue, a worker takes it now");
    assert_eq!(api.why(second).await, "waiting: behind 1 job of its type, 0 of 4 slots of 1 worker in use");
    api.desk.start(first).await;
    assert_eq!(api.why(first).await, "running on test-host");
    api.desk.complete(first, json!({})).await;
    assert_eq!(api.why(first).await, json!(null));
    api.desk.app.store.workers_down(&[(api.desk.worker, 99)]).await.unwrap();
    assert_eq!(api.why(second).await, "waiting: no live worker takes type validate");
}

#[tokio::test]
async fn a_workflow_tells_of_its_window_and_its_cancel() {
    let api = Api::new().await;
    let (id, subs) = api.import(25).await;
    assert_eq!(subs.len(), 11, "the window is 10");
    for sub in &subs[1..] {
        api.desk.start(*sub).await;
    }
    assert_eq!(api.why(id).await, "running: window of step Load files full, 10 of 10 running, 15 wait for it");
    api.desk.app.cancel(id, false).await.unwrap();
    let why = api.why(id).await;
    let why = why.as_str().unwrap();
    assert!(why.starts_with("cancelling: waiting for 10 of 25 sub-jobs, for "), "{why}");
    let why = api.why(subs[1]).await;
    assert!(why.as_str().unwrap().starts_with("cancelling: waiting for the worker on test-host to stop it"), "{why}");
}

#[tokio::test]
async fn a_pause_and_a_later_time_are_told() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.app.store.fold(&api.desk.app.context, vec![Input::Pause { job_id: id }]).await.unwrap();
    assert_eq!(api.why(id).await, "paused: nothing of it begins until it is resumed");
    let later = api.submit(json!({ "type": "validate", "run_at": "2999-01-01T00:00:00Z" })).await;
    let why = api.why(later).await;
    assert!(why.as_str().unwrap().starts_with("waiting: not before "), "{why}");
}
