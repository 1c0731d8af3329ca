//! `plan_totals`: what a run's plans came to.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::Media,
    store::{PlanTotals as Totals, StoreError},
    text::count,
};

/// Sums the plans of a run up. A database that does not answer is a failure, never 0.
#[derive(Clone, Debug)]
pub struct PlanTotals(pub Media);

/// Which run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalsParams {
    /// The run.
    pub run_id: String,
}

/// The sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TotalsResult {
    /// Plans made.
    pub plans: u64,
    /// Scenes that were really analyzed.
    pub scenes_analyzed: u64,
    /// Changes proposed.
    pub changes_proposed: u64,
    /// Changes approved.
    pub changes_approved: u64,
    /// Changes written.
    pub changes_applied: u64,
}

#[async_trait]
impl Job for PlanTotals {
    const TYPE: &'static str = "plan_totals";
    const TITLE: &'static str = "Sum plans up";
    type Params = TotalsParams;
    type Result = TotalsResult;

    async fn run(&self, ctx: &JobContext, params: TotalsParams) -> Result<Outcome<TotalsResult>, JobFailure> {
        let totals = self.0.store.plan_totals(&params.run_id).await.map_err(StoreError::into_failure)?;
        let Totals { plans, scenes_analyzed, changes_proposed, changes_approved, changes_applied } = totals;
        ctx.message(format!("{} of {} applied", changes_applied, count(changes_proposed, "change")));
        Ok(TotalsResult { plans, scenes_analyzed, changes_proposed, changes_approved, changes_applied }.into())
    }
}
