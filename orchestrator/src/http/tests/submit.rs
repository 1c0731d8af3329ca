//! `POST /api/v1/jobs`

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use super::Api;

const JOBS: &str = "/api/v1/jobs";

async fn submit_with_key(api: &Api, key: &str, body: &Value) -> super::Answer {
    let request = Request::post(JOBS).header("content-type", "application/json").header("idempotency-key", key);
    api.ask(request.body(body.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn a_job_is_made_and_found_where_the_answer_says() {
    let api = Api::new().await;
    let body = json!({ "type": "validate", "params": { "path": "/a" }, "labels": { "team": "a" } });
    let made = api.post_json(JOBS, &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((&made.body["status"], &made.body["duplicate"]), (&json!("pending"), &json!(false)));
    let location = made.header("location");
    assert_eq!(location, format!("{JOBS}/{}", made.body["id"].as_str().unwrap()));
    let job = api.get(location).await.ok();
    assert_eq!((&job["id"], &job["params"], &job["labels"]), (&made.body["id"], &body["params"], &body["labels"]));
    assert!(api.get("/metrics").await.body.as_str().unwrap().contains("drover_submitted_total 1"));
}

#[tokio::test]
async fn a_workflow_is_said_to_run_as_soon_as_it_does() {
    let api = Api::new().await;
    api.desk.apply(super::IMPORT).await;
    let made = api.post_json(JOBS, &json!({ "type": "import", "params": { "files": [1] } })).await.ok();
    let stands = api.get(&format!("{JOBS}/{}", made["id"].as_str().unwrap())).await.ok();
    assert_eq!(made["status"], stands["status"]);
}

#[tokio::test]
async fn a_repeat_with_the_same_key_gives_the_same_job() {
    let api = Api::new().await;
    let body = json!({ "type": "validate", "params": { "path": "/a" } });
    let first = submit_with_key(&api, "order 17", &body).await;
    let again = submit_with_key(&api, "order 17", &body).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!((&again.body["id"], &again.body["duplicate"]), (&first.body["id"], &json!(true)));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(api.get(JOBS).await.ok()["jobs"].as_array().unwrap().len(), 1);

    let other = submit_with_key(&api, "order 17", &json!({ "type": "validate", "params": { "path": "/b" } })).await;
    assert!(other.problem(409, "conflict").contains(first.body["id"].as_str().unwrap()), "{other:?}");
    assert_eq!(submit_with_key(&api, "order 18", &body).await.status, 201, "another key, another job");
}

#[tokio::test]
async fn the_key_may_stand_in_the_body_and_is_the_same_key() {
    let api = Api::new().await;
    let plain = json!({ "type": "validate", "params": { "path": "/a" } });
    let mut keyed = plain.clone();
    keyed["idempotency_key"] = json!("order 17");
    let first = api.post_json(JOBS, &keyed).await;
    assert_eq!(first.status, 201, "{first:?}");
    for again in [
        api.post_json(JOBS, &keyed).await,
        submit_with_key(&api, "order 17", &plain).await,
        submit_with_key(&api, "order 17", &keyed).await,
    ] {
        assert_eq!((again.status.as_u16(), &again.body["id"]), (200, &first.body["id"]), "{again:?}");
    }
    let differ = submit_with_key(&api, "order 18", &keyed).await;
    assert!(differ.problem(400, "malformed").contains("differ"), "{differ:?}");
    assert_eq!(differ.body["field"], "/idempotency_key");
    for bad in [String::new(), "k".repeat(256)] {
        keyed["idempotency_key"] = json!(bad);
        let refused = api.post_json(JOBS, &keyed).await;
        refused.problem(400, "malformed");
        assert_eq!(refused.body["field"], "/idempotency_key", "{refused:?}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_is_refused() {
    let api = Api::new().await;
    let body = json!({ "type": "validate" });
    for bad in ["", &"k".repeat(256), "schlüssel"] {
        let refused = submit_with_key(&api, bad, &body).await;
        assert!(refused.problem(400, "malformed").contains("Idempotency-Key"), "{bad:?}");
        assert_eq!(refused.body["field"], "Idempotency-Key");
    }
    assert_eq!(submit_with_key(&api, &"k".repeat(255), &body).await.status, 201);
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let api = Api::new().await;
    let unknown = api.post_json(JOBS, &json!({ "type": "nobody_knows" })).await;
    assert!(unknown.problem(422, "unknown_type").contains("nobody_knows"));
    assert_eq!(unknown.body["field"], "/type");

    let params = api.post_json(JOBS, &json!({ "type": "validate", "params": { "path": 7 } })).await;
    params.problem(422, "invalid_params");
    assert_eq!(params.body["errors"][0]["pointer"], "/path");
    assert!(params.body["errors"][0]["message"].as_str().unwrap().contains('7'));

    api.desk.apply(super::IMPORT).await;
    let missing = api.post_json(JOBS, &json!({ "type": "import" })).await;
    missing.problem(422, "invalid_params");
    assert!(missing.body.to_string().contains("files"), "{missing:?}");
    assert_eq!(api.get("/api/v1/jobs?parent=any").await.ok()["jobs"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_malformed_body_names_its_field() {
    let api = Api::new().await;
    for (body, field) in [
        (r#"{"type": "validate", "parms": {}}"#, Some("/parms")),
        (r#"{"params": {}}"#, Some("/type")),
        (r#"{"type": "No Name"}"#, Some("/type")),
        (r#"{"type": "validate", "labels": []}"#, Some("/labels")),
        (r#"{"type": "validate", "labels": {"ci:env": "prod"}}"#, Some("/labels/ci:env")),
        (r#"{"type": "validate", "run_at": "soon"}"#, Some("/run_at")),
        (r#"{"type": "validate", "params": {"a": "\u0000"}}"#, Some("/params/a")),
        (r#"{"type": "#, None),
        ("", None),
        ("[]", None),
    ] {
        let refused = api.ask(Request::post(JOBS).body(body.into()).unwrap()).await;
        refused.problem(400, "malformed");
        assert_eq!(refused.body["field"].as_str(), field, "{body}: {:#}", refused.body);
    }
}

#[tokio::test]
async fn a_body_of_another_kind_or_too_large_is_refused() {
    let api = Api::new().await;
    let form = Request::post(JOBS).header("content-type", "application/x-www-form-urlencoded");
    let refused = api.ask(form.body("{\"type\":\"validate\"}".into()).unwrap()).await;
    assert!(refused.problem(415, "unsupported_media_type").contains("application/json"));

    let limit = api.desk.app.message_bytes;
    let large = json!({ "type": "validate", "params": { "x": "x".repeat(limit) } });
    assert!(api.post_json(JOBS, &large).await.problem(413, "too_large").contains(&limit.to_string()));
    let room = limit - json!({ "type": "validate", "params": { "x": "" } }).to_string().len();
    let full = json!({ "type": "validate", "params": { "x": "x".repeat(room) } });
    assert_eq!(api.post_json(JOBS, &full).await.status, 201, "a body of exactly the limit");
    let query = api.request(axum::http::Method::POST, "/api/v1/jobs?wait=true", Body::empty()).await;
    assert!(query.problem(400, "malformed").contains("wait"));
}
