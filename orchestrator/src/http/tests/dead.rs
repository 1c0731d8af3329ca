//! Dead letters: listed, sent again, discarded.

use std::time::Instant;

use drover_broker::PublishError;
use drover_engine::Input;
use drover_protocol::{JobError, JobId};
use serde_json::{Value, json};

use super::{Api, redacted};
use crate::store::{DeadFilter, DeadLetter};

fn letter(body: &[u8]) -> DeadLetter {
    DeadLetter {
        queue: "drover.events".into(),
        reason: "malformed".into(),
        detail: Some("no JSON".into()),
        message_id: Some("m-1".into()),
        message_type: Some("drover.event.v1".into()),
        content_type: Some("application/json".into()),
        body: body.to_vec(),
        whole_bytes: None,
        properties: json!({ "app_id": "other" }),
        job_id: None,
        redrives: 0,
    }
}

fn from(queue: &str, body: &Value) -> DeadLetter {
    DeadLetter { queue: queue.into(), reason: "rejected".into(), ..letter(body.to_string().as_bytes()) }
}

/// The ids of the letters that are there, oldest first.
async fn there(api: &Api) -> Vec<i64> {
    let list = api.get("/api/v1/dead?limit=500").await.ok();
    list["messages"].as_array().unwrap().iter().rev().map(|letter| letter["id"].as_i64().unwrap()).collect()
}

async fn keep(api: &Api, letters: &[DeadLetter]) -> Vec<i64> {
    api.desk.app.store.insert_dead_letters(letters).await.unwrap();
    there(api).await
}

#[tokio::test]
async fn a_look_that_took_all_the_time_is_followed_by_a_part_all_the_same() {
    let api = Api::new().await;
    keep(&api, &[from("drover.events", &json!({}))]).await;
    let swept = api.desk.app.redrive_until(Instant::now(), &DeadFilter::default(), (0, i64::MAX), 10).await.unwrap();
    assert_eq!(swept.matched, 1);
}

#[tokio::test]
async fn dead_letters_are_paged_and_a_long_body_is_whole_only_on_its_own() {
    let api = Api::new().await;
    let long = "ü".repeat(20_000);
    let cut = DeadLetter { whole_bytes: Some(99_000_000), ..letter(&[0xff, 0x00]) };
    keep(&api, &[letter(b"{\"id\": 7"), cut, letter(long.as_bytes())]).await;
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
    assert_eq!((&binary["truncated"], &binary["body_bytes"]), (&json!(true), &json!(99_000_000)));
    let mut oldest: Value = rest["messages"][0].clone();
    oldest["id"] = json!(0);
    insta::assert_json_snapshot!("dead_letter", redacted(&oldest));
    api.get("/api/v1/dead/999999").await.problem(404, "not_found");
    assert!(api.get("/api/v1/dead/x").await.problem(400, "malformed").contains("whole numbers"));
}

#[tokio::test]
async fn dead_letters_are_listed_by_queue_and_reason() {
    let api = Api::new().await;
    keep(&api, &[letter(b"1"), from("drover.logs", &json!(2)), from("drover.events", &json!(3))]).await;
    for (query, bodies) in [
        ("queue=drover.events", json!(["3", "1"])),
        ("reason=rejected", json!(["3", "2"])),
        ("queue=drover.events&reason=rejected", json!(["3"])),
        ("queue=drover", json!([])),
    ] {
        let list = api.get(&format!("/api/v1/dead?{query}")).await.ok();
        let found: Value = list["messages"].as_array().unwrap().iter().map(|letter| letter["body"].clone()).collect();
        assert_eq!(found, bodies, "{query}");
    }
}

