//! Dead letters: whatever lands there is kept, and what is sent again is taken as if it came for the first time.

use drover_tests::{
    Fleet,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{bad_input::dead_letter, workflows};

/// Waits for the dead letter of a message.
async fn letter(fleet: &Fleet, message_id: &str) -> Value {
    wait::until("the dead letter to be listed", PATIENCE, async || {
        let letters = fleet.get("/api/v1/dead?limit=500").await?;
        let mut messages = letters["messages"].as_array().into_iter().flatten();
        let found = messages.find(|letter| letter["message_id"] == message_id).cloned();
        Ok(found.map_or_else(|| Seen::not_yet(&letters["messages"]), Seen::Yes))
    })
    .await
    .expect("it is kept")
}

/// Headers of every kind that AMQP knows, some of them large, some within each other.
fn headers() -> FieldTable {
    let mut inner = FieldTable::default();
    inner.insert("list".into(), AMQPValue::FieldArray(vec![AMQPValue::LongLongInt(-7), AMQPValue::Void].into()));
    inner.insert("bytes".into(), AMQPValue::LongString(vec![0xff, 0x00, b'a'].into()));
    let mut table = FieldTable::default();
    table.insert("table".into(), AMQPValue::FieldTable(inner));
    table.insert("nul".into(), AMQPValue::LongString("a\0b".into()));
    table.insert("large".into(), AMQPValue::LongString("x".repeat(100_000).into()));
    table.insert("number".into(), AMQPValue::Double(f64::MIN));
    table.insert("time".into(), AMQPValue::Timestamp(u64::MAX));
    table
}

/// With the queues of its worker's types: they are declared after the worker is entered.
async fn fleet() -> Fleet {
    let fleet = workflows::fleet().await;
    let job = fleet.run("noop", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    fleet
}

#[tokio::test]
async fn whatever_lands_in_the_dead_letters_is_kept() {
    let fleet = fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let odd = [0x00, 0xff, 0xfe, b'"', 0x80];
    let huge = vec![b'x'; 17 * 1024 * 1024];
    let ways = [
        ("drover.dead", "", "drover.dead"),
        ("drover.jobs", "noop", "drover.jobs.noop"),
        ("drover.events", "drover.events", "drover.events"),
        ("drover.events", "drover.logs", "drover.logs"),
        ("drover.events", "drover.heartbeats", "drover.heartbeats"),
        ("drover.submit", "any", "drover.submit"),
    ];
    for (exchange, key, queue) in ways {
        for (what, body) in [("odd", &odd[..]), ("huge", &huge)] {
            let id = format!("{what} {queue}");
            let properties = BasicProperties::default()
                .with_message_id(id.as_str().into())
                .with_reply_to("a\0b".into())
                .with_headers(headers());
            other.send(exchange, key, properties, body).await.expect("published");
            let letter = letter(&fleet, &id).await;
            assert_eq!((&letter["queue"], &letter["body_bytes"]), (&json!(queue), &json!(body.len())), "{id}");
            assert_eq!(letter["truncated"], what == "huge", "{id}");
            let properties = &letter["properties"];
            assert_eq!(properties["reply_to"], "a\u{fffd}b", "{id}");
            assert_eq!(properties["headers"]["table"], "{\"bytes\":\"\u{fffd}\\u0000a\",\"list\":[-7,null]}", "{id}");
            assert_eq!(properties["headers"]["large"].as_str().map(str::len), Some(100_000), "{id}");
        }
    }
    let job = fleet.run("noop", json!({})).await.expect("the system goes on");
    assert_eq!(job["status"], "completed", "{job}");
}

#[tokio::test]
async fn messages_of_a_newer_version_are_kept_and_say_so() {
    let fleet = fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    for (exchange, key, queue, name) in [
        ("drover.jobs", "noop", "drover.jobs.noop", "drover.job"),
        ("drover.events", "drover.events", "drover.events", "drover.event"),
        ("drover.events", "drover.logs", "drover.logs", "drover.event"),
        ("drover.events", "drover.heartbeats", "drover.heartbeats", "drover.worker"),
        ("drover.submit", "any", "drover.submit", "drover.submission"),
    ] {
        other.publish(exchange, key, &format!("{name}.v2"), b"{}").await.expect("published");
        let reason = format!("\"{name}.v2\" is newer than \"{name}.v1\"");
        let letter = dead_letter(&fleet, queue, &reason).await;
        assert!(letter["detail"].as_str().is_some_and(|detail| detail.ends_with("update this process")), "{letter}");
    }
}

#[tokio::test]
async fn a_submission_that_is_sent_again_makes_one_job() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let submission = json!({ "type": "later", "params": {} });
    let refused = other.submit("once", &submission).await.expect("answered");
    assert_eq!(refused["error"]["kind"], "unknown_type", "{refused}");
    let first = dead_letter(&fleet, "drover.submit", "later").await;
    assert_eq!((&first["message_id"], &first["redrives"]), (&json!("once"), &json!(0)), "{first}");

    let redrive = async || {
        let body = json!({ "filter": { "queue": "drover.submit" } });
        let (status, swept) = fleet.request(Method::POST, "/api/v1/dead/redrive", Some(body)).await.expect("answered");
        assert_eq!((status, &swept["done"], &swept["refused"]), (200, &json!(1), &json!([])), "{swept}");
    };
    redrive().await;
    let again = wait::until("it to come back", PATIENCE, async || {
        let letters = fleet.get("/api/v1/dead").await?;
        let letter = &letters["messages"][0];
        Ok(if letter["redrives"] == 1 { Seen::Yes(letter.clone()) } else { Seen::not_yet(&letters) })
    });
    assert_ne!(again.await.expect("still unknown")["id"], first["id"]);

    fleet.apply("name: later\ntitle: Later\nsteps:\n  - { key: work, title: Work, job: noop }\n").await.expect("valid");
    redrive().await;
    let job = wait::until("its job to be made", PATIENCE, async || {
        let jobs = fleet.get("/api/v1/jobs?type=later").await?;
        Ok(jobs["jobs"][0]["id"].as_str().map_or_else(|| Seen::not_yet(&jobs), |id| Seen::Yes(id.to_owned())))
    });
    let job = job.await.expect("made");
    assert_eq!(fleet.ended(&job).await.expect("it ends")["status"], "completed");
    // As if a crash had kept the letter: the key is the submission's own.
    let other = fleet.vhost.peer().await.expect("another connection, which has no answers to the letters");
    let duplicate = other.submit("once", &submission).await.expect("answered");
    assert_eq!((&duplicate["id"], &duplicate["duplicate"]), (&json!(job), &json!(true)), "{duplicate}");
    assert_eq!(fleet.get("/api/v1/dead").await.expect("answered")["messages"], json!([]));
}

#[tokio::test]
async fn a_job_whose_message_died_is_retried_by_its_letter() {
    let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
    fleet.workers("drover-test-worker", 1, &[("DROVER__WORKER__CONCURRENCY", "1")]).await.expect("the worker starts");
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let running = fleet.submit("script", json!({ "gate": gate })).await.expect("accepted");
    fleet.until(&running, "it to run", |job| job["status"] == "running").await.expect("the one slot takes it");
    let id = fleet.submit("script", json!({})).await.expect("accepted");
    fleet.until_published(&id).await.expect("it lies in its queue");
    let stray = json!({
        "id": id, "type": "script", "attempt": 1, "dispatch": 1, "root_id": id, "params": {}, "idempotency_key": id
    });
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    other.publish("drover.jobs", "noop", "drover.job.v1", stray.to_string().as_bytes()).await.expect("published");
    let letter = dead_letter(&fleet, "drover.jobs.noop", "/type is").await;
    let failed = fleet.until(&id, "it to fail", |job| job["status"] == "failed").await.expect("it does");
    assert_eq!(failed["error"]["kind"], "dead_letter", "{failed}");

    let path = format!("/api/v1/dead/{}/redrive", letter["id"]);
    let (status, redriven) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!((status, &redriven["outcome"], &redriven["job_id"]), (200, &json!("retried"), &json!(id)), "{redriven}");
    std::fs::write(&gate, "").expect("written");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["dispatch"]), (&json!("completed"), &json!(2)), "{job}");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 404);
}
