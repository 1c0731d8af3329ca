//! Whole runs.

use std::{fs, process::Command};

use drover_tests::binary;
use serde_json::{Value, json};

use super::{DAMAGED, Library, STEPS, WORKER, age, assert_summary, went_well};
use crate::shapes::{assert_metadata, assert_result, step};

/// Fills the drop folder with samples: what a run must find.
fn samples(library: &Library) -> Value {
    let output = Command::new(binary(WORKER).expect("the media worker is built"))
        .arg("generate-samples")
        .arg(library.path("downloads"))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the manifest is JSON")
}

#[tokio::test]
async fn new_videos_become_scenes_with_tags_markers_and_previews_in_seven_steps() {
    let library = Library::new().await;
    let manifest = samples(&library);
    let job = library.run(json!({ "batch_size": 2 })).await;
    assert_metadata(&job);
    assert_result(&job);
    assert_eq!(job["metadata"]["total_steps"], 7, "{job}");
    // The damaged file is one error of the scan, and nothing else goes wrong.
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(job["progress"], 100.0);
    let videos = manifest["videos"].as_array().expect("videos").len() as u64;
    let (items, linked) = (manifest["items"].as_u64().expect("items"), manifest["linked"].as_u64().expect("linked"));
    let applied = library.number("SELECT count(*) FROM media.plan_changes WHERE status = 'applied'").await;
    let applied = u64::try_from(applied).expect("a count");
    assert_summary(
        &job,
        &[
            ("total_synced_items", items - 1),
            ("total_scenes_analyzed", videos),
            ("total_changes_approved", applied),
            ("total_changes_applied", applied),
            ("total_errors", 1),
        ],
    );
    assert_eq!(step(&job, "scan")["status"], "completed_with_errors");
    for key in ["downloads", "sync", "analysis", "previews", "complete"] {
        assert_eq!(step(&job, key)["status"], "completed", "{key}: {job}");
    }
    assert_skipped(&job, "final_sync", "Nothing to sync");
    assert_eq!(job["result"]["steps"]["complete"]["job_id"], Value::Null, "a milestone runs nothing");
    for (job_type, field, expected) in [
        ("process_downloads", "total_items", items),
        ("process_downloads", "files_linked", linked),
        ("process_downloads", "skipped_items", 1),
        ("process_downloads", "unscanned", linked),
        ("media_scan", "total", linked),
        ("media_scan", "scanned", videos),
        ("media_scan", "failed", 1),
        // Counted before the sync, and before the final one.
        ("sync_pending", "pending", videos),
        ("sync", "created", videos),
        ("unanalyzed_scenes", "total", videos),
        ("analysis", "scenes_analyzed", videos),
        ("approve_plan", "changes_approved", applied),
        ("apply_plan", "changes_applied", applied),
        ("generate_pending", "pending", videos),
        ("generate", "generated", 3 * videos),
    ] {
        assert_eq!(library.sum(job_type, field).await, expected, "{job_type}: {field}");
    }
    let batches = library.jobs("analysis").await;
    assert_eq!(batches.len() as u64, videos.div_ceil(2), "{batches:?}");
    let written = "SELECT (SELECT count(*) FROM media.tags) + (SELECT count(*) FROM media.markers)";
    assert_eq!(library.number(written).await.unsigned_abs(), applied);
    let cuts: usize = manifest["videos"]
        .as_array()
        .expect("videos")
        .iter()
        .map(|video| video["cuts"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(library.number("SELECT count(*) FROM media.markers").await, i64::try_from(cuts).expect("a count"));
    assert!(library.path("library/holiday trip/beach morning.mkv").is_file());

    // Another run finds nothing new: nothing is linked, scanned, analyzed or made twice.
    let again = library.run(json!({})).await;
    assert_nothing_done(&again);
    assert_eq!(library.number("SELECT count(*) FROM media.scenes").await.unsigned_abs(), videos);
    assert_eq!(library.jobs("media_scan").await.len(), 1);
}

/// A step that has looked and found nothing to do.
fn assert_skipped(job: &Value, key: &str, reason: &str) {
    assert_eq!(step(job, key)["status"], "skipped", "{key}: {job}");
    let result = &job["result"]["steps"][key];
    assert_eq!((&result["status"], &result["error"]["message"]), (&json!("skipped"), &json!(reason)), "{result}");
    assert_eq!(result["result"]["status"], "completed", "what it looked at is there: {result}");
}

/// A run that had nothing to do.
fn assert_nothing_done(job: &Value) {
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["progress"], 100.0);
    assert_result(job);
    assert_eq!(step(job, "scan")["status"], "skipped", "{job}");
    for (key, reason) in
        [("sync", "Nothing to sync"), ("analysis", "No scenes to analyze"), ("final_sync", "Nothing to sync")]
    {
        assert_skipped(job, key, reason);
    }
    for key in ["downloads", "previews", "complete"] {
        assert_eq!(step(job, key)["status"], "completed", "{key}: {job}");
    }
    let nothing = [
        "total_synced_items",
        "total_scenes_analyzed",
        "total_changes_approved",
        "total_changes_applied",
        "total_errors",
    ];
    assert_summary(job, &nothing.map(|key| (key, 0)));
}

#[tokio::test]
async fn an_empty_drop_folder_is_a_run_that_completes_with_nothing_done() {
    let library = Library::new().await;
    assert_nothing_done(&library.run(json!({})).await);
    for job_type in ["media_scan", "sync", "analysis", "generate"] {
        assert_eq!(library.jobs(job_type).await, [] as [Value; 0], "{job_type}");
    }
    for table in ["files", "scenes", "plans", "generated", "downloads"] {
        assert_eq!(library.number(&format!("SELECT count(*) FROM media.{table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn names_of_every_kind_are_taken_and_a_damaged_file_is_the_only_error() {
    let library = Library::new().await;
    let odd = ["new\nline \"q\" 'x'.mp4", "trip\n\"2\"/-i 100%d $(id);.mp4"];
    for name in odd {
        library.download(name, 1);
    }
    let damaged = library.path("downloads/damaged \"1\"\n.mp4");
    fs::write(&damaged, DAMAGED).expect("written");
    age(&damaged);
    let job = library.run(json!({ "exclude_small_vids": true, "minimum_seconds": 0.5 })).await;
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_summary(&job, &[("total_synced_items", 2), ("total_scenes_analyzed", 2), ("total_errors", 1)]);
    for key in STEPS.into_iter().filter(|key| *key != "downloads") {
        assert!(went_well(&job, key), "{key}: {job}");
    }
    let downloads = &library.jobs("process_downloads").await[0];
    let error = &downloads["result"]["errors"][0];
    assert_eq!(
        (&error["item"], &error["kind"]),
        (&json!(damaged.display().to_string()), &json!("corrupt")),
        "{downloads}"
    );
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("ffprobe failed (exit status: 1): "), "{message}");
    for name in odd {
        assert!(library.path("library").join(name).is_file(), "{name}");
    }
    assert!(!library.path("library").join("damaged \"1\"\n.mp4").exists());
    assert_eq!(library.sum("generate", "generated").await, 6);
    assert_eq!(library.previews().len(), 2 * 4, "{:?}", library.previews());
}
