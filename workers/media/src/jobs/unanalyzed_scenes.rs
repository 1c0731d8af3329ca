//! `unanalyzed_scenes`: which scenes are to be analyzed.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{invalid, pages};
use crate::{config::Media, limits::SCENES_PER_JOB, text::count};

/// Lists the scenes that were not analyzed and have no open plan, newest first, as the list `batches`: each value is
/// `{"scene_ids": […]}` with as many ids as a batch is to have. A database that does not answer is a failure, never 0.
#[derive(Clone, Debug)]
pub struct UnanalyzedScenes(pub Media);

/// How many.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnanalyzedParams {
    /// At most so many scenes; without it all.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Scenes per batch.
    #[serde(default = "batch_size")]
    #[schemars(range(min = 1, max = 10000))]
    pub batch_size: usize,
}

const fn batch_size() -> usize {
    100
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnanalyzedResult {
    /// Scenes in all batches.
    pub total: u64,
}

#[derive(Serialize)]
struct Batch {
    scene_ids: Vec<i64>,
}

#[async_trait]
impl Job for UnanalyzedScenes {
    const TYPE: &'static str = "unanalyzed_scenes";
    const TITLE: &'static str = "Find scenes to analyze";
    const UNIT: Option<&'static str> = Some("scenes");
    type Params = UnanalyzedParams;
    type Result = UnanalyzedResult;

    async fn run(&self, ctx: &JobContext, params: UnanalyzedParams) -> Result<Outcome<UnanalyzedResult>, JobFailure> {
        let (store, size) = (&self.0.store, params.batch_size);
        if !(1..=SCENES_PER_JOB).contains(&size) {
            return Err(invalid(format!("batch_size: {size} cannot be used; give 1 to {SCENES_PER_JOB} scenes")));
        }
        let page = |before, most| store.unanalyzed_scenes(before, most);
        let limit = params.limit.unwrap_or(u64::MAX);
        let total = pages::send(ctx, "batches", limit, size, page, |scene_ids| Batch { scene_ids }).await?;
        ctx.message(format!("{} to analyze", count(total, "scene")));
        Ok(UnanalyzedResult { total }.into())
    }
}
