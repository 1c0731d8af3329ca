//! `cleanup_temp`: removes what half runs left behind.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{blocking, invalid, io_failure};
use crate::{
    cleanup::{CleanupError, CleanupResult, Request, cleanup},
    layout::RunId,
    roots::Roots,
};

/// Removes the temporary files of one run. Run it when no other job of the run is at work.
#[derive(Clone, Debug, Default)]
pub struct CleanupTemp {
    /// Where it may write.
    pub roots: Roots,
}

/// What is to be cleaned up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanupParams {
    /// Absolute path below which `process_import` wrote the rows.
    pub output_path: String,
    /// The run.
    pub run_id: RunId,
    /// Absolute path below which `index_data` wrote the index; absent: only `output_path` is cleaned up.
    #[serde(default)]
    pub index_path: Option<String>,
    /// Whether the finished rows stay. The index does not need them.
    #[serde(default = "default_keep_rows")]
    pub keep_rows: bool,
}

const fn default_keep_rows() -> bool {
    true
}

#[async_trait]
impl Job for CleanupTemp {
    const TYPE: &'static str = "cleanup_temp";
    const TITLE: &'static str = "Clean up temporary files";
    const UNIT: Option<&'static str> = Some("files");
    type Params = CleanupParams;
    type Result = CleanupResult;

    async fn run(&self, ctx: &JobContext, params: CleanupParams) -> Result<Outcome<CleanupResult>, JobFailure> {
        let output_path = self.roots.check("output_path", &params.output_path).map_err(invalid)?;
        let index_path = params.index_path.as_deref().map(|path| self.roots.check("index_path", path));
        let index_path = index_path.transpose().map_err(invalid)?;
        let done = blocking::run(ctx, move |meter| {
            meter.say("Removing temporary files");
            let request = Request {
                output_path: &output_path,
                index_path: index_path.as_deref(),
                run: &params.run_id,
                keep_rows: params.keep_rows,
            };
            cleanup(&request, meter)
        })
        .await?;
        done.map(Outcome::Completed).map_err(failure)
    }
}

fn failure(error: CleanupError) -> JobFailure {
    match &error {
        CleanupError::Cancelled(_) => JobFailure::cancelled(),
        CleanupError::Outside { .. } => invalid(error),
        CleanupError::Io { source, .. } => io_failure(source, error.to_string()),
    }
}
