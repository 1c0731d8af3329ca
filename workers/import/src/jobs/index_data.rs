//! `index_data`: the rows of a run become searchable.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{blocking, invalid, io_failure};
use crate::{
    index::{BuildError, IndexResult, Request, build_index},
    layout::RunId,
    limits::{DEFAULT_WRITER_HEAP_MIB, MAX_WRITER_HEAP_MIB, MIN_WRITER_HEAP_MIB},
    roots::Roots,
    text::count,
};

/// Builds the full-text index of a run beside its place and swaps it in. Safe to repeat at any moment.
#[derive(Clone, Debug, Default)]
pub struct IndexData {
    /// Where it may read and write.
    pub roots: Roots,
}

/// What is to be indexed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexParams {
    /// Absolute path below which `process_import` wrote the rows.
    pub output_path: String,
    /// The run.
    pub run_id: RunId,
    /// Absolute path of the folder below which the indexes of all runs are.
    pub index_path: String,
    /// Memory of the index writer, in MiB.
    #[serde(default = "default_heap")]
    #[schemars(range(min = 16, max = 4000))]
    pub writer_heap_mib: u32,
}

const fn default_heap() -> u32 {
    DEFAULT_WRITER_HEAP_MIB
}

#[async_trait]
impl Job for IndexData {
    const TYPE: &'static str = "index_data";
    const TITLE: &'static str = "Index imported rows";
    const UNIT: Option<&'static str> = Some("rows");
    type Params = IndexParams;
    type Result = IndexResult;

    async fn run(&self, ctx: &JobContext, params: IndexParams) -> Result<Outcome<IndexResult>, JobFailure> {
        let output_path = self.roots.check("output_path", &params.output_path).map_err(invalid)?;
        let index_path = self.roots.check("index_path", &params.index_path).map_err(invalid)?;
        let heap = params.writer_heap_mib;
        if !(MIN_WRITER_HEAP_MIB..=MAX_WRITER_HEAP_MIB).contains(&heap) {
            let range = format!("{MIN_WRITER_HEAP_MIB} to {MAX_WRITER_HEAP_MIB} MiB");
            return Err(invalid(format!("writer_heap_mib: {heap} is not within {range}")));
        }
        let built = blocking::run(ctx, move |meter| {
            let (output_path, index_path) = (output_path.as_path(), index_path.as_path());
            let request = Request { output_path, index_path, run: &params.run_id, writer_heap_mib: heap };
            build_index(&request, meter)
        })
        .await?;
        let result = built.map_err(failure)?;
        ctx.message(format!("{} indexed", count(result.indexed_rows, "row")));
        Ok(result.into())
    }
}

fn failure(error: BuildError) -> JobFailure {
    let message = error.to_string();
    match error {
        BuildError::Cancelled(_) => JobFailure::cancelled(),
        BuildError::NoRows { .. } => JobFailure::permanent("no_rows", message),
        BuildError::Damaged { .. } => JobFailure::permanent("damaged_rows", message),
        BuildError::Io { source, .. } => io_failure(&source, message),
        BuildError::Index(_) => JobFailure::retryable("index", message),
    }
}
