//! `data_import`, the system's main job, on real files.

use std::{path::Path, process::Command};

use drover_tests::{Fleet, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shapes::{assert_metadata, assert_result, step};

const WORKER: &str = "drover-import-worker";

/// A folder of files to import and what is in it.
pub(crate) struct Data {
    pub(crate) folder: TempDir,
    pub(crate) manifest: Value,
}

impl Data {
    /// Writes a data set of mixed formats, some files broken on purpose.
    pub(crate) fn generate(files: usize, rows: usize, broken: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new(binary(WORKER).expect("the import worker is built"))
            .args(["generate", "--out"])
            .arg(folder.path().join("in"))
            .args(["--files", &files.to_string(), "--rows", &rows.to_string(), "--broken", &broken.to_string()])
            .output()
            .expect("generate runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = serde_json::from_slice(&output.stdout).expect("the manifest is JSON");
        Self { folder, manifest }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn params(&self) -> Value {
        json!({ "import_path": self.path("in"), "output_path": self.path("out"), "index_path": self.path("index") })
    }

    /// What a search of the index finds.
    pub(crate) fn search(&self, word: &str) -> Vec<Value> {
        let output = Command::new(binary(WORKER).expect("the import worker is built"))
            .args(["search", "--json", "--index-path"])
            .arg(self.folder.path().join("index"))
            .arg(word)
            .output()
            .expect("search runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("the hits are JSON");
        found["hits"].as_array().cloned().unwrap_or_default()
    }
}

/// A fleet with the definition of `data_import` and import workers.
pub(crate) async fn fleet(orchestrators: usize, workers: usize) -> Fleet {
    fleet_with(orchestrators, workers, &[]).await
}

pub(crate) async fn fleet_with(orchestrators: usize, workers: usize, environment: &[(&str, &str)]) -> Fleet {
    let mut fleet = Fleet::start(orchestrators, environment).await.expect("the orchestrators start");
    let definition = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows/data_import.yaml");
    fleet.apply_file(&definition).await.expect("the definition is valid");
    fleet.workers(WORKER, workers, &[]).await.expect("the workers start");
    fleet
}

/// Checks an import against what is in the data set.
pub(crate) fn assert_imported(job: &Value, data: &Data) {
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["progress"], 100.0);
    let summary = &job["result"]["summary"];
    let manifest = &data.manifest;
    assert_eq!(summary["total_files"], manifest["files"], "{summary}");
    assert_eq!(summary["valid_files"], manifest["valid_files"], "{summary}");
    assert_eq!(summary["total_rows"], manifest["rows"], "{summary}");
    assert_eq!(summary["indexed_rows"], manifest["rows"], "{summary}");
    assert_eq!(summary["total_errors"], 0, "{summary}");
    let needle = &manifest["needle"];
    let hits = data.search(needle["word"].as_str().expect("a word"));
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0]["file"], needle["file"]);
    assert_eq!(hits[0]["line"], needle["line"]);
}

#[tokio::test]
async fn a_million_rows_through_two_orchestrators_and_three_workers() {
    let data = Data::generate(400, 1_000_000, 12);
    let fleet = fleet(2, 3).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");

    // The bar, sampled while it runs: it never goes back, and is not full before the end (fault 12).
    let mut bar = Vec::new();
    let mut steps = Vec::new();
    let job = loop {
        let job = fleet
            .until(&id, "the bar to move", |job| {
                job["progress"].as_f64() != bar.last().copied() || job["finished_at"].is_string()
            })
            .await
            .expect("it moves");
        bar.push(job["progress"].as_f64().expect("a number"));
        steps.push(job["metadata"]["current_step"].as_u64().expect("a number"));
        if job["finished_at"].is_string() {
            break job;
        }
        assert_metadata(&job);
        assert!(job["progress"].as_f64() < Some(100.0), "{job}");
    };
    assert!(bar.is_sorted(), "fault 12: the bar went back: {bar:?}");
    assert!(steps.is_sorted(), "fault 2: the shown step went back: {steps:?}");
    assert!(bar.len() > 3, "it moved on the way: {bar:?}");

    assert_imported(&job, &data);
    assert_metadata(&job);
    assert_result(&job);
    let batches = job["result"]["steps"]["processing"].as_array().expect("a list").len();
    let valid = data.manifest["valid_files"].as_u64().expect("a number");
    assert_eq!(batches as u64, valid.div_ceil(25));
}

#[tokio::test]
async fn validate_only_ends_after_validation() {
    let data = Data::generate(12, 500, 2);
    let fleet = fleet(1, 1).await;
    let mut params = data.params();
    params["validate_only"] = json!(true);
    let job = fleet.run("data_import", params).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["progress"], 100.0);
    assert_eq!(job["message"], "Validation complete: 10 valid files");
    assert_result(&job);
    for key in ["processing", "indexing", "cleanup"] {
        assert_eq!(step(&job, key)["status"], "skipped", "{key}");
    }
    assert!(!data.folder.path().join("out").exists(), "nothing was processed");
}

#[tokio::test]
async fn no_valid_files_end_it_early() {
    let data = Data::generate(1, 5, 0);
    let fleet = fleet(1, 1).await;
    let empty = tempfile::tempdir().expect("a folder");
    std::fs::write(empty.path().join("bad.csv"), [0xff, 0xfe, 0x00, b'\n']).expect("written");
    let job = fleet
        .run("data_import", json!({ "import_path": empty.path(), "output_path": data.path("out") }))
        .await
        .expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["message"], "No valid files to import");
    assert_eq!(job["result"]["summary"]["valid_files"], 0);
    assert_eq!(step(&job, "processing")["status"], "skipped");
}

#[tokio::test]
async fn fault_15_a_folder_that_cannot_be_read_is_an_error_and_not_zero_files() {
    let fleet = fleet(1, 1).await;
    let job = fleet.run("data_import", json!({ "import_path": "/no/such/folder" })).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_result(&job);
    let validation = &job["result"]["steps"]["validation"];
    assert_eq!(validation["status"], "failed");
    let message = validation["error"]["message"].as_str().expect("a text");
    assert!(message.contains("/no/such/folder"), "{message}");
    assert!(job["result"]["summary"]["total_errors"].as_u64() > Some(0));
}

#[tokio::test]
async fn fault_8_a_failing_step_2_makes_it_completed_with_errors() {
    let data = Data::generate(30, 600, 0);
    let fleet = fleet(1, 1).await;
    // The folder for the rows is a file: every batch fails.
    std::fs::write(data.folder.path().join("out"), "in the way").expect("written");
    let job = fleet.run("data_import", data.params()).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(step(&job, "processing")["status"], "failed");
    assert!(job["result"]["summary"]["total_errors"].as_u64() > Some(0), "{job}");
    assert_ne!(step(&job, "processing")["progress"], 100.0, "fault 9: what failed shows no 100 %");
    assert_result(&job);
}
