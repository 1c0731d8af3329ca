//! `process_import`: a batch of files becomes typed rows.

use std::path::Path;

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobError, JobFailure, LogLevel, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{IO, blocking, invalid, io_failure};
use crate::{
    layout::{RunFolders, RunId},
    process::{BatchResult, FileError, Stopped, process_batch},
    roots::Roots,
    row_schema::RowSchema,
    source::SourceFile,
    text::count,
};

/// Normalises a batch of files to typed NDJSON, a file of rows per source file. Safe to repeat at any moment.
#[derive(Clone, Debug, Default)]
pub struct ProcessImport {
    /// Where it may read and write.
    pub roots: Roots,
}

/// What is to be processed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessParams {
    /// The files: entries of the list `file_list` of `validate_import`.
    pub files: Vec<SourceFile>,
    /// Absolute path of the folder below which the rows of all runs are written.
    pub output_path: String,
    /// The run: the name of its folder.
    pub run_id: RunId,
    /// JSON Schema that every row must satisfy; rows that do not are rejected.
    #[serde(default)]
    pub schema: Option<Map<String, Value>>,
}

#[async_trait]
impl Job for ProcessImport {
    const TYPE: &'static str = "process_import";
    const TITLE: &'static str = "Process import files";
    const UNIT: Option<&'static str> = Some("files");
    type Params = ProcessParams;
    type Result = BatchResult;

    async fn run(&self, ctx: &JobContext, params: ProcessParams) -> Result<Outcome<BatchResult>, JobFailure> {
        let output_path = self.roots.check("output_path", &params.output_path).map_err(invalid)?;
        for (index, file) in params.files.iter().enumerate() {
            self.roots.check(&format!("files[{index}].path"), &file.path).map_err(invalid)?;
        }
        let schema = params.schema.as_ref().map(RowSchema::new).transpose().map_err(invalid)?;
        let folders = RunFolders::of(&output_path, &params.run_id);
        let files = params.files;
        let (result, stopped) = blocking::run(ctx, move |meter| {
            let sizes = files.iter().map(size_of).sum();
            meter.expect(sizes, files.len() as u64);
            process_batch(&files, &folders, schema.as_ref(), meter)
        })
        .await?;
        for error in &result.errors {
            ctx.log(LogLevel::Error, format!("{}: {}", error.file, error.message));
        }
        ctx.message(format!("{} in {}", count(result.rows, "row"), count(result.files, "file")));
        match stopped {
            Some(stopped) => Err(stop_failure(&stopped).with_partial(result)),
            None if result.failed_files == 0 => Ok(result.into()),
            None if result.files == 0 => Err(all_failed(&result).with_partial(result)),
            None => {
                let errors = result.errors.iter().map(job_error).collect();
                Ok(Outcome::CompletedWithErrors(result, errors))
            }
        }
    }
}

/// For the progress: as it was told, else as it is now.
fn size_of(file: &SourceFile) -> u64 {
    file.size_bytes.unwrap_or_else(|| std::fs::metadata(Path::new(&file.path)).map_or(0, |metadata| metadata.len()))
}

fn stop_failure(stopped: &Stopped) -> JobFailure {
    match stopped {
        Stopped::Cancelled => JobFailure::cancelled(),
        Stopped::Output { source, .. } => io_failure(source, format!("output_path: {stopped}")),
    }
}

fn job_error(error: &FileError) -> JobError {
    let message = format!("{}: {}", error.file, error.message);
    if error.retryable {
        JobError::retryable(error.kind.as_str(), message)
    } else {
        JobError::permanent(error.kind.as_str(), message)
    }
}

/// Not one file could be read. Another attempt may help if it was the system's fault.
fn all_failed(result: &BatchResult) -> JobFailure {
    let first = result.errors.first().map(job_error);
    let (kind, reason) = first.map_or((IO.to_owned(), String::new()), |error| (error.kind, error.message));
    let message = format!("none of {} could be read; the first: {reason}", count(result.failed_files, "file"));
    if result.errors.iter().any(|error| error.retryable) {
        JobFailure::retryable(kind, message)
    } else {
        JobFailure::permanent(kind, message)
    }
}
