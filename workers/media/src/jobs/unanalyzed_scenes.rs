//! `unanalyzed_scenes`: which scenes are to be analyzed.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pages;
use crate::{config::Media, text::count};

/// Lists the scenes that were not analyzed and have no open plan, newest first, as the list `scene_ids`: as they are now, whatever
/// comes later. A database that does not answer is a failure, never 0.
#[derive(Clone, Debug)]
pub struct UnanalyzedScenes(pub Media);

/// How many.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnanalyzedParams {
    /// At most so many scenes; without it all.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnanalyzedResult {
    /// Scenes in the list.
    pub total: u64,
}

#[async_trait]
impl Job for UnanalyzedScenes {
    const TYPE: &'static str = "unanalyzed_scenes";
    const TITLE: &'static str = "Find scenes to analyze";
    const UNIT: Option<&'static str> = Some("scenes");
    type Params = UnanalyzedParams;
    type Result = UnanalyzedResult;

    async fn run(&self, ctx: &JobContext, params: UnanalyzedParams) -> Result<Outcome<UnanalyzedResult>, JobFailure> {
        let store = &self.0.store;
        let page = |before, most| store.unanalyzed_scenes(before, most);
        let total = pages::send(ctx, "scene_ids", params.limit.unwrap_or(u64::MAX), page).await?;
        ctx.message(format!("{} to analyze", count(total, "scene")));
        Ok(UnanalyzedResult { total }.into())
    }
}
