//! `plan_totals`: what a run's plans came to.

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::go_on;
use crate::{
    config::Media,
    limits::PAGE,
    store::{BatchRow, PlanTotals as Totals, StoreError},
    text::count,
};

/// Sums the plans of a run up, and sends the list `batches`, a [`BatchRecord`] for each batch that came to a plan. A database that
/// does not answer is a failure, never 0.
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

/// What a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// Which one, from 1.
    pub batch_num: i64,
    /// Scenes that were really analyzed.
    pub scenes_analyzed: u64,
    /// Changes approved.
    pub changes_approved: u64,
    /// Changes written.
    pub changes_applied: u64,
    /// Scenes that failed, as far as they are listed, and changes that were approved and could not be written.
    pub errors: u64,
}

impl From<BatchRow> for BatchRecord {
    fn from(row: BatchRow) -> Self {
        let BatchRow { batch, scenes_analyzed, changes_approved, changes_applied, errors } = row;
        Self { batch_num: batch + 1, scenes_analyzed, changes_approved, changes_applied, errors }
    }
}

impl PlanTotals {
    async fn send_batches(&self, ctx: &JobContext, run_id: &str) -> Result<(), JobFailure> {
        // Without values it is known and empty.
        ctx.items("batches", Vec::<BatchRecord>::new()).await?;
        let mut after = -1;
        loop {
            go_on(ctx)?;
            let page = self.0.store.plan_batches(run_id, after, PAGE).await.map_err(StoreError::into_failure)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.batch;
            ctx.items("batches", page.into_iter().map(BatchRecord::from)).await?;
        }
    }
}

#[async_trait]
impl Job for PlanTotals {
    const TYPE: &'static str = "plan_totals";
    const TITLE: &'static str = "Sum plans up";
    type Params = TotalsParams;
    type Result = TotalsResult;

    async fn run(&self, ctx: &JobContext, params: TotalsParams) -> Result<Outcome<TotalsResult>, JobFailure> {
        self.send_batches(ctx, &params.run_id).await?;
        let totals = self.0.store.plan_totals(&params.run_id).await.map_err(StoreError::into_failure)?;
        let Totals { plans, scenes_analyzed, changes_proposed, changes_approved, changes_applied } = totals;
        ctx.message(format!("{} of {} applied", changes_applied, count(changes_proposed, "change")));
        Ok(TotalsResult { plans, scenes_analyzed, changes_proposed, changes_approved, changes_applied }.into())
    }
}
