//! The demo's files, and what an import of them must find.

use std::{
    fs,
    io::IsTerminal as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use drover_import_worker::{
    generate::{Manifest, Request, generate},
    index::{Hit, search},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::report;
use crate::{api::JobView, cli::Demo, failure::Failure, output::Output};

/// The same data each time.
const SEED: u64 = 1;
/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(100);

/// A folder with everything of the demo; it goes with this.
pub(super) struct Data {
    folder: TempDir,
    manifest: Option<Manifest>,
}

impl Data {
    pub(super) fn folder() -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| Failure::Start(format!("no temporary folder can be made: {error}"));
        let folder = tempfile::Builder::new().prefix("drover-demo-").tempdir().map_err(unusable)?;
        // Postgres, which may run as another user, must get through to its own folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).map_err(unusable)?;
        Ok(Self { folder, manifest: None })
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The folder stays.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.root().to_owned()
    }

    pub(super) async fn generate(&mut self, output: &Output, args: &Demo) -> Result<(), Failure> {
        let request =
            Request { out: self.path("in"), files: args.files, rows: args.rows, broken: args.broken, seed: SEED };
        let life = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        life.set_style(
            ProgressStyle::with_template("  {spinner} writing files {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        life.enable_steady_tick(TICK);
        let written = tokio::task::spawn_blocking(move || generate(&request)).await;
        life.finish_and_clear();
        let manifest = written
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        report::written(output, &manifest);
        self.manifest = Some(manifest);
        Ok(())
    }

    pub(super) fn params(&self) -> Value {
        json!({ "import_path": self.path("in"), "output_path": self.path("out"), "index_path": self.index() })
    }

    pub(super) fn index(&self) -> PathBuf {
        self.path("index")
    }

    /// The word that stands in exactly one row.
    pub(super) fn word(&self) -> Option<&str> {
        Some(self.manifest.as_ref()?.needle.as_ref()?.word.as_str())
    }

    /// The only row that has it.
    pub(super) fn search(&self) -> Option<Hit> {
        let mut found = search(&self.index(), self.word()?, 2).ok()?;
        if found.total == 1 { found.hits.pop() } else { None }
    }

    /// What the import found otherwise than the files are.
    pub(super) fn differences(&self, job: &JobView, hit: Option<&Hit>) -> Vec<String> {
        let Some(manifest) = &self.manifest else { return vec!["no files were written".into()] };
        let empty = serde_json::Map::new();
        let summary = job.summary().unwrap_or(&empty);
        let mut wrong = Vec::new();
        let mut check = |what: &str, expected: u64| {
            let found = summary.get(what).cloned().unwrap_or_default();
            if found != expected {
                wrong.push(format!("{what} is {found}, and the files have {expected}"));
            }
        };
        check("total_files", manifest.files);
        check("valid_files", manifest.valid_files);
        if manifest.valid_files > 0 {
            check("total_rows", manifest.rows);
            check("indexed_rows", manifest.rows);
        }
        check("total_errors", 0);
        if job.status != drover_protocol::JobStatus::Completed {
            wrong.push(format!("the import is {}", job.status));
        }
        if let Some(needle) = &manifest.needle
            && hit.is_none_or(|hit| (&hit.file, hit.line) != (&needle.file, needle.line))
        {
            wrong.push(format!("{:?} was not found in line {} of {}", needle.word, needle.line, needle.file));
        }
        wrong
    }
}
