//! Job types, workers, dead letters.

use drover_protocol::WorkerSession;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, redacted};
use crate::store::DeadLetter;

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

fn letter(body: &[u8]) -> DeadLetter {
    DeadLetter {
        queue: "drover.events".into(),
        reason: "malformed".into(),
        detail: Some("no JSON".into()),
        message_id: Some("m-1".into()),
        message_type: Some("drover.event.v1".into()),
        content_type: Some("application/json".into()),
        body: body.to_vec(),
        properties: json!({ "app_id": "other" }),
        job_id: None,
    }
}

#[tokio::test]
async fn dead_letters_are_paged_and_a_long_body_is_whole_only_on_its_own() {
    let api = Api::new().await;
    let long = "ü".repeat(20_000);
    let letters = [letter(b"{\"id\": 7"), letter(&[0xff, 0x00]), letter(long.as_bytes())];
    api.desk.app.store.insert_dead_letters(&letters).await.unwrap();
    let first = api.get("/api/v1/dead?limit=2").await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = api.get(&format!("/api/v1/dead?limit=2&cursor={cursor}")).await.ok();
    assert_eq!(rest["next_cursor"], json!(null));
    let newest = &first["messages"][0];
    assert_eq!((&newest["body_bytes"], &newest["body_is_whole"]), (&json!(40_000), &json!(false)));
    assert_eq!(newest["body"].as_str().map(|body| body.chars().count()), Some(8_192), "the first 16 KiB");
    let whole = api.get(&format!("/api/v1/dead/{}", newest["id"])).await.ok();
    assert_eq!((&whole["body"], &whole["body_is_whole"]), (&json!(long), &json!(true)));

    let binary = &first["messages"][1];
    assert_eq!((&binary["body"], &binary["body_encoding"]), (&json!("/wA="), &json!("base64")));
    let mut oldest: Value = rest["messages"][0].clone();
    oldest["id"] = json!(0);
    insta::assert_json_snapshot!("dead_letter", redacted(&oldest));
    api.get("/api/v1/dead/999999").await.problem(404, "not_found");
    assert!(api.get("/api/v1/dead/x").await.problem(400, "malformed").contains("whole numbers"));
}
