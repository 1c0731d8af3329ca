//! `refuse_plan`: a person wants none of a plan's changes.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::invalid;
use crate::{config::Media, store::StoreError, text::count};

/// Refuses a plan. Its scenes count as analyzed, so that nobody is asked the same again. Safe to repeat.
#[derive(Clone, Debug)]
pub struct RefusePlan(pub Media);

/// Which plan, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefuseParams {
    /// The plan's id.
    pub plan_id: i64,
    /// Why, for whoever looks at the plan later.
    pub reason: String,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedResult {
    /// Changes of the plan that are refused.
    pub changes_refused: u64,
}

/// Longest reason, in bytes: that of an answer by the orchestrator's API (2,000), with who gave it and when.
const REASON_BYTES: usize = 4_000;

/// A reason that can be stored.
pub(super) fn checked(reason: &str) -> Result<&str, JobFailure> {
    if reason.is_empty() || reason.len() > REASON_BYTES || reason.contains('\0') {
        return Err(invalid(format!("reason: give a text of 1 to {REASON_BYTES} bytes without NUL characters")));
    }
    Ok(reason)
}

#[async_trait]
impl Job for RefusePlan {
    const TYPE: &'static str = "refuse_plan";
    const TITLE: &'static str = "Refuse a plan";
    type Params = RefuseParams;
    type Result = RefusedResult;

    async fn run(&self, ctx: &JobContext, params: RefuseParams) -> Result<Outcome<RefusedResult>, JobFailure> {
        let reason = checked(&params.reason)?;
        let refused = self.0.store.refuse_plan(params.plan_id, reason).await;
        let changes_refused = refused.map_err(StoreError::into_failure)?;
        ctx.message(format!("{} refused", count(changes_refused, "change")));
        Ok(RefusedResult { changes_refused }.into())
    }
}
