//! `process_new_scenes` on real videos: seven steps, a library with a schema of its own.

use std::{fs, path::Path, process::Command};

use drover_tests::{
    Fleet, binary, fleet,
    wait::{self, Seen},
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shapes::{assert_metadata, assert_result, step};

const WORKER: &str = "drover-media-worker";

/// A library, a drop folder with samples, and the fleet that works on them.
struct Library {
    folder: TempDir,
    manifest: Value,
    fleet: Fleet,
}

impl Library {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["library", "generated"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        let output = Command::new(binary(WORKER).expect("the media worker is built"))
            .args(["generate-samples", &path("downloads")])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = serde_json::from_slice(&output.stdout).expect("the manifest is JSON");
        let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
        let definition = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows/process_new_scenes.yaml");
        fleet.apply_file(&definition).await.expect("the definition is valid");
        let url = fleet.database.url().to_owned();
        let environment = [
            ("DROVER_MEDIA_DATABASE_URL", url.as_str()),
            ("DROVER_MEDIA_DOWNLOADS", &path("downloads")),
            ("DROVER_MEDIA_LIBRARY", &path("library")),
            ("DROVER_MEDIA_GENERATED", &path("generated")),
        ];
        fleet.workers(WORKER, 2, &environment).await.expect("the workers start");
        Self { folder, manifest, fleet }
    }

    async fn run(&self, params: Value) -> Value {
        self.fleet.run("process_new_scenes", params).await.expect("it ends")
    }

    async fn number(&self, sql: &str) -> i64 {
        let client = self.fleet.database.connect().await.expect("a connection");
        client.query_one(sql, &[]).await.expect("a number").get(0)
    }
}

/// A step that has looked and found nothing to do.
fn assert_skipped(job: &Value, key: &str, reason: &str) {
    assert_eq!(step(job, key)["status"], "skipped", "{key}: {job}");
    let result = &job["result"]["steps"][key];
    assert_eq!((&result["status"], &result["error"]["message"]), (&json!("skipped"), &json!(reason)), "{result}");
    assert_eq!(result["result"]["status"], "completed", "what it looked at is there: {result}");
}

#[tokio::test]
async fn new_videos_become_scenes_with_tags_markers_and_previews_in_seven_steps() {
    let library = Library::new().await;
    let job = library.run(json!({ "batch_size": 2 })).await;
    assert_metadata(&job);
    assert_result(&job);
    assert_eq!(job["metadata"]["total_steps"], 7, "{job}");
    // The damaged file is one error of the scan, and nothing else goes wrong.
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(job["progress"], 100.0);
    let summary = &job["result"]["summary"];
    let videos = library.manifest["videos"].as_array().expect("videos").len();
    assert_eq!(summary["total_errors"], 1, "{job}");
    assert_eq!(summary["total_scenes_analyzed"], json!(videos), "{summary}");
    assert_eq!(summary["total_synced_items"].as_u64(), library.manifest["items"].as_u64().map(|items| items - 1));
    assert!(summary["total_changes_applied"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["total_changes_applied"], summary["total_changes_approved"]);
    assert_eq!(step(&job, "scan")["status"], "completed_with_errors");
    for key in ["downloads", "sync", "analysis", "previews", "complete"] {
        assert_eq!(step(&job, key)["status"], "completed", "{key}: {job}");
    }
    assert_skipped(&job, "final_sync", "Nothing to sync");
    let batches = &job["result"]["steps"]["analysis"]["result"]["steps"]["batches"];
    assert_eq!(batches.as_array().map(Vec::len), Some(videos.div_ceil(2)), "{batches}");
    let complete = &job["result"]["steps"]["complete"];
    assert_eq!((&complete["status"], &complete["job_id"]), (&json!("completed"), &Value::Null), "no sub-job");
    let previews = library.number("SELECT count(*) FROM media.generated WHERE error IS NULL").await;
    assert_eq!(usize::try_from(previews).expect("a count"), 3 * videos);
    assert!(library.folder.path().join("library/holiday trip/beach morning.mkv").is_file());

    // Another run finds nothing new: nothing is linked, scanned, analyzed or made twice.
    let again = library.run(json!({})).await;
    assert_eq!(again["status"], "completed", "{again}");
    assert_eq!(step(&again, "scan")["status"], "skipped");
    for (key, reason) in
        [("sync", "Nothing to sync"), ("analysis", "No scenes to analyze"), ("final_sync", "Nothing to sync")]
    {
        assert_skipped(&again, key, reason);
    }
    let summary = &again["result"]["summary"];
    for key in ["total_synced_items", "total_scenes_analyzed", "total_changes_applied", "total_errors"] {
        assert_eq!(summary[key], 0, "{key}: {summary}");
    }
    assert_eq!(library.number("SELECT count(*) FROM media.scenes").await, i64::try_from(videos).expect("a count"));
}

#[tokio::test]
async fn fault_15_a_library_without_its_database_fails_its_steps_and_the_rest_goes_on() {
    let library = Library::new().await;
    let client = library.fleet.database.connect().await.expect("a connection");
    client.batch_execute("ALTER TABLE media.files RENAME TO elsewhere").await.expect("renamed");
    let job = library.run(json!({})).await;
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    for key in ["scan", "sync", "final_sync"] {
        assert_eq!(step(&job, key)["status"], "failed", "{key}: {job}");
    }
    let error = job["result"]["steps"]["sync"]["error"]["message"].as_str().expect("a text");
    assert!(error.contains("media.files"), "the true cause: {error}");
    assert_eq!(step(&job, "downloads")["status"], "completed");
}

#[tokio::test]
async fn plans_wait_for_a_person_who_approves_one_and_refuses_another() {
    let library = Library::new().await;
    let id = library.fleet.submit("process_new_scenes", json!({ "approve": "manual", "batch_size": 3 })).await;
    let id = id.expect("accepted");
    let waiting = async |count: usize| {
        let jobs = "/api/v1/jobs?type=signal&status=running&parent=any";
        wait::until("the plans to wait", fleet::PATIENCE, async || {
            let found = library.fleet.get(jobs).await?["jobs"].as_array().cloned().unwrap_or_default();
            Ok(if found.len() == count { Seen::Yes(found) } else { Seen::not_yet(json!(found)) })
        })
        .await
        .expect("they wait")
    };
    let answer = async |job: &Value, approved: bool| {
        let path = format!("/api/v1/jobs/{}/answer", job["id"].as_str().expect("an id"));
        let body = json!({ "approved": approved, "reason": "seen" });
        let (status, answered) = library.fleet.request(Method::POST, &path, Some(body)).await.expect("asked");
        assert_eq!(status, 200, "{answered}");
    };
    let plans = waiting(2).await;
    assert_eq!(library.number("SELECT count(*) FROM media.plans WHERE status = 'pending'").await, 2);
    answer(&plans[0], true).await;
    answer(&plans[1], false).await;
    let job = library.fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(library.number("SELECT count(*) FROM media.plans WHERE status = 'applied'").await, 1);
    assert_eq!(library.number("SELECT count(*) FROM media.plans WHERE status = 'refused'").await, 1);
    let summary = &job["result"]["summary"];
    assert!(summary["total_changes_applied"].as_u64() > Some(0), "{summary}");
    let again = library.run(json!({ "approve": "manual" })).await;
    assert_eq!(again["result"]["summary"]["total_scenes_analyzed"], 0, "nobody is asked again: {again}");
}
