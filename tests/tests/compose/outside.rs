//! What the README shows of containers and of other systems, as a person would type it.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

use drover_tests::{
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::json;

use crate::{
    deployment::Deployment,
    file::{root, text},
};

/// The shell blocks of a section of the README.
fn blocks(section: &str) -> Vec<String> {
    let readme = text("README.md");
    let (_, from) = readme.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let section = from.split("\n## ").next().unwrap_or_default();
    let parts = section.split("\n```");
    parts.filter_map(|part| part.strip_prefix("sh\n")).map(|block| format!("{block}\n")).collect()
}

/// A `python3` that has pika, in a folder of its own: where several are installed, `scripts/test` saw to it that one has.
fn python() -> tempfile::TempDir {
    let found = drover_tests::python_with_pika();
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("python3");
    let path = std::env::var("PATH").unwrap_or_default();
    fs::write(&script, format!("#!/bin/sh\nPATH='{path}'\nexec {found} \"$@\"\n")).expect("written");
    Command::new("chmod").arg("755").arg(&script).status().expect("chmod runs");
    folder
}

impl Deployment {
    /// Runs a script of the README, with the addresses and paths of this deployment in place of those that it shows.
    fn shell(&self, script: &str) -> Output {
        let python = python();
        let shown = "amqp://submitter:submitter@127.0.0.1:5672/drover";
        let script = script.replace(shown, self.amqp_url(shown).as_str()).replace("/data", &self.data("/data"));
        Command::new("timeout")
            .args(["120", "bash", "-euo", "pipefail", "-c", &script])
            .current_dir(root())
            .env("PATH", format!("{}:{}", python.path().display(), std::env::var("PATH").unwrap_or_default()))
            .output()
            .expect("bash runs")
    }
}

#[tokio::test]
async fn every_command_of_the_readme_for_other_systems_submits() {
    let deployment = Deployment::up(1).await;
    deployment.generate("/data/in", 4, 100);
    let fleet = &deployment.fleet;
    let blocks = blocks("Submit from another system");
    assert_eq!(blocks.len(), 2);

    let output = deployment.shell(&blocks[0]);
    assert!(output.status.success(), "{output:?}");
    let id = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "completed");

    // Twice: the key in the body makes it one job.
    for _ in 0..2 {
        let output = deployment.shell(&blocks.concat());
        assert!(output.status.success(), "{output:?}");
    }
    let known = wait::until("the submissions to be jobs", PATIENCE, async || {
        let jobs = fleet.get("/api/v1/jobs").await?;
        let jobs: Vec<_> = jobs["jobs"].as_array().into_iter().flatten().cloned().collect();
        let ended = jobs.iter().filter(|job| job["finished_at"].is_string()).count();
        Ok(if ended >= 4 { Seen::Yes(jobs) } else { Seen::not_yet(format!("{ended} of 4")) })
    })
    .await
    .expect("they come");
    let ids: BTreeSet<&str> = known.iter().filter_map(|job| job["id"].as_str()).collect();
    assert_eq!(ids.len(), 4, "three of Python, each with a key of its own, and one of the shell: {known:?}");
    assert!(known.iter().all(|job| job["status"] == "completed"), "{known:?}");
}

#[tokio::test]
async fn the_python_example_tells_why_not_and_its_key_makes_one_job() {
    let deployment = Deployment::up(1).await;
    let export = "export AMQP_URL=amqp://submitter:submitter@127.0.0.1:5672/drover\n";
    let run = |arguments: &str| deployment.shell(&format!("{export}python3 examples/submit.py {arguments}"));
    let refused = run("nobody_knows '{}'");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("unknown_type: "), "{refused:?}");
    let refused = run("data_import '{\"import_path\": 7}'");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/import_path"), "{refused:?}");

    deployment.generate("/data/in", 4, 100);
    let first = run("data_import '{\"import_path\": \"/data/in\"}' july");
    let again = run("data_import '{\"import_path\": \"/data/in\"}' july");
    assert!(first.status.success() && !first.stdout.is_empty(), "{first:?}");
    assert_eq!(first.stdout, again.stdout);
    let lines = text("examples/submit.py").lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 35, "an example that people read: {lines} lines");
}

#[tokio::test]
async fn what_the_readme_types_into_containers_runs() {
    let deployment = Deployment::up(1).await;
    let blocks = blocks("In containers");
    assert_eq!(blocks[0], "docker compose up --build --scale import-worker=3\n");
    let compose = &deployment.compose;
    assert!(compose.service("import-worker")["ports"].is_null(), "what scales publishes no port");
    assert!(compose.service("import-worker")["container_name"].is_null(), "nor has a fixed name");
    let mut out = String::new();
    for line in blocks[1].lines() {
        // A million rows are another test's.
        let line = line.replace("--files 400 --rows 1000000", "--files 8 --rows 400");
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(words[..3], ["docker", "compose", "exec"], "{line}");
        let output = deployment.exec(&words[3], &words[4..]);
        assert!(output.status.success(), "{line}: {output:?}");
        out.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    let jobs = deployment.fleet.get("/api/v1/jobs").await.expect("answered");
    assert_eq!(jobs["jobs"][0]["status"], "completed", "{jobs}\n{out}");
}

#[tokio::test]
async fn a_submission_without_a_key_is_refused_and_says_where_one_may_stand() {
    let deployment = Deployment::up(1).await;
    let fleet = &deployment.fleet;
    let script = "amqp-publish --url=amqp://submitter:submitter@127.0.0.1:5672/drover --exchange=drover.submit \
                  --body='{\"type\": \"data_import\", \"params\": {\"import_path\": \"/data/in\"}}'";
    let output = deployment.shell(script);
    assert!(output.status.success(), "{output:?}");
    let letter = wait::until("the dead letter to be listed", PATIENCE, async || {
        let letters = fleet.get("/api/v1/dead").await?;
        Ok(letters["messages"].get(0).cloned().map_or_else(|| Seen::not_yet(&letters), Seen::Yes))
    })
    .await
    .expect("it is kept");
    assert_eq!(letter["queue"], "drover.submit", "{letter}");
    let reason = letter["detail"].as_str().expect("a reason");
    assert!(reason.contains("message_id") && reason.contains("idempotency_key"), "{reason}");
    assert_eq!(fleet.get("/api/v1/jobs").await.expect("answered")["jobs"], json!([]));
}
