//! A folder with files, and the jobs run on it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use drover_import_worker::{
    index::IndexResult,
    jobs::{CleanupTemp, IndexData, ProcessImport, ValidateImport, ValidateResult},
    process::{BatchResult, Reject},
};
use drover_worker::testing::{self, TestRun};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) root: TempDir,
}

pub(crate) const RUN: &str = "run-1";

impl Site {
    pub(crate) fn new() -> Self {
        Self { root: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file below `in`; a name that ends in `.gz` gets it packed.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let packed = Path::new(name).extension().is_some_and(|ending| ending == "gz");
        fs::write(&path, if packed { gzip(content) } else { content.to_vec() }).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a file as it is, whatever its name.
    pub(crate) fn raw_file(&self, name: &str, content: &[u8]) -> String {
        let path = self.file(name, b"");
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) async fn validate(&self) -> TestRun {
        self.validate_with(json!({})).await
    }

    pub(crate) async fn validate_with(&self, more: Value) -> TestRun {
        testing::run(ValidateImport::default(), merged(json!({"import_path": self.text("in")}), more)).await
    }

    pub(crate) fn process_params(&self, files: &[String]) -> Value {
        let files: Vec<Value> = files.iter().map(|path| json!({"path": path})).collect();
        json!({"files": files, "output_path": self.text("out"), "run_id": RUN})
    }

    pub(crate) async fn process(&self, files: &[String]) -> TestRun {
        testing::run(ProcessImport::default(), self.process_params(files)).await
    }

    pub(crate) fn index_params(&self) -> Value {
        json!({"output_path": self.text("out"), "run_id": RUN, "index_path": self.text("index")})
    }

    pub(crate) async fn index(&self) -> TestRun {
        testing::run(IndexData::default(), self.index_params()).await
    }

    pub(crate) async fn cleanup(&self, more: Value) -> TestRun {
        let params = json!({"output_path": self.text("out"), "run_id": RUN, "index_path": self.text("index")});
        testing::run(CleanupTemp::default(), merged(params, more)).await
    }

    /// The rows written so far, by source file and line.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.output_lines("rows")
    }

    pub(crate) fn rejects(&self) -> Vec<Reject> {
        self.output_lines("rejects").into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
    }

    fn output_lines(&self, kind: &str) -> Vec<Value> {
        let folder = self.path("out").join(RUN).join(kind);
        tree(&folder)
            .values()
            .flat_map(|content| {
                let lines = content.split_inclusive(|byte| *byte == b'\n');
                lines.map(|line| serde_json::from_slice(line).unwrap()).collect::<Vec<Value>>()
            })
            .collect()
    }
}

fn merged(mut base: Value, more: Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// All files below a folder with their content, by path below it.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

pub(crate) fn validated(run: &TestRun) -> ValidateResult {
    run.result().unwrap_or_else(|| panic!("no result: {run:?}"))
}

pub(crate) fn processed(run: &TestRun) -> BatchResult {
    run.result().unwrap_or_else(|| panic!("no result: {run:?}"))
}

pub(crate) fn indexed(run: &TestRun) -> IndexResult {
    run.result().unwrap_or_else(|| panic!("no result: {run:?}"))
}

/// The paths of the list of good files.
pub(crate) fn good_files(run: &TestRun) -> Vec<String> {
    let list = run.items.get("file_list").cloned().unwrap_or_default();
    list.into_iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn warnings(run: &TestRun) -> Vec<String> {
    let outcome = serde_json::to_value(&run.outcome).unwrap();
    serde_json::from_value(outcome["warnings"].clone()).unwrap_or_default()
}
