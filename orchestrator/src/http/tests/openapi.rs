//! The description of the API: committed, complete, and true of what the API answers.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};

use super::{Api, accounts::CONFIGURED};
use crate::http::openapi::DOCUMENT;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// Every operation: method, path, and what is said of it.
fn operations() -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            operations.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn the_document_is_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = format!("{:#}\n", *DOCUMENT);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&path, text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/openapi.json differs from the handlers. If the change is meant, run\n    \
         UPDATE_GOLDEN=1 cargo test -p drover-orchestrator openapi\nand commit what it wrote."
    );
}

#[test]
fn every_reference_leads_to_a_shape_and_every_operation_has_a_name_of_its_own() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let names: Vec<String> = operations().iter().map(|(.., operation)| operation["operationId"].to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(
        operations().iter().all(|(.., operation)| operation["summary"].as_str().is_some_and(|text| !text.is_empty()))
    );
}

#[tokio::test]
async fn every_operation_is_there_and_knows_the_parameters_that_are_named() {
    let api = Api::new().await;
    for (method, path, operation) in operations() {
        // Of a stream only the beginning is asked for.
        if path.ends_with("/events") && !path.contains("{id}") {
            continue;
        }
        let id = uuid::Uuid::nil().to_string();
        let filled = path.replace("{id}", if path.contains("/dead/") { "1" } else { &id }).replace("{name}", "a_b");
        let named = operation["parameters"].as_array().cloned().unwrap_or_default();
        let query = named.iter().filter(|parameter| parameter["in"] == "query");
        let query: Vec<String> = query.map(|parameter| format!("{}=", parameter["name"].as_str().unwrap())).collect();
        let request = Request::builder()
            .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
            .uri(format!("{filled}?{}", query.join("&")))
            .body(Body::empty());
        let answer = api.ask(request.unwrap()).await;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        let unknown = ["unknown query parameter", "nothing at this address", "does not take this method"];
        assert!(!unknown.iter().any(|words| detail.contains(words)), "{method} {path}: {detail}");
        assert!(answer.status != 500, "{method} {path}: {detail}");
    }
}

#[tokio::test]
async fn every_operation_says_which_role_it_takes_and_the_audit_has_its_shape() {
    for (method, path, operation) in operations() {
        let role = operation["x-role"].as_str().unwrap_or_default();
        assert!(["viewer", "submitter", "operator", "admin"].contains(&role), "{method} {path}: {role:?}");
    }
    assert_eq!(DOCUMENT["paths"]["/api/v1/jobs"]["post"]["x-role"], "submitter");
    let api = Api::asking().await;
    api.ask_as(CONFIGURED, Method::POST, "/api/v1/jobs", &json!({ "type": "validate" })).await.ok();
    let audit = api.ask_as(CONFIGURED, Method::GET, "/api/v1/audit", &Value::Null).await.ok();
    assert_shape("Audit", &audit);
    assert_shape("AuditLine", &audit["lines"][0]);
}

/// Asserts that a body is as a shape says, and that the shape names all of its fields.
fn assert_shape(name: &str, body: &Value) {
    let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": DOCUMENT["components"] });
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {body:#}");
    let known = DOCUMENT["components"]["schemas"][name]["properties"].as_object().unwrap();
    let unknown: Vec<&String> = body.as_object().unwrap().keys().filter(|key| !known.contains_key(*key)).collect();
    assert!(unknown.is_empty(), "{name} does not name {unknown:?}");
}

#[tokio::test]
async fn what_the_api_answers_is_what_the_document_says() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    api.desk.start(subs[1]).await;
    api.desk.fail(subs[2], "no").await;
    api.desk.log(subs[1], drover_protocol::LogLevel::Info, "a line").await;
    let nightly = "name: nightly\nsteps: [{key: only, job: process}]\nschedule: {cron: '0 3 * * *'}\n";
    api.desk.apply(nightly).await;
    assert_shape("Schedule", &api.get("/api/v1/schedules/nightly").await.ok());
    assert_shape("Schedule", &api.post("/api/v1/schedules/nightly/disable").await.ok());
    assert_shape("Submitted", &api.post("/api/v1/schedules/nightly/run").await.ok());
    let list = api.get("/api/v1/jobs?parent=any").await.ok();
    for job in list["jobs"].as_array().unwrap() {
        assert_shape("Job", job);
    }
    let paths = [
        (format!("/api/v1/jobs/{id}"), "Job"),
        (format!("/api/v1/jobs/{}", subs[2]), "Job"),
        ("/api/v1/jobs".into(), "Jobs"),
        (format!("/api/v1/jobs/{id}/jobs"), "Jobs"),
        (format!("/api/v1/jobs/{id}/items/list"), "Items"),
        (format!("/api/v1/jobs/{id}/logs"), "Logs"),
        (format!("/api/v1/jobs/{id}/history"), "History"),
        (format!("/api/v1/jobs/{id}/replay"), "Replayed"),
        ("/api/v1/definitions".into(), "Definitions"),
        ("/api/v1/definitions/import".into(), "Definition"),
        ("/api/v1/schedules".into(), "Schedules"),
        ("/api/v1/schedules/nightly".into(), "Schedule"),
        ("/api/v1/types".into(), "Types"),
        ("/api/v1/workers".into(), "Workers"),
        ("/api/v1/pauses".into(), "Pauses"),
        ("/api/v1/dead".into(), "DeadLetters"),
    ];
    for (path, shape) in paths {
        assert_shape(shape, &api.get(&path).await.ok());
    }
    let token = json!({ "name": "ci", "role": "viewer", "expires_at": "2999-01-01T00:00:00Z" });
    assert_shape("CreatedToken", &api.post_json("/api/v1/tokens", &token).await.ok());
    assert_shape("Tokens", &api.get("/api/v1/tokens").await.ok());
    for token in api.get("/api/v1/tokens").await.ok()["tokens"].as_array().unwrap() {
        assert_shape("Token", token);
    }
    assert_shape("Pause", &api.post("/api/v1/types/validate/pause?reason=x").await.ok());
    assert_shape("Submitted", &api.post_json("/api/v1/jobs", &json!({ "type": "validate" })).await.ok());
    let bulk = json!({ "filter": { "type": "validate" }, "dry_run": true });
    assert_shape("Pruned", &api.post_json("/api/v1/prune", &json!({ "dry_run": true })).await.ok());
    assert_shape("Swept", &api.post_json("/api/v1/jobs/cancel", &bulk).await.ok());
    assert_shape("Problem", &api.get("/api/v1/jobs?limit=0").await.body);
    assert_shape("Problem", &api.post_json("/api/v1/jobs", &json!({ "type": "import", "params": {} })).await.body);
    let served = api.get("/api/v1/openapi.json").await.ok();
    assert_eq!(served, *DOCUMENT);
}
