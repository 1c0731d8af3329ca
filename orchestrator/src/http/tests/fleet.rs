//! Job types and workers.

use drover_protocol::WorkerSession;
use serde_json::json;
use uuid::Uuid;

use super::{Api, redacted};

#[tokio::test]
async fn types_say_what_was_announced_and_who_takes_them() {
    let api = Api::new().await;
    insta::assert_json_snapshot!("types", redacted(&api.get("/api/v1/types").await.ok()));
    api.desk.app.store.workers_down(&[(api.desk.worker, 99)]).await.unwrap();
    let types = api.get("/api/v1/types").await.ok();
    assert_eq!(types["types"][0]["live_workers"], 0);
    assert!(types["types"][0]["last_seen_at"].is_string());
}

#[tokio::test]
async fn workers_are_listed_with_the_live_ones_first() {
    let api = Api::new().await;
    api.desk.app.store.workers_down(&[(api.desk.worker, 99)]).await.unwrap();
    let live = WorkerSession(Uuid::now_v7());
    let arrival = crate::store::WorkerArrival {
        session: live,
        seq: 1,
        types: Vec::new(),
        version: "2".into(),
        host: "h".into(),
        concurrency: 2,
        control_queue: None,
    };
    api.desk.app.store.worker_up(&arrival, 1).await.unwrap();
    let list = api.get("/api/v1/workers").await.ok();
    assert_eq!(list["workers"][0]["session"], json!(live));
    insta::assert_json_snapshot!("workers", redacted(&list));
}

#[tokio::test]
async fn a_live_worker_is_told_to_drain_and_no_other() {
    let api = Api::new().await;
    let worker = api.desk.worker;
    let told = api.post(&format!("/api/v1/workers/{worker}/drain")).await;
    assert_eq!((told.status.as_u16(), &told.body), (202, &json!({ "session": worker, "draining": true })));
    let client = api.desk.database.connect().await.unwrap();
    let rows = client.query("SELECT body FROM outbox WHERE kind = 'control'", &[]).await.unwrap();
    let bodies: Vec<serde_json::Value> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(bodies, [json!({ "kind": "drain", "worker_session": worker })], "it is owed");

    api.desk.app.store.workers_down(&[(worker, 99)]).await.unwrap();
    let gone = api.post(&format!("/api/v1/workers/{worker}/drain")).await;
    assert_eq!((gone.status.as_u16(), &gone.body["kind"]), (409, &json!("worker_gone")), "{}", gone.body);
    let unknown = api.post(&format!("/api/v1/workers/{}/drain", Uuid::now_v7())).await;
    assert_eq!(unknown.status.as_u16(), 404, "{}", unknown.body);
    let unfit = api.post("/api/v1/workers/h/drain").await;
    assert_eq!((unfit.status.as_u16(), &unfit.body["field"]), (400, &json!("session")), "{}", unfit.body);
}
