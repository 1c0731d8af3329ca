//! Definitions and expressions that are no good: at load with file, line and key, at run time as the step's error.

use std::{path::Path, process::Command};

use drover_tests::{Process, binary, fleet::PATIENCE};
use serde_json::json;

use super::goes_on;
use crate::workflows;

const TYPO: &str = "name: typo\ntitle: Typo\nsteps:\n  - key: a\n    title: A\n    job: noop\n    max_paralel: 3\n";

#[tokio::test]
async fn a_bad_definition_is_refused_with_line_and_key() {
    let fleet = workflows::fleet().await;
    let error = fleet.apply(TYPO).await.expect_err("refused").to_string();
    assert!(error.contains("max_paralel") && error.contains("max_parallel"), "{error}");
    assert!(error.contains(":7") || error.contains("\"line\":7"), "{error}");
    let error = fleet
        .apply("name: cel\ntitle: Cel\nsteps:\n  - key: a\n    title: A\n    job: noop\n    if: \"${1 +}\"\n")
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("steps[0].if") && error.contains("\"line\":7"), "{error}");
}

#[tokio::test]
async fn an_expression_that_fails_is_its_steps_error() {
    let fleet = workflows::fleet().await;
    let definition = "name: broken
title: Broken
steps:
  - { key: a, title: A, job: noop, params: { value: \"${input.nothing.there}\" } }
  - { key: b, title: B, job: noop }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("broken", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    let first = &job["result"]["steps"]["a"];
    assert_eq!((&first["status"], &first["error"]["kind"]), (&json!("failed"), &json!("expression")), "{job}");
    assert!(first["error"]["message"].as_str().is_some_and(|text| text.contains("nothing")), "{job}");
    assert_eq!(job["result"]["steps"]["b"]["status"], "completed");
}

#[tokio::test]
async fn the_command_line_names_file_line_and_key() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("typo.yaml");
    std::fs::write(&file, TYPO).expect("written");
    let output = Command::new(binary("drover").expect("the command line is built"))
        .args(["--url", fleet.url(), "apply"])
        .arg(&file)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("typo.yaml:7") && text.contains("max_paralel"), "{text}");
    goes_on(&fleet).await;
}

#[tokio::test]
async fn a_bad_definition_in_the_start_up_folder_is_a_start_up_error() {
    let fleet = workflows::fleet().await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("typo.yaml"), TYPO).expect("written");
    for (folder, said) in [(folder.path(), "typo.yaml:7"), (Path::new("/no/such/folder"), "orchestrator.definitions")] {
        let mut process = Process::spawn("drover-orchestrator", |command| {
            command
                .env("DROVER__DATABASE__URL", fleet.database.url())
                .env("DROVER__AMQP__URL", fleet.vhost.url())
                .env("DROVER__HTTP__LISTEN", "127.0.0.1:0")
                .env("DROVER__ORCHESTRATOR__DEFINITIONS", folder);
        })
        .expect("it starts");
        process.wait_for_line(said, PATIENCE).await.expect("it says what is wrong");
        assert!(!process.wait_for_exit(PATIENCE).await.expect("it ends").success());
        assert!(said.starts_with("orchestrator") || process.log().contains("max_paralel"), "{}", process.log());
    }
    goes_on(&fleet).await;
}
