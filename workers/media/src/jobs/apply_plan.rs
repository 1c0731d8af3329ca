//! `apply_plan`: the approved changes of a plan are written to its scenes.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlanParams;
use crate::{
    config::Media,
    fault::{self, Fault, FaultKind, ItemError, outcome},
    store::StoreError,
    text::count,
};

/// Applies a plan in one transaction, and marks its scenes as analyzed. Safe to repeat: nothing is written twice.
#[derive(Clone, Debug)]
pub struct ApplyPlan(pub Media);

/// What was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedResult {
    /// Changes of the plan that are written, by this attempt or an earlier one.
    pub changes_applied: u64,
    /// Scenes whose changes could not be written.
    pub errors: Vec<ItemError>,
}

#[async_trait]
impl Job for ApplyPlan {
    const TYPE: &'static str = "apply_plan";
    const TITLE: &'static str = "Apply a plan";
    type Params = PlanParams;
    type Result = AppliedResult;

    async fn run(&self, ctx: &JobContext, params: PlanParams) -> Result<Outcome<AppliedResult>, JobFailure> {
        let applied = self.0.store.apply_plan(params.plan_id).await.map_err(StoreError::into_failure)?;
        let mut errors = Vec::new();
        for (scene, changes, is_there) in applied.lost {
            let why = if is_there { "its file was changed since the analysis" } else { "it is not there any more" };
            let fault = Fault::new(FaultKind::Lost, format!("{} not applied: {why}", count(changes, "change")));
            fault::note(ctx, &mut errors, format!("scene {scene}"), fault);
        }
        ctx.message(format!("{} applied", count(applied.changes_applied, "change")));
        let result = AppliedResult { changes_applied: applied.changes_applied, errors: errors.clone() };
        Ok(outcome(result, &errors))
    }
}
