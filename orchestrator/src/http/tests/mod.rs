//! The API as its clients see it: the router on a real database, a broker that only confirms.
#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod actions;
mod answer;
mod audit;
mod changes;
mod dead;
mod definitions;
mod events;
mod files;
mod fleet;
mod fuzz;
mod health;
mod list;
mod metrics;
mod openapi;
mod pages;
mod parts;
mod pauses;
mod problems;
mod prune;
mod recover;
mod replay;
mod schedules;
mod serving;
mod sessions;
mod submit;
mod sweep;
mod why;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, Response, StatusCode},
};
use drover_protocol::JobId;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Shared, routes};
use crate::{access::AccessConfig, testing::Desk};

/// A workflow of two steps; the second fans out.
const IMPORT: &str = "
name: import
title: Data import
input: { type: object, required: [files], properties: { files: { type: array }, path: { type: string } } }
steps:
  - { key: check, title: Check files, job: validate, weight: 20 }
  - { key: load, title: Load files, job: process, weight: 80, for_each: '${input.files}', batch_size: 1, max_parallel: 10 }
summary: { files: '${size(input.files)}' }
";

/// The API on a desk of its own.
struct Api {
    desk: Desk,
    router: Router,
    replays: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// What the API said.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body, if the request was served.
    fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {:#}", self.status, self.body);
        self.body
    }

    /// Asserts that it is a problem, which says so in every way; gives its `detail`.
    fn problem(&self, status: u16, kind: &str) -> &str {
        assert_eq!((self.status.as_u16(), &self.body["kind"]), (status, &json!(kind)), "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], json!(status));
        assert_eq!(self.body["type"], format!("/problems/{kind}"));
        // Of what comes too often the wait depends on how often.
        if status != 429 {
            assert_eq!(self.header("retry-after"), if status == 503 { "2" } else { "" });
        }
        self.body["detail"].as_str().unwrap()
    }
}

impl Api {
    /// With the job types `validate` and `process`.
    async fn new() -> Self {
        Self::with_streams(10).await
    }

    /// Where not everybody is let in.
    async fn behind(access: AccessConfig) -> Self {
        Self::of(Desk::behind(access).await, 10).await
    }

    async fn with_streams(streams: usize) -> Self {
        Self::of(Desk::new().await, streams).await
    }

    async fn of(desk: Desk, streams: usize) -> Self {
        desk.announce(&["validate", "process"]).await;
        let shutdown = CancellationToken::new();
        let streams = Arc::new(Semaphore::new(streams));
        let (app, replays) = (Arc::clone(&desk.app), Arc::new(Semaphore::new(1)));
        let shared = Shared { app, streams, replays: Arc::clone(&replays), shutdown: shutdown.clone() };
        Self { desk, router: routes(shared), replays, shutdown }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        answer(self.send(request).await).await
    }

    async fn request(&self, method: Method, path: &str, body: Body) -> Answer {
        self.ask(Request::builder().method(method).uri(path).body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, Body::empty()).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.request(Method::POST, path, Body::empty()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, Body::empty()).await
    }

    async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.ask(request.body(body.to_string().into()).unwrap()).await
    }

    /// Submits a job. Its id.
    async fn submit(&self, body: Value) -> JobId {
        let made = self.post_json("/api/v1/jobs", &body).await.ok();
        made["id"].as_str().unwrap().parse().unwrap()
    }

    async fn job(&self, id: JobId) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).await.ok()
    }

    /// The sub-jobs of a workflow, by step and batch.
    async fn sub_jobs(&self, id: JobId) -> Vec<JobId> {
        ids(&self.get(&format!("/api/v1/jobs/{id}/jobs?limit=500")).await.ok())
    }

    /// A workflow whose first step is done and whose second runs a batch for each of so many files.
    async fn import(&self, files: usize) -> (JobId, Vec<JobId>) {
        self.desk.apply(IMPORT).await;
        let files: Vec<String> = (0..files).map(|number| format!("{number}.csv")).collect();
        let id = self.submit(json!({ "type": "import", "params": { "files": files } })).await;
        let first = self.sub_jobs(id).await;
        assert_eq!(first.len(), 1, "the second step waits for the first");
        self.desk.complete(first[0], json!({})).await;
        (id, self.sub_jobs(id).await)
    }
}

async fn answer(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, 64 * 1024 * 1024).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
    Answer { status: head.status, headers: head.headers, body }
}

fn ids(page: &Value) -> Vec<JobId> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// Replaces what differs from run to run: ids, times, hashes.
fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) if text.parse::<JobId>().is_ok() => "[id]".into(),
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => "[time]".into(),
        Value::String(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => "[hash]".into(),
        Value::String(text) => text.split(' ').map(redacted_word).collect::<Vec<_>>().join(" ").into(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), redacted(value))).collect(),
        other => other.clone(),
    }
}

fn redacted_word(word: &str) -> String {
    let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if inner.parse::<JobId>().is_ok() { word.replace(inner, "[id]") } else { word.to_owned() }
}
