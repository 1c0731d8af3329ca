//! The ways in: HTTP with its keys, AMQP with its replies.

use reqwest::Method;
use serde_json::{Value, json};

use crate::workflows;

#[tokio::test]
async fn fault_13_the_same_key_makes_one_job_however_often_and_at_once() {
    let fleet = workflows::fleet().await;
    let url = format!("{}/api/v1/jobs", fleet.url());
    let client = reqwest::Client::new();
    let submit = |body: Value| {
        let request = client.post(&url).header("idempotency-key", "invoice 17").json(&body);
        async move {
            let response = request.send().await.expect("answered");
            let status = response.status().as_u16();
            (status, response.json::<Value>().await.expect("JSON"))
        }
    };
    let body = || json!({ "type": "noop", "params": { "value": 1 } });
    let answers = futures_util::future::join_all((0..20).map(|_| submit(body()))).await;
    let made = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(answers.iter().all(|(_, answer)| answer["id"] == answers[0].1["id"]), "{answers:?}");
    let (status, problem) = submit(json!({ "type": "noop", "params": { "value": 2 } })).await;
    assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
}

#[tokio::test]
async fn an_unknown_type_and_bad_parameters_are_refused_with_the_field() {
    let fleet = workflows::fleet().await;
    let post = async |body: Value| fleet.request(Method::POST, "/api/v1/jobs", Some(body)).await.expect("answered");
    let (status, problem) = post(json!({ "type": "nobody_knows" })).await;
    assert_eq!((status, &problem["kind"]), (422, &json!("unknown_type")), "{problem}");
    let (status, problem) = post(json!({ "type": "script", "params": { "progress": "fast" } })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/progress")), "{problem}");
    let (status, problem) = post(json!({ "type": "script", "parms": {} })).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem.to_string().contains("parms"), "{problem}");
}

#[tokio::test]
async fn another_system_submits_by_amqp_and_is_answered() {
    let fleet = workflows::fleet().await;
    let other = fleet.vhost.peer().await.expect("a connection of another system");
    let good = json!({ "type": "noop", "params": { "value": 5 } });
    let first = other.submit("order-1", &good).await.expect("answered");
    let id = first["id"].as_str().expect("accepted").to_owned();
    assert_eq!(first["duplicate"], false);
    let again = other.submit("order-1", &good).await.expect("answered");
    assert_eq!((again["id"].as_str(), &again["duplicate"]), (Some(id.as_str()), &json!(true)));
    assert_eq!(fleet.ended(&id).await.expect("it ends")["result"]["value"], 5);

    let refused = other.submit("order-2", &json!({ "type": "nobody_knows" })).await.expect("answered");
    assert_eq!(refused["error"]["kind"], "unknown_type", "{refused}");
    let refused = other.submit("order-3", &json!({ "typ": "noop" })).await.expect("answered");
    assert_eq!(refused["error"]["kind"], "malformed", "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("typ")), "{refused}");
    crate::bad_input::dead_letter(&fleet, "drover.submit", "typ").await;
}
