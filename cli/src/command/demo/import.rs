//! The import of generated files: up to a search hit.

use std::path::PathBuf;

use drover_import_worker::{
    generate::{Manifest, Request, generate},
    index::{Hit, search},
};
use drover_protocol::JobStatus;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Played, folder::Folder, report, run_job};
use crate::{api::JobView, cli::Demo, client::Client, failure::Failure, output::Output};

/// The same data each time.
const SEED: u64 = 1;
const FILES: u64 = 400;
const ROWS: u64 = 1_000_000;
const BROKEN: u64 = 12;

/// The files, and what an import of them must find.
pub(super) struct Import {
    manifest: Manifest,
    root: PathBuf,
}

impl Import {
    /// Writes the files.
    pub(super) async fn prepare(output: &Output, args: &Demo, folder: &Folder) -> Result<Self, Failure> {
        let (files, rows) = (args.files.unwrap_or(FILES), args.rows.unwrap_or(ROWS));
        report::title(
            output,
            &format!("An import of {} files with {} rows", report::number(files), report::number(rows)),
        );
        let broken = args.broken.unwrap_or(BROKEN);
        let request = Request { out: folder.path("in"), files, rows, broken, seed: SEED };
        let written = report::while_it_works("writing files", move || generate(&request)).await;
        let manifest = written.map_err(|error| Failure::Usage(error.to_string()))?;
        report::written(output, &manifest);
        Ok(Self { manifest, root: folder.root().to_owned() })
    }

    /// Imports them. `None`: somebody ended the demo before.
    pub(super) async fn play(
        &self,
        output: &Output,
        client: Client,
        shutdown: &CancellationToken,
    ) -> Result<Option<Played>, Failure> {
        let Some(job) = run_job(&client, "data_import", self.params(), shutdown).await? else { return Ok(None) };
        let hit = self.search();
        report::imported(output, self.word(), &job, hit.as_ref())?;
        let hint = format!("drover-import-worker search --index-path {} WORD", self.index().display());
        Ok(Some(Played { wrong: self.differences(&job.body, hit.as_ref()), hint }))
    }

    fn params(&self) -> Value {
        let path = |name: &str| self.root.join(name);
        json!({ "import_path": path("in"), "output_path": path("out"), "index_path": self.index() })
    }

    fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// The word that stands in exactly one row.
    fn word(&self) -> Option<&str> {
        Some(self.manifest.needle.as_ref()?.word.as_str())
    }

    /// The only row that has it.
    fn search(&self) -> Option<Hit> {
        let mut found = search(&self.index(), self.word()?, 2).ok()?;
        if found.total == 1 { found.hits.pop() } else { None }
    }

    /// What the import found otherwise than the files are.
    fn differences(&self, job: &JobView, hit: Option<&Hit>) -> Vec<String> {
        let manifest = &self.manifest;
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
        if job.status != JobStatus::Completed {
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
