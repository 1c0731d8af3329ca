//! `GET /api/v1/jobs/{id}/events`

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use drover_protocol::JobId;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Api, answer};
use crate::http::events::PAUSE;

/// Long beside what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A live stream, event by event.
struct Events {
    chunks: BodyDataStream,
    text: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: i64,
    data: Value,
}

impl Events {
    async fn open(api: &Api, id: JobId) -> Self {
        let request = Request::get(format!("/api/v1/jobs/{id}/events")).body(Body::empty()).unwrap();
        let response = api.send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { chunks: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
                };
                let data = serde_json::from_str(field("data")).unwrap();
                return Some(Event { name: field("event").into(), id: field("id").parse().unwrap(), data });
            }
            let chunk = timeout(PATIENCE, self.chunks.next()).await.expect("the stream says something")?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// Reads on until a job's state is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if wanted(&event.data) {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_begins_at_once_shows_changes_in_order_and_ends_with_the_job() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate", "params": { "path": "/a" } })).await;
    let mut events = Events::open(&api, id).await;
    let first = events.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["status"]), ("job", &json!("pending")));
    assert!(first.data.get("params").is_none() && first.data.get("result").is_none(), "{:#}", first.data);

    api.desk.start(id).await;
    let running = events.next().await.unwrap();
    assert_eq!((running.name.as_str(), &running.data["status"]), ("job", &json!("running")));
    assert!(running.id > first.id);

    api.desk.progress(id, 30.0, "a third").await;
    let third = events.until(|job| job["message"] == "a third").await;
    assert_eq!(third.data["progress"].as_f64(), Some(30.0));
    api.desk.complete(id, json!({ "files": 3 })).await;
    let end = events.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["status"]), ("end", &json!("completed")));
    assert_eq!((&end.data["result"], end.data["progress"].as_f64()), (&json!({ "files": 3 }), Some(100.0)));
    assert!(events.next().await.is_none(), "nothing follows the end");
}

#[tokio::test]
async fn what_happens_between_the_first_look_and_the_wait_is_not_missed() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let mut events = Events::open(&api, id).await;
    // Nothing of the stream was read yet: all of this lies between its first look and its first wait.
    api.desk.start(id).await;
    api.desk.complete(id, json!({})).await;
    assert_eq!(events.next().await.unwrap().data["status"], "pending");
    let end = events.until(|job| job["status"] == "completed").await;
    assert_eq!(end.name, "end");
}

#[tokio::test]
async fn many_changes_become_few_events_and_the_last_is_among_them() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.start(id).await;
    let mut events = Events::open(&api, id).await;
    let began = std::time::Instant::now();
    for number in 0..100 {
        api.desk.progress(id, f64::from(number) / 2.0, &number.to_string()).await;
    }
    let mut count = 1;
    while events.next().await.unwrap().data["message"] != "99" {
        count += 1;
    }
    let most = began.elapsed().as_millis() / PAUSE.as_millis() + 2;
    assert!(count <= most, "{count} events in {:?}", began.elapsed());
}

#[tokio::test]
async fn the_stream_of_a_workflow_shows_what_its_sub_jobs_do() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    let mut events = Events::open(&api, id).await;
    assert_eq!(events.next().await.unwrap().data["metadata"]["current_step"], 2);
    api.desk.start(subs[1]).await;
    api.desk.progress(subs[1], 50.0, "reading").await;
    let shown = events.until(|job| job["metadata"]["message"] == "Load files: reading").await;
    assert_eq!(shown.data["progress"].as_f64(), Some(40.0), "20 + 80 x 25 %");
    for sub in &subs[1..] {
        api.desk.complete(*sub, json!({})).await;
    }
    let end = events.until(|job| job["status"] == "completed").await;
    assert_eq!((end.name.as_str(), &end.data["result"]["summary"]["files"]), ("end", &json!(2)));
}

#[tokio::test]
async fn changes_of_other_trees_are_none_of_its_business() {
    let api = Api::new().await;
    let (id, other) =
        (api.submit(json!({ "type": "validate" })).await, api.submit(json!({ "type": "validate" })).await);
    let mut events = Events::open(&api, id).await;
    let first = events.next().await.unwrap();
    api.desk.start(other).await;
    api.desk.complete(other, json!({})).await;
    api.desk.start(id).await;
    let next = events.next().await.unwrap();
    assert_eq!((next.id, &next.data["status"]), (first.id + 1, &json!("running")), "the next event is its own");
}

#[tokio::test]
async fn the_stream_of_a_finished_job_is_its_end() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.fail(id, "the disk is full").await;
    let mut events = Events::open(&api, id).await;
    let end = events.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["error"]["message"]), ("end", &json!("the disk is full")));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let api = Api::with_streams(1).await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let path = format!("/api/v1/jobs/{id}/events");
    let mut first = Events::open(&api, id).await;
    first.next().await.unwrap();
    let request = Request::get(&path).body(Body::empty()).unwrap();
    let refused = answer(api.send(request).await).await;
    assert!(refused.problem(503, "busy").contains("streams"));
    drop(first);
    drover_tests::wait::until("the stream to be closed", PATIENCE, async || {
        let response = api.send(Request::get(&path).body(Body::empty()).unwrap()).await;
        let status = response.status();
        Ok(if status == 200 { drover_tests::wait::Seen::Yes(()) } else { drover_tests::wait::Seen::not_yet(status) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn shutdown_ends_the_streams() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let mut events = Events::open(&api, id).await;
    events.next().await.unwrap();
    api.shutdown.cancel();
    assert!(events.next().await.is_none(), "the client opens another one, elsewhere");
}

#[tokio::test]
async fn the_stream_of_a_deleted_job_ends() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let mut events = Events::open(&api, id).await;
    events.next().await.unwrap();
    let client = api.desk.database.connect().await.unwrap();
    client.execute("DELETE FROM jobs WHERE id = $1", &[&id.0]).await.unwrap();
    api.desk.app.live.changed(&[id], false);
    assert!(events.next().await.is_none());
}
