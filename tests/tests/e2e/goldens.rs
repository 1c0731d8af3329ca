//! The whole `metadata` and `result` of `data_import` for each way it can end, as other systems read them.

use std::{collections::HashMap, path::Path};

use drover_tests::{Fleet, Signal, fleet::PATIENCE};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::import;

/// Makes runs comparable: ids become numbers in order of their first mention; times, places and sizes become words.
struct Redacted<'a> {
    folder: &'a Path,
    ids: HashMap<String, usize>,
}

impl Redacted<'_> {
    fn value(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.clone(), self.value(key, value))).collect())
            }
            Value::Array(values) => values.iter().map(|value| self.value(key, value)).collect(),
            Value::Number(_) if key.ends_with("_seconds") => "[seconds]".into(),
            // Sizes depend on the names of places, and an index on how its writers took turns.
            Value::Number(_) if key.contains("bytes") || key == "segments" => "[size]".into(),
            Value::String(_) if key.ends_with("_at") => "[time]".into(),
            Value::String(text) => {
                let parts = text.split_inclusive('/').map(|part| self.part(part)).collect::<String>();
                parts.replace(&self.folder.display().to_string(), "[folder]").into()
            }
            other => other.clone(),
        }
    }

    /// A text or a part of a path, which may be an id.
    fn part(&mut self, part: &str) -> String {
        let name = part.trim_end_matches('/');
        if name.parse::<Uuid>().is_err() {
            return part.to_owned();
        }
        let next = self.ids.len() + 1;
        let number = self.ids.entry(name.to_owned()).or_insert(next);
        part.replace(name, &format!("[id {number}]"))
    }
}

/// What a golden file keeps of a job that has ended.
fn shapes(job: &Value, folder: &TempDir) -> Value {
    let mut redacted = Redacted { folder: folder.path(), ids: HashMap::new() };
    let fields = ["status", "progress", "message", "error", "metadata", "result"];
    Value::Object(
        fields.iter().map(|field| ((*field).to_owned(), redacted.value(field, &job[field]))).collect::<Map<_, _>>(),
    )
}

/// A folder with two good files and a bad one.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("people.csv", "name,age\nAda,36\nGrace,85\n");
    write("places.ndjson", "{\"name\":\"London\"}\n{\"name\":\"Arlington\"}\n{\"name\":\"Zuse\"}\n");
    write("ragged.csv", "name,age\nAda,36,extra\n");
    folder
}

fn params(folder: &TempDir) -> Value {
    json!({
        "import_path": folder.path().join("in"),
        "output_path": folder.path().join("out"),
        "index_path": folder.path().join("index"),
    })
}

async fn run(fleet: &Fleet, folder: &TempDir, params: Value) -> Value {
    shapes(&fleet.run("data_import", params).await.expect("it ends"), folder)
}

#[tokio::test]
async fn completed() {
    let (fleet, folder) = (import::fleet(1, 1).await, folder());
    insta::assert_json_snapshot!(run(&fleet, &folder, params(&folder)).await);
}

#[tokio::test]
async fn completed_with_errors() {
    let (fleet, folder) = (import::fleet(1, 1).await, folder());
    // The folder for the rows is a file: every batch fails.
    std::fs::write(folder.path().join("out"), "in the way").expect("written");
    insta::assert_json_snapshot!(run(&fleet, &folder, params(&folder)).await);
}

#[tokio::test]
async fn validate_only() {
    let (fleet, folder) = (import::fleet(1, 1).await, folder());
    let mut params = params(&folder);
    params["validate_only"] = true.into();
    insta::assert_json_snapshot!(run(&fleet, &folder, params).await);
}

#[tokio::test]
async fn zero_valid_files() {
    let (fleet, folder) = (import::fleet(1, 1).await, folder());
    for good in ["people.csv", "places.ndjson"] {
        std::fs::remove_file(folder.path().join("in").join(good)).expect("removed");
    }
    insta::assert_json_snapshot!(run(&fleet, &folder, params(&folder)).await);
}

/// As the definition stands, nothing fails it as a whole; a team may well want it stricter.
#[tokio::test]
async fn failed() {
    let (fleet, folder) = (import::fleet(1, 1).await, folder());
    let definition = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows/data_import.yaml");
    let strict = std::fs::read_to_string(definition).expect("read").replace("on_failure: finish", "on_failure: fail");
    fleet.apply(&strict).await.expect("valid");
    std::fs::remove_dir_all(folder.path().join("in")).expect("removed");
    insta::assert_json_snapshot!(run(&fleet, &folder, params(&folder)).await);
}

#[tokio::test]
async fn cancelled() {
    let (mut fleet, folder) = (import::fleet(1, 1).await, folder());
    // Nobody is there to begin it: it is cancelled at a known point.
    fleet.workers[0].signal(Signal::SIGTERM).expect("sent");
    fleet.workers[0].wait_for_exit(PATIENCE).await.expect("it ends");
    let id = fleet.submit("data_import", params(&folder)).await.expect("accepted");
    let path = format!("/api/v1/jobs/{id}/cancel");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 202);
    // For the clean-up, which runs all the same.
    let worker = fleet.spawn_worker("drover-import-worker", &[]).expect("it starts");
    fleet.workers.push(worker);
    insta::assert_json_snapshot!(shapes(&fleet.ended(&id).await.expect("it ends"), &folder));
}
