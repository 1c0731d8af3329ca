//! `draft_plans`: what a run that failed or was cancelled leaves undecided is put aside.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refuse_plan::checked;
use crate::{config::Media, store::StoreError, text::count};

/// Moves the plans of a run that are not applied to `draft`; their scenes are analyzed again by the next run, unless this one is
/// retried before. Safe to repeat.
#[derive(Clone, Debug)]
pub struct DraftPlans(pub Media);

/// Which run, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftParams {
    /// The run.
    pub run_id: String,
    /// Why, for whoever looks at the plans later.
    pub reason: String,
}

/// What was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DraftedResult {
    /// Plans put aside now.
    pub plans_drafted: u64,
}

#[async_trait]
impl Job for DraftPlans {
    const TYPE: &'static str = "draft_plans";
    const TITLE: &'static str = "Put plans aside";
    type Params = DraftParams;
    type Result = DraftedResult;

    async fn run(&self, ctx: &JobContext, params: DraftParams) -> Result<Outcome<DraftedResult>, JobFailure> {
        let reason = checked(&params.reason)?;
        let drafted = self.0.store.draft_plans(&params.run_id, reason).await;
        let plans_drafted = drafted.map_err(StoreError::into_failure)?;
        ctx.message(format!("{} put aside", count(plans_drafted, "plan")));
        Ok(DraftedResult { plans_drafted }.into())
    }
}