#[tokio::test]
async fn a_letter_is_sent_again_as_it_came_and_goes_when_that_is_confirmed() {
    let api = Api::new().await;
    let properties = json!({
        "exchange": "drover.submit", "routing_key": "any", "correlation_id": "c", "reply_to": "r", "app_id": "other",
        "timestamp": "2026-01-31T12:00:00Z",
        "headers": { "mine": "1", "x-mine": "2", "x-death": "[…]", "x-first-death-queue": "q", "x-delivery-count": "7" },
    });
    let submission = DeadLetter {
        message_type: Some("drover.submission.v1".into()),
        properties,
        redrives: 1,
        ..from("drover.submit", &json!({ "type": "validate" }))
    };
    let id = keep(&api, &[submission]).await[0];
    let redrive = format!("/api/v1/dead/{id}/redrive");
    api.desk.broker.refuse(PublishError::Unconfirmed { reason: "the connection broke".into() });
    let refused = api.post(&redrive).await;
    assert!(refused.problem(503, "unavailable").contains("the connection broke"));
    assert_eq!(there(&api).await, [id], "it stays");

    api.desk.broker.refuse(None);
    let answer = api.post(&redrive).await.ok();
    assert_eq!(answer, json!({ "id": id, "outcome": "sent", "queue": "drover.submit", "job_id": null }));
    let sent = api.desk.broker.published().pop().unwrap();
    assert_eq!((sent.exchange.as_str(), sent.routing_key.as_str(), sent.mandatory), ("", "drover.submit", true));
    assert_eq!(sent.body, r#"{"type":"validate"}"#);
    let properties = sent.properties;
    assert_eq!(properties.message_id.as_deref(), Some("m-1"), "its key: no second job is made");
    assert_eq!((properties.app_id.as_deref(), properties.reply_to.as_deref()), (Some("other"), Some("r")));
    assert_eq!(properties.kind.as_deref(), Some("drover.submission.v1"));
    assert_eq!(properties.timestamp.map(|at| at.timestamp()), Some(1_769_860_800));
    let headers: Vec<(&str, &str)> = properties.headers.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(headers, [("mine", "1"), ("redrives", "2"), ("x-mine", "2")]);
    api.post(&redrive).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_sent_again_stays_and_says_why() {
    let api = Api::new().await;
    let gone = JobId(uuid::Uuid::now_v7());
    let cut = DeadLetter { whole_bytes: Some(99), ..from("drover.events", &json!({})) };
    let cases = [
        (from("drover.heartbeats", &json!({})), "no longer so"),
        (from("other", &json!({})), "\"other\", which Drover does not read"),
        (from("drover.jobs", &json!({})), "\"drover.jobs\", which Drover does not read"),
        (cut, "only the first 2 of its 99 bytes"),
        (from("drover.jobs.validate", &json!({})), "says of no job"),
        (from("drover.jobs.validate", &json!({ "id": gone, "dispatch": 1 })), "is gone"),
    ];
    for (letter, reason) in cases {
        let ids = keep(&api, &[letter]).await;
        let id = ids.last().unwrap();
        let refused = api.post(&format!("/api/v1/dead/{id}/redrive")).await;
        assert!(refused.problem(409, "not_redrivable").contains(reason), "{refused:?}");
        assert_eq!(there(&api).await, ids);
    }
    api.desk.broker.refuse(PublishError::Unroutable { exchange: String::new(), routing_key: String::new() });
    let id = *keep(&api, &[from("drover.logs", &json!({}))]).await.last().unwrap();
    let refused = api.post(&format!("/api/v1/dead/{id}/redrive")).await;
    assert!(refused.problem(409, "not_redrivable").contains("no queue \"drover.logs\""));
    assert_eq!(api.desk.broker.published(), []);
}

/// A job that failed since its message was rejected by a worker, with that letter.
async fn rejected(api: &Api, job: JobId, dispatch: u32) -> i64 {
    let error = JobError::permanent("dead_letter", "its message went to the dead letters: rejected");
    let input = Input::Undeliverable { job_id: job, dispatch, error };
    let folded = api.desk.app.store.fold(&api.desk.app.context, vec![input]).await.unwrap();
    api.desk.app.committed(folded);
    let letter = from("drover.jobs.validate", &json!({ "id": job, "dispatch": dispatch }));
    *keep(api, &[letter]).await.last().unwrap()
}

#[tokio::test]
async fn the_letter_of_a_job_retries_it_once() {
    let api = Api::new().await;
    let job = api.submit(json!({ "type": "validate" })).await;
    let letter = rejected(&api, job, 1).await;
    assert_eq!(api.job(job).await["error"]["kind"], "dead_letter");
    let answer = api.post(&format!("/api/v1/dead/{letter}/redrive")).await.ok();
    assert_eq!((&answer["outcome"], &answer["job_id"]), (&json!("retried"), &json!(job)));
    let retried = api.job(job).await;
    assert_eq!((&retried["status"], &retried["dispatch"]), (&json!("pending"), &json!(2)));
    assert_eq!(there(&api).await, [0_i64; 0]);

    // As if the letter had not been deleted after that: the fence tells.
    let again =
        *keep(&api, &[from("drover.jobs.validate", &json!({ "id": job, "dispatch": 1 }))]).await.last().unwrap();
    let refused = api.post(&format!("/api/v1/dead/{again}/redrive")).await;
    assert!(refused.problem(409, "not_redrivable").contains("of dispatch 1, the job is at 2"));
    let early =
        *keep(&api, &[from("drover.jobs.validate", &json!({ "id": job, "dispatch": 2 }))]).await.last().unwrap();
    let refused = api.post(&format!("/api/v1/dead/{early}/redrive")).await;
    assert!(refused.problem(409, "not_redrivable").contains("is pending all the same"));
}

#[tokio::test]
async fn the_letter_of_a_sub_job_names_the_workflow_to_retry() {
    let api = Api::new().await;
    let (workflow, subs) = api.import(1).await;
    let letter = rejected(&api, subs[1], 1).await;
    assert_eq!(api.job(workflow).await["status"], "completed_with_errors");
    let refused = api.post(&format!("/api/v1/dead/{letter}/redrive")).await;
    assert!(refused.problem(409, "not_redrivable").contains(&format!("`drover retry {workflow}`")));

    let (workflow, subs) = api.import(2).await;
    let letter = rejected(&api, subs[1], 1).await;
    assert_eq!(api.job(workflow).await["status"], "running");
    api.post(&format!("/api/v1/dead/{letter}/redrive")).await.ok();
    assert_eq!(api.job(subs[1]).await["status"], "pending", "its workflow still waits");
}

#[tokio::test]
async fn many_are_sent_again_in_their_order_page_by_page() {
    let api = Api::new().await;
    let mut letters: Vec<DeadLetter> = (0..5).map(|number| from("drover.submit", &json!(number))).collect();
    letters.insert(2, from("drover.heartbeats", &json!({})));
    letters.insert(4, letter(b"of another reason"));
    let ids = keep(&api, &letters).await;
    let ask = async |more: Value| {
        let mut body = json!({ "filter": { "reason": "rejected" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post_json("/api/v1/dead/redrive", &body).await.ok()
    };
    let dry = ask(json!({ "dry_run": true })).await;
    assert_eq!((&dry["matched"], &dry["done"], &dry["next_cursor"]), (&json!(6), &json!(0), &json!(null)));
    assert_eq!(there(&api).await, ids);

    let first = ask(json!({ "limit": 4 })).await;
    assert_eq!((&first["matched"], &first["done"]), (&json!(4), &json!(3)));
    assert_eq!(first["refused"][0]["id"], ids[2]);
    // What comes back is not sent again by the same sweep.
    keep(&api, &[from("drover.submit", &json!("new"))]).await;
    let rest = ask(json!({ "limit": 4, "cursor": first["next_cursor"] })).await;
    assert_eq!((&rest["matched"], &rest["done"], &rest["next_cursor"]), (&json!(2), &json!(2), &json!(null)));
    let sent: Vec<String> =
        api.desk.broker.published().iter().map(|sent| String::from_utf8_lossy(&sent.body).into_owned()).collect();
    assert_eq!(sent, ["0", "1", "2", "3", "4"]);
    assert_eq!(there(&api).await.len(), 3, "the heartbeat, the other reason, the new one");
}

#[tokio::test]
async fn many_that_the_broker_does_not_take_stay() {
    let api = Api::new().await;
    let ids = keep(&api, &[from("drover.heartbeats", &json!({})), from("drover.submit", &json!({}))]).await;
    api.desk.broker.refuse(PublishError::Rejected);
    let answer = api.post_json("/api/v1/dead/redrive", &json!({ "all": true })).await.ok();
    assert_eq!((&answer["matched"], &answer["done"]), (&json!(1), &json!(0)), "what was looked at, before that");
    let again = json!({ "all": true, "cursor": answer["next_cursor"] });
    api.post_json("/api/v1/dead/redrive", &again).await.problem(503, "unavailable");
    assert_eq!(there(&api).await, ids);
    api.desk.broker.refuse(None);
    assert_eq!(api.post_json("/api/v1/dead/redrive", &again).await.ok()["done"], 1);
}

#[tokio::test]
async fn one_and_many_are_discarded() {
    let api = Api::new().await;
    let ids = keep(&api, &[letter(b"1"), letter(b"2"), from("drover.logs", &json!(3)), letter(b"4")]).await;
    assert_eq!(api.delete(&format!("/api/v1/dead/{}", ids[0])).await.status, 204);
    api.delete(&format!("/api/v1/dead/{}", ids[0])).await.problem(404, "not_found");
    let body = json!({ "filter": { "queue": "drover.events" }, "limit": 1 });
    let first = api.post_json("/api/v1/dead/discard", &body).await.ok();
    assert_eq!((&first["matched"], &first["done"], &first["refused"]), (&json!(1), &json!(1), &json!([])));
    let body = json!({ "filter": { "queue": "drover.events" }, "cursor": first["next_cursor"] });
    assert_eq!(api.post_json("/api/v1/dead/discard", &body).await.ok()["next_cursor"], json!(null));
    assert_eq!(there(&api).await, [ids[2]]);
    assert_eq!(api.desk.broker.published(), []);
}

#[tokio::test]
async fn all_is_meant_only_when_it_is_said() {
    let api = Api::new().await;
    for action in ["redrive", "discard"] {
        let path = format!("/api/v1/dead/{action}");
        for body in [json!({}), json!({ "filter": {} }), json!({ "filter": { "queue": null } })] {
            let refused = api.post_json(&path, &body).await;
            assert!(refused.problem(400, "malformed").contains("\"all\": true"), "{refused:?}");
            assert_eq!(refused.body["field"], "/filter");
        }
        for (body, words) in [
            (json!({ "filter": { "quue": "a" } }), "unknown field \"quue\"; known here: queue, reason"),
            (json!({ "all": true, "filter": { "queue": "a" } }), "give one of the two"),
            (json!({ "all": true, "limit": 1001 }), "a whole number from 1 to 1000"),
            (json!({ "all": true, "cursor": "x" }), "no cursor of this list"),
            (json!({ "all": "yes" }), "true or false"),
            (json!({ "everything": true }), "unknown field \"everything\""),
            (json!([]), "no JSON object"),
        ] {
            assert!(api.post_json(&path, &body).await.problem(400, "malformed").contains(words), "{body}");
        }
    }
}
