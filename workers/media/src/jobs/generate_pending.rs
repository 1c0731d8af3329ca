//! `generate_pending`: which scenes lack previews.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, pages};
use crate::{config::Media, text::count};

/// Lists the scenes that lack a preview of their content, newest first, as the list `scene_ids`. A database that does not
/// answer is a failure, never 0.
#[derive(Clone, Debug)]
pub struct GeneratePending(pub Media);

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratePendingResult {
    /// Scenes that lack a preview.
    pub pending: u64,
}

#[async_trait]
impl Job for GeneratePending {
    const TYPE: &'static str = "generate_pending";
    const TITLE: &'static str = "Find scenes without previews";
    const UNIT: Option<&'static str> = Some("scenes");
    type Params = NoParams;
    type Result = GeneratePendingResult;

    async fn run(&self, ctx: &JobContext, _: NoParams) -> Result<Outcome<GeneratePendingResult>, JobFailure> {
        let store = &self.0.store;
        let page = |before, most| store.pending_previews(before, most);
        let pending = pages::send(ctx, "scene_ids", u64::MAX, page).await?;
        ctx.message(format!("{} without previews", count(pending, "scene")));
        Ok(GeneratePendingResult { pending }.into())
    }
}
