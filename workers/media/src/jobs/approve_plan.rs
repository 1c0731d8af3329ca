//! `approve_plan`: the changes of a plan may be applied.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{config::Media, store::StoreError, text::count};

/// Approves a plan, also one that was put aside: whoever retries a cancelled run goes on with its plans. Safe to repeat; a plan
/// that was refused stays so.
#[derive(Clone, Debug)]
pub struct ApprovePlan(pub Media);

/// Which plan.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanParams {
    /// The plan's id.
    pub plan_id: i64,
}

/// What was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovedResult {
    /// Changes of the plan that are approved.
    pub changes_approved: u64,
}

#[async_trait]
impl Job for ApprovePlan {
    const TYPE: &'static str = "approve_plan";
    const TITLE: &'static str = "Approve a plan";
    type Params = PlanParams;
    type Result = ApprovedResult;

    async fn run(&self, ctx: &JobContext, params: PlanParams) -> Result<Outcome<ApprovedResult>, JobFailure> {
        let changes_approved = self.0.store.approve_plan(params.plan_id).await.map_err(StoreError::into_failure)?;
        ctx.message(format!("{} approved", count(changes_approved, "change")));
        Ok(ApprovedResult { changes_approved }.into())
    }
}
