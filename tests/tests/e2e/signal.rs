//! Steps that wait for an answer. Every wait for an end replays the workflow, too ([`Fleet::ended`]).

use std::process::{Command, Output};

use drover_tests::{
    Fleet, binary,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    shapes::{assert_metadata, assert_result, step},
    workflows,
};

/// A workflow that builds, waits and ships.
fn release(name: &str, more: &str) -> String {
    format!(
        "name: {name}
title: Release
steps:
  - {{ key: build, title: Build, job: noop }}
  - {{ key: gate, title: Approve it, wait_for: signal, on_failure: fail{more} }}
  - {{ key: ship, title: Ship, job: noop, params: {{ value: \"${{steps.gate.result.data}}\" }} }}
cleanup:
  - {{ key: tidy, title: Tidy up, job: noop }}
"
    )
}

async fn waits(fleet: &Fleet, id: &str) -> Value {
    fleet.until(id, "the gate to wait", |job| step(job, "gate")["running"] == 1).await.expect("it waits")
}

fn drover(fleet: &Fleet, args: &[&str]) -> Output {
    let mut command = Command::new(binary("drover").expect("the command line is built"));
    command.args(args).env("DROVER_URL", fleet.url()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn ask(fleet: &Fleet, id: &str, action: &str) {
    let path = format!("/api/v1/jobs/{id}/{action}");
    let (status, body) = fleet.request(Method::POST, &path, None).await.expect("answered");
    assert_eq!(status, 202, "{action}: {body}");
}

#[tokio::test]
async fn it_waits_over_a_restart_of_the_orchestrator_and_an_approval_goes_on() {
    let mut fleet = workflows::fleet().await;
    fleet.apply(&release("release", "")).await.expect("valid");
    let id = fleet.submit("release", json!({})).await.expect("accepted");
    let job = waits(&fleet, &id).await;
    assert_metadata(&job);
    let gate = job["metadata"]["active_sub_job"]["id"].as_str().expect("the gate").to_owned();
    let message = job["metadata"]["message"].as_str().expect("a message");
    assert!(message.starts_with("Approve it: waiting for approval since "), "{message}");
    fleet.rebuilt(&id).await.expect("while it waits");

    fleet.orchestrators[0].process.kill().expect("killed");
    fleet.orchestrators[0] = fleet.spawn_orchestrator().expect("started again");
    fleet.ready(0).await.expect("ready");
    let shown = drover(&fleet, &["show", &id]);
    assert!(text(&shown.stdout).contains(&format!("drover approve {id}")), "{}", text(&shown.stdout));
    assert_eq!(fleet.job(&gate).await.expect("there")["dispatch"], 1, "it waits as it did");

    let data = "{\"ring\": 2}";
    let approved = drover(&fleet, &["approve", &id, "--step", "gate", "--reason", "it is Monday", "--data", data]);
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    assert!(text(&approved.stdout).starts_with(&format!("{gate} approved at ")), "{}", text(&approved.stdout));
    let again = drover(&fleet, &["approve", "--refuse", &id]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains(": it is Monday"), "{}", text(&again.stderr));

    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_result(&job);
    let steps = &job["result"]["steps"];
    assert_eq!((&steps["gate"]["result"]["approved"], &steps["gate"]["job_id"]), (&json!(true), &json!(gate)));
    assert_eq!(steps["ship"]["result"]["value"], json!({ "ring": 2 }));
}

#[tokio::test]
async fn a_refusal_fails_the_workflow_and_a_retry_waits_anew() {
    let fleet = workflows::fleet().await;
    fleet.apply(&release("refused", "")).await.expect("valid");
    let id = fleet.submit("refused", json!({})).await.expect("accepted");
    waits(&fleet, &id).await;
    let refused = drover(&fleet, &["approve", "--refuse", "--reason", "not on a Friday", &id]);
    assert!(refused.status.success(), "{}", text(&refused.stderr));
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("refused")), "{job}");
    let message = job["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("step gate failed: refused at ") && message.ends_with("not on a Friday"), "{message}");
    assert_eq!(step(&job, "tidy")["status"], "completed");
    assert_result(&job);
    ask(&fleet, &id, "retry").await;
    waits(&fleet, &id).await;
    let answer = json!({ "approved": true, "data": 1 });
    let path = format!("/api/v1/jobs/{id}/answer");
    assert_eq!(fleet.request(Method::POST, &path, Some(answer)).await.expect("answered").0, 200);
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "completed");
}

#[tokio::test]
async fn when_nobody_answers_in_time_it_fails() {
    let fleet = workflows::fleet().await;
    fleet.apply(&release("unanswered", ", timeout: 700ms")).await.expect("valid");
    let job = fleet.run("unanswered", json!({})).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("timeout")), "{job}");
    let message = job["error"]["message"].as_str().expect("a message");
    assert_eq!(message, "step gate failed: nobody answered within its timeout of 700ms");
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_an_answer() {
    let fleet = workflows::fleet().await;
    fleet.apply(&release("cancelled", "")).await.expect("valid");
    let id = fleet.submit("cancelled", json!({})).await.expect("accepted");
    let gate = waits(&fleet, &id).await["metadata"]["active_sub_job"]["id"].clone();
    ask(&fleet, &id, "cancel").await;
    let gate = fleet.job(gate.as_str().expect("an id")).await.expect("there");
    assert_eq!(gate["status"], "cancelled", "at once, whatever clean-up does: {gate}");
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &step(&job, "gate")["status"]), (&json!("cancelled"), &json!("cancelled")), "{job}");
    assert_result(&job);
}

#[tokio::test]
async fn while_it_is_paused_its_time_stands_still_and_an_answer_counts_when_it_is_resumed() {
    let fleet = workflows::fleet().await;
    fleet.apply(&release("held", ", timeout: 2s")).await.expect("valid");
    let id = fleet.submit("held", json!({})).await.expect("accepted");
    waits(&fleet, &id).await;
    ask(&fleet, &id, "pause").await;
    let database = fleet.database.connect().await.expect("a connection");
    let is_up = "SELECT clock_timestamp() > started_at + interval '2 s' FROM jobs WHERE parent_id = $1::text::uuid AND type = 'signal'";
    wait::until("what it may wait to have passed", PATIENCE, async || {
        let is_up: bool = database.query_one(is_up, &[&id]).await?.get(0);
        Ok(if is_up { Seen::Yes(()) } else { Seen::not_yet("there is time left") })
    })
    .await
    .expect("it passes");
    let job = fleet.job(&id).await.expect("there");
    assert_eq!((&job["status"], &job["message"]), (&json!("running"), &json!("Paused")));
    let approved = drover(&fleet, &["approve", &id, "--data", "3"]);
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    let job = fleet.job(&id).await.expect("there");
    assert_eq!(
        (&step(&job, "gate")["status"], &step(&job, "ship")["status"]),
        (&json!("completed"), &json!("pending"))
    );
    ask(&fleet, &id, "resume").await;
    let job = fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["result"]["steps"]["ship"]["result"]["value"]), (&json!("completed"), &json!(3)));
}
