//! What the audit keeps.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Api, accounts::CONFIGURED};
use crate::access::Role;

/// What was asked for and what was answered.
fn brief(line: &Value) -> Value {
    json!([line["token_name"], line["role"], line["action"], line["status"]])
}

#[tokio::test]
async fn every_action_leaves_a_line_whatever_came_of_it_and_reading_leaves_none() {
    let api = Api::asking().await;
    let (viewer, operator) = (api.token("vic", Role::Viewer).await, api.token("olga", Role::Operator).await);
    let job = api.ask_as(&operator, Method::POST, "/api/v1/jobs", &json!({ "type": "validate" })).await.ok();
    let id = job["id"].as_str().unwrap();
    let cancel = format!("/api/v1/jobs/{id}/cancel?now=true&token=drover_secret");
    for token in [&viewer, &operator] {
        api.ask_as(token, Method::POST, &cancel, &Value::Null).await;
        api.ask_as(token, Method::GET, "/api/v1/jobs", &Value::Null).await;
        api.ask_as(token, Method::POST, "/api/v1/nowhere", &Value::Null).await;
    }
    let plain = format!("/api/v1/jobs/{id}/cancel?now=true");
    api.ask_as(&operator, Method::POST, &plain, &Value::Null).await.ok();
    let many = json!({ "filter": { "type": "validate", "status": ["failed"] }, "limit": 7 });
    api.ask_as(&operator, Method::POST, "/api/v1/jobs/retry", &many).await.ok();
    let lines = api.audit().await;
    let expected = [
        json!(["olga", "operator", "submit", 201]),
        json!(["vic", "viewer", "cancel", 403]),
        json!(["olga", "operator", "cancel", 400]),
        json!(["olga", "operator", "cancel", 202]),
        json!(["olga", "operator", "retry", 200]),
    ];
    assert_eq!(lines.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!((&lines[0]["target"], &lines[0]["detail"]), (&json!(id), &json!({ "type": "validate" })));
    assert_eq!((&lines[1]["target"], &lines[1]["detail"]), (&json!(id), &json!({ "now": "true" })));
    assert_eq!(lines[4]["detail"]["filter"], json!({ "type": ["validate"], "status": ["failed"] }));
    assert_eq!((lines[4]["detail"]["done"].as_u64(), lines[4]["target"].as_str()), (Some(0), None));
    assert!(lines[0]["token_id"].is_string(), "{}", lines[0]);
}

#[tokio::test]
async fn the_audit_is_read_page_by_page_and_by_who_what_and_to_what() {
    let api = Api::asking().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = api.ask_as(CONFIGURED, Method::POST, "/api/v1/jobs", &json!({ "type": "validate" })).await.ok();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let olga = api.token("olga", Role::Operator).await;
    api.ask_as(&olga, Method::POST, &format!("/api/v1/jobs/{}/pause", ids[1]), &Value::Null).await.ok();
    let read = async |query: &str| {
        api.ask_as(CONFIGURED, Method::GET, &format!("/api/v1/audit{query}"), &Value::Null).await.ok()
    };
    let page = read("?limit=3").await;
    let actions: Vec<&Value> = page["lines"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["pause", "submit", "submit"], "newest first");
    let rest = read(&format!("?cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!((rest["lines"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    assert_eq!(rest["lines"][0]["token_id"], Value::Null, "the token of the configuration has no id");
    for (query, count) in [
        ("?name=olga", 1),
        ("?action=submit", 3),
        (&*format!("?target={}", ids[1]), 2),
        ("?name=olga&action=submit", 0),
    ] {
        assert_eq!(read(query).await["lines"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn log_ins_have_lines_and_failed_ones_only_so_many() {
    let api = Api::asking().await;
    let token = api.token("ann", Role::Viewer).await;
    let form = async |token: &str| {
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let request = axum::http::Request::post("/login").header("content-type", "application/x-www-form-urlencoded");
        api.ask(request.body(body.into()).unwrap()).await.status.as_u16()
    };
    assert_eq!(form(&token).await, 303);
    let answers: Vec<u16> = futures_util::future::join_all((0..30).map(|_| form("drover_guess"))).await;
    assert_eq!((answers.iter().filter(|status| **status == 401).count(), answers.contains(&429)), (20, true));
    let lines = api.audit().await;
    assert_eq!(brief(&lines[0]), json!(["ann", "viewer", "log_in", 303]));
    assert_eq!(lines.len(), 21, "what came too often has none");
    assert_eq!(brief(&lines[20]), json!([null, null, "log_in", 401]));
}

/// Lines are kept for long: whoever reaches the port could fill the database.
#[tokio::test]
async fn who_has_no_token_leaves_no_line_and_sends_little() {
    let api = Api::asking().await;
    let send = async |path: &str, kind: &str, body: String| {
        let request = axum::http::Request::post(path).header("content-type", kind);
        api.ask(request.body(body.into()).unwrap()).await.status.as_u16()
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send("/logout", form, String::new()).await, 303);
    assert_eq!(send("/login", "application/json", "{}".into()).await, 415);
    assert_eq!(send("/login", form, format!("token={}", "x".repeat(20_000))).await, 413);
    assert_eq!(send("/api/v1/jobs", "application/json", "{}".into()).await, 401);
    assert!(api.audit().await.is_empty());
}

#[tokio::test]
async fn no_secret_is_in_the_database_in_an_answer_or_in_a_page() {
    let api = Api::asking().await;
    let wanted = json!({ "name": "ci", "role": "admin" });
    let made = api.ask_as(CONFIGURED, Method::POST, "/api/v1/tokens", &wanted).await.ok();
    let token = made["token"].as_str().unwrap();
    api.ask_as(token, Method::POST, "/api/v1/jobs", &json!({ "type": "nothing" })).await;
    api.ask_as(token, Method::POST, &format!("/api/v1/jobs/{token}/cancel"), &Value::Null).await;
    let client = api.desk.database.connect().await.unwrap();
    let dumped = "SELECT (SELECT json_agg(t) FROM tokens t)::text || (SELECT json_agg(a) FROM audit a)::text";
    let dumped: String = client.query_one(dumped, &[]).await.unwrap().get(0);
    for secret in [CONFIGURED, token.strip_prefix("drover_").unwrap()] {
        assert!(!dumped.replace(&format!("\"target\":\"{token}\""), "").contains(secret), "{dumped}");
    }
    for path in ["/tokens", "/audit?action=submit", "/", "/api/v1/tokens", "/metrics"] {
        let shown = api.ask_as(token, Method::GET, path, &Value::Null).await.body.to_string();
        assert!(!shown.contains(token) && !shown.contains(CONFIGURED), "{path}");
    }
}

#[tokio::test]
async fn where_nobody_is_asked_no_line_is_kept() {
    let api = Api::new().await;
    api.submit(json!({ "type": "validate" })).await;
    assert!(api.audit().await.is_empty());
}
