//! What an expression can see.

use std::{collections::BTreeMap, sync::Arc};

use drover_protocol::{JobError, JobId, StepStatus};
use serde_json::Value;

/// Everything an evaluation may look at. Values are borrowed where they stand: nothing is converted or copied but what
/// the expression selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The workflow's parameters: `input`.
    pub input: Arc<Value>,
    /// The steps that have ended, and for `finish_if` the step itself: `steps.<key>`. Only those that
    /// [`References`](crate::expression::References) names need be here.
    pub steps: BTreeMap<String, StepScope>,
    /// The batch whose parameters are made: `batch`.
    pub batch: Option<BatchScope>,
    /// The rounds of the step that is repeated: `repeat`.
    pub repeat: Option<RepeatScope>,
    /// The workflow's own job: `workflow`.
    pub workflow: WorkflowScope,
}

/// What an expression sees of a step. Fields that [`StepUse`](crate::expression::StepUse) does not name may be left null.
#[derive(Clone, Debug, PartialEq)]
pub struct StepScope {
    /// `steps.<key>.status`, as text.
    pub status: StepStatus,
    /// `steps.<key>.result`; null when there is none. A list delivered as items stands in it as
    /// `{"$items": {"job_id", "name", "count"}}`.
    pub result: Arc<Value>,
    /// `steps.<key>.error`, as `{kind, message, retryable}` or null.
    pub error: Option<JobError>,
    /// `steps.<key>.totals`: the counters of a fan-out.
    pub totals: Value,
}

/// One batch of a fan-out.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchScope {
    /// `batch.index`, from 0.
    pub index: u64,
    /// `batch.count`: how many batches there are.
    pub count: u64,
    /// `batch.items`: a list of at most `batch_size` items.
    pub items: Value,
}

/// The rounds of a step that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatScope {
    /// `repeat.round`, from 1: in `until` the round that has ended, in `params` the one that begins.
    pub round: u64,
    /// `repeat.max`: the most rounds.
    pub max: u64,
}

/// The workflow's own job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkflowScope {
    /// `workflow.id`, as text.
    pub id: JobId,
    /// `workflow.attempt`, from 1.
    pub attempt: u32,
}
