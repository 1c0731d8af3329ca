//! Tokens, from the first one on, with real processes.

use std::process::{Command, Output};

use drover_tests::{
    Fleet, binary,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Runs a program to its end.
fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary(program).expect("it is built"));
    command.args(arguments).envs(environment.iter().copied()).output().expect("it runs")
}

/// Runs `drover` with a token; exit code, standard output and standard error.
fn drover(url: &str, token: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = run("drover", arguments, &[("DROVER_URL", url), ("DROVER_TOKEN", token)]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

/// The first token, made beside the orchestrators.
fn first_token(fleet: &Fleet, name: &str) -> String {
    let arguments = ["token", "create", "--name", name, "--role", "admin"];
    let output = run("drover-orchestrator", &arguments, &[("DROVER__DATABASE__URL", fleet.database.url())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text").trim().to_owned()
}

#[tokio::test]
async fn from_the_first_token_to_a_revoked_one_at_every_replica() {
    let mut fleet = Fleet::start(2, &[("DROVER__HTTP__AUTH", "tokens")]).await.expect("they start without a token");
    let url = fleet.url().to_owned();
    fleet.orchestrators[0].process.wait_for_line("there is no token yet", PATIENCE).await.expect("and say so");
    let (code, _, said) = drover(&url, "", &["list"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("DROVER_TOKEN") && said.contains("drover-orchestrator token create"), "{said}");
    assert_eq!(drover(&url, "", &["health"]).0, 0, "health asks nobody");

    let ann = first_token(&fleet, "ann");
    fleet.set_token(&ann);
    fleet.workers("drover-test-worker", 1, &[]).await.expect("the worker needs none");
    let (code, ci, said) = drover(&url, &ann, &["token", "create", "ci", "--role", "submitter"]);
    assert_eq!(code, 0, "{said}");
    let (code, id, said) = drover(&url, &ci, &["submit", "noop", "--wait"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = drover(&url, &ci, &["delete", id.split_whitespace().next().unwrap_or(&id)]);
    assert_eq!(code, 2);
    assert!(said.contains("this takes the role operator, and the token ci has the role submitter"), "{said}");

    let other = fleet.orchestrators[1].url.clone();
    assert_eq!(drover(&other, &ci, &["list"]).0, 0);
    assert_eq!(drover(&url, &ann, &["token", "revoke", "ci"]).0, 0);
    assert_eq!(drover(&url, &ci, &["list"]).0, 2, "worth nothing at once where it was revoked");
    wait::until("the other replica to know", PATIENCE, async || {
        let response = reqwest::Client::new().get(format!("{other}/api/v1/jobs")).bearer_auth(&ci).send().await?;
        let refused = response.status() == StatusCode::UNAUTHORIZED;
        Ok(if refused { Seen::Yes(()) } else { Seen::not_yet(response.status()) })
    })
    .await
    .expect("it gets to know");

    let (code, audit, _) = drover(&url, &ann, &["audit", "--json"]);
    assert_eq!(code, 0);
    let audit: Value = serde_json::from_str(&audit).expect("JSON");
    let lines = audit["lines"].as_array().expect("lines").iter();
    let brief: Vec<Value> = lines.map(|line| json!([line["token_name"], line["action"], line["status"]])).collect();
    let expected = [
        json!(["ann", "revoke_token", 204]),
        json!(["ci", "delete", 403]),
        json!(["ci", "submit", 201]),
        json!(["ann", "create_token", 201]),
        json!(["the command line", "create_token", 201]),
    ];
    assert_eq!(brief, expected);
    for orchestrator in &fleet.orchestrators {
        let log = orchestrator.process.log();
        assert!(!log.contains(&ann) && !log.contains(&ci), "{log}");
    }
    fleet.silence();
}
