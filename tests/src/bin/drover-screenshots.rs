//! Pictures of every web page, each with something on it: `drover-screenshots FOLDER`. The servers are those of the tests;
//! `scripts/screenshots` starts them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use drover_tests::{
    Browser, Fleet,
    browser::Screen,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Writes pictures of every web page, light and dark, wide and narrow.
#[derive(Parser)]
struct Arguments {
    /// Where they are written.
    folder: PathBuf,
}

/// Of the system that asks for one.
const TOKEN: &str = "the-token-of-the-pictures";

const WORKFLOW: &str = "
name: process_new_scenes
title: Process new scenes
input:
  type: object
  required: [scenes]
  properties:
    scenes: { type: array, title: Scenes }
    folder: { type: string, title: Folder, description: Absolute path, pattern: '^/.*$', default: /media }
    quality: { enum: [draft, normal, best], title: Quality, default: normal }
    copies: { type: integer, title: Copies, minimum: 1, default: 1 }
    overwrite: { type: boolean, title: Overwrite what is there }
    tags: { type: array, items: { type: string }, title: Tags }
steps:
  - { key: scan, title: Scan the library, job: noop, weight: 10 }
  - key: analyze
    title: Analyze scenes
    job: script
    weight: 60
    for_each: \"${input.scenes}\"
    batch_size: 1
    max_parallel: 4
    params: \"${batch.items[0]}\"
  - { key: previews, title: Generate previews, job: generate_previews, weight: 20, if: \"${size(input.scenes) > 1000}\" }
  - { key: report, title: Write the report, job: noop, weight: 10 }
summary: { scenes: \"${size(input.scenes)}\" }
schedule: { cron: \"30 2 * * MON-FRI\", time_zone: Europe/Berlin, input: { scenes: [] } }
";

const RELEASE: &str = "
name: release
title: Release
steps:
  - { key: build, title: Build, job: noop }
  - { key: gate, title: Approve the release, wait_for: signal, timeout: 7d }
  - { key: deploy, title: Deploy, job: noop }
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { folder } = Arguments::parse();
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let gates = tempfile::tempdir()?;
    let mut fleet = Fleet::start(1, &[]).await?;
    empty(&fleet, &folder).await?;
    fleet.workers("drover-test-worker", 2, &[("DROVER__WORKER__CONCURRENCY", "4")]).await?;
    fleet.apply(WORKFLOW).await?;
    fleet.apply(RELEASE).await?;
    let pages = stage(&fleet, &gates).await?;
    let mut guarded = guarded().await?;
    for (dark, phone) in [(false, false), (true, false), (false, true), (true, true)] {
        let (width, height) = if phone { (390, 1_500) } else { (1_280, 1_100) };
        let mut browser = Browser::open(Screen { width, height, phone, dark }).await?;
        let look = format!("{}-{}", if phone { "narrow" } else { "wide" }, if dark { "dark" } else { "light" });
        let file = |name: &str| folder.join(format!("{name}-{look}.png"));
        for (name, path) in &pages {
            picture(&browser, &fleet, path, &file(name)).await?;
        }
        picture(&browser, &guarded, "/login", &file("login")).await?;
        browser.fill("#token", TOKEN).await?;
        browser.click_words("button", "Log in").await?;
        browser.until(".who", "admin").await?;
        for name in ["tokens", "audit"] {
            picture(&browser, &guarded, &format!("/{name}"), &file(name)).await?;
        }
        browser.silence();
    }
    fleet.silence();
    guarded.silence();
    Ok(())
}

/// Another system, which asks who looks, with some tokens and something done by them.
async fn guarded() -> anyhow::Result<Fleet> {
    let environment = [("DROVER__HTTP__AUTH", "tokens"), ("DROVER__HTTP__ADMIN_TOKEN", TOKEN)];
    let mut fleet = Fleet::start(1, &environment).await?;
    fleet.set_token(TOKEN);
    fleet.workers("drover-test-worker", 1, &[]).await?;
    for (name, role) in [("nightly-import", "submitter"), ("ops", "operator"), ("dashboard", "viewer")] {
        fleet.request(Method::POST, "/api/v1/tokens", Some(json!({ "name": name, "role": role }))).await?;
    }
    fleet.run("noop", json!({})).await?;
    fleet.request(Method::POST, "/api/v1/types/noop/pause", None).await?;
    Ok(fleet)
}

/// The first page of a system in which nothing has run.
async fn empty(fleet: &Fleet, folder: &Path) -> anyhow::Result<()> {
    let mut browser = Browser::open(Screen { height: 800, ..Screen::WIDE }).await?;
    picture(&browser, fleet, "/", &folder.join("empty-wide-light.png")).await?;
    browser.silence();
    Ok(())
}

async fn picture(browser: &Browser, fleet: &Fleet, path: &str, file: &Path) -> anyhow::Result<()> {
    browser.goto(&format!("{}{path}", fleet.url())).await?;
    browser.count("main h1").await?;
    browser.screenshot(file).await
}

/// Fills the system with something of everything. The pages to take pictures of.
async fn stage(fleet: &Fleet, gates: &TempDir) -> anyhow::Result<Vec<(&'static str, String)>> {
    let gate = gates.path().join("gate");
    let scene = |index: usize| {
        let lines = [format!("opening scene {index}"), format!("found {} faces", index % 7)];
        match index % 9 {
            8 => {
                json!({ "fail_attempts": 1, "retryable": false, "told": format!("scene {index}: the codec is not known") })
            }
            _ => json!({ "log": lines, "progress": [30.0, 80.0] }),
        }
    };
    let scenes = |count: usize| (0..count).map(scene).collect::<Vec<Value>>();
    let ended = fleet.run("process_new_scenes", json!({ "scenes": scenes(60) })).await?;
    fleet.run("process_new_scenes", json!({ "scenes": scenes(5) })).await?;
    fleet.run("script", json!({ "fail_attempts": 1, "retryable": false, "told": "the disk is full" })).await?;
    let waits = |progress: f64| json!({ "gate": gate, "progress": [progress], "message": "frame 1,204 of 2,400" });
    let mut open: Vec<Value> = scenes(30);
    open.extend([20.0, 45.0, 60.0, 75.0, 0.0, 0.0].map(waits));
    let running = fleet.submit("process_new_scenes", json!({ "scenes": open })).await?;
    fleet.until(&running, "the batches to wait", |job| job["metadata"]["steps"][1]["running"] == 4).await?;
    fleet.until(&running, "the others to end", |job| job["metadata"]["steps"][1]["done"].as_u64() >= Some(27)).await?;
    let paused = fleet.submit("process_new_scenes", json!({ "scenes": [waits(10.0), waits(10.0)] })).await?;
    fleet.until(&paused, "it to run", |job| job["metadata"]["steps"][1]["running"] == 2).await?;
    fleet.request(Method::POST, &format!("/api/v1/jobs/{paused}/pause"), None).await?;
    let waiting = fleet.submit("release", json!({})).await?;
    fleet.until(&waiting, "it to wait", |job| job["metadata"]["steps"][1]["status"] == "running").await?;
    for _ in 0..5 {
        fleet.submit("script", waits(35.0)).await?;
    }
    let (id, steps) = (ended["id"].as_str().unwrap_or_default().to_owned(), "step=analyze&status=failed");
    letters(fleet).await?;
    let failed = fleet.get(&format!("/api/v1/jobs/{id}/jobs?status=failed")).await?;
    let batch = failed["jobs"][0]["id"].as_str().unwrap_or_default().to_owned();
    Ok(vec![
        ("overview", "/".into()),
        ("jobs", "/jobs".into()),
        ("running", format!("/jobs/{running}")),
        ("waiting", format!("/jobs/{waiting}")),
        ("ended", format!("/jobs/{id}")),
        ("sub-jobs", format!("/jobs/{id}?view=jobs")),
        ("failed", format!("/jobs/{id}?view=jobs&{steps}")),
        ("batch", format!("/jobs/{batch}")),
        ("logs", format!("/jobs/{id}?view=logs")),
        ("history", format!("/jobs/{id}?view=history")),
        ("data", format!("/jobs/{id}?view=data")),
        ("run", "/run".into()),
        ("form", "/run/process_new_scenes".into()),
        ("workers", "/workers".into()),
        ("queues", "/queues".into()),
        ("dead", "/dead".into()),
        ("letter", "/dead/1".into()),
        ("definitions", "/definitions".into()),
        ("definition", "/definitions/process_new_scenes".into()),
        ("schedules", "/schedules".into()),
    ])
}

/// Messages that nobody can process.
async fn letters(fleet: &Fleet) -> anyhow::Result<()> {
    let peer = fleet.vhost.peer().await?;
    for body in [r#"{"type": "script", "params": "#, r#"{"type": "unheard_of", "params": {"path": "/in"}}"#] {
        peer.publish("", "drover.submit", "drover.submission.v1", body.as_bytes()).await?;
    }
    wait::until("the dead letters", drover_tests::fleet::PATIENCE, async || {
        let dead = fleet.get("/api/v1/dead").await?;
        let count = dead["messages"].as_array().map_or(0, Vec::len);
        Ok(if count >= 2 { Seen::Yes(()) } else { Seen::not_yet(count) })
    })
    .await
}
