//! The shapes that people and other systems read: a workflow's metadata and result.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, JobType, StepStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Job, StepState, Workflow, definition::Step, workflow::WorkflowState};

/// A workflow's metadata, exactly as other systems read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Number of the step whose turn it is, from 1.
    pub current_step: usize,
    /// How many steps there are, clean-up not counted.
    pub total_steps: usize,
    /// Title of the step whose turn it is.
    pub step_name: String,
    /// The running sub-job of the lowest index.
    pub active_sub_job: Option<ActiveSubJob>,
    /// What it is doing, for a person.
    pub message: Option<String>,
    /// The steps; clean-up steps once they have begun.
    pub steps: Vec<StepView>,
}

/// The sub-job that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveSubJob {
    /// Its id.
    pub id: JobId,
    /// Its type.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// Percent, 0 to 100.
    pub progress: f64,
}

/// A step as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Its key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: StepStatus,
    /// Percent, 0 to 100.
    pub progress: f64,
    /// Its share of the bar.
    pub weight: u32,
    /// How many sub-jobs it has.
    pub total: u32,
    /// How many completed.
    pub done: u32,
    /// How many failed.
    pub failed: u32,
    /// How many run.
    pub running: u32,
    /// When its turn came.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A workflow's metadata; `None` for a job that is none.
#[must_use]
pub fn metadata(job: &Job) -> Option<Metadata> {
    let workflow = job.workflow.as_ref()?;
    let total_steps = workflow.definition.steps.len();
    let shown = shown(job, workflow);
    let steps = workflow.definition.steps.iter().chain(&workflow.definition.cleanup).zip(&workflow.state.steps);
    let begun = |index: usize, state: &StepState| index < total_steps || state.started_at.is_some();
    Some(Metadata {
        current_step: shown + 1,
        total_steps,
        step_name: workflow.step(shown).map(|step| step.title.clone()).unwrap_or_default(),
        active_sub_job: active_sub_job(job, workflow),
        message: job.message.value.clone(),
        steps: steps
            .enumerate()
            .filter(|(index, (_, state))| begun(*index, state))
            .map(|(_, (step, state))| step_view(step, state))
            .collect(),
    })
}

/// Index of the step whose turn it is, or was: steps that were left out because the workflow ended early had none.
fn shown(job: &Job, workflow: &Workflow) -> usize {
    let WorkflowState { current, steps, ending } = &workflow.state;
    let regular = workflow.definition.steps.len();
    let has_begun = |step: &StepState| step.started_at.is_some();
    // Between two steps of a workflow that is paused, or goes on in another fold, the next one may never have its turn.
    let rests = (job.paused.is_some() || job.due_at.is_some()) && job.status == JobStatus::Running;
    let waits = rests && !steps.get(*current).is_some_and(has_begun);
    if *current < regular && !waits {
        return *current;
    }
    let begun = steps.iter().take(regular).rposition(has_begun);
    if waits || ending.is_some() { begun.unwrap_or(0) } else { regular.saturating_sub(1) }
}

fn active_sub_job(job: &Job, workflow: &Workflow) -> Option<ActiveSubJob> {
    if job.is_terminal() {
        return None;
    }
    let (step, state) = workflow.current()?;
    let (_, (id, progress)) = state.running.iter().find(|(batch, _)| !state.resting.contains(batch))?;
    let job_type = step.work.job_type();
    let cancelling = job.status == JobStatus::Cancelling && !workflow.in_cleanup();
    let status = if cancelling { JobStatus::Cancelling } else { JobStatus::Running };
    Some(ActiveSubJob { id: *id, job_type, status, progress: progress.percent() })
}

fn step_view(step: &Step, state: &StepState) -> StepView {
    StepView {
        key: step.key.clone(),
        title: step.title.clone(),
        status: state.status,
        progress: state.progress.percent(),
        weight: step.weight,
        total: state.total.unwrap_or(0),
        done: state.done,
        failed: state.failed,
        running: u32::try_from(state.at_work()).unwrap_or(u32::MAX),
        started_at: state.started_at,
        finished_at: state.finished_at,
    }
}

/// What a person calls a job: as the step that it is of, or else as its definition. `step`: that step.
#[must_use]
pub fn title(job: &Job, step: Option<&Step>) -> Option<String> {
    let own = job.workflow.as_ref().map(|workflow| workflow.definition.title.clone());
    step.map(|step| step.title.clone()).or(own)
}

/// Most sub-jobs of a step that a result or an expression lists: one value has to fit into a row. The statements that read
/// them (`step_results.sql`, `sub_job_ends.sql`) end there, too.
const LISTED: u32 = 10_000;

/// Whether a step's sub-job is among those that are listed.
#[must_use]
pub fn is_listed(batch: Option<u32>) -> bool {
    batch.is_none_or(|batch| batch < LISTED)
}

/// A step's result, as expressions read it: that of its sub-job, or the list of its batches'. `results`: by batch, in order.
#[must_use]
pub fn step_result(
    step: &Step,
    state: Option<&StepState>,
    mut results: impl Iterator<Item = (Option<u32>, Option<Value>)>,
) -> Value {
    if step.for_each.is_none() {
        return results.next().and_then(|(_, result)| result).unwrap_or_default();
    }
    // Beyond the total are those of an earlier run over a longer list.
    let total = state.and_then(|state| state.total);
    let counts = |batch: Option<u32>| is_listed(batch) && batch.zip(total).is_none_or(|(batch, total)| batch < total);
    Value::Array(results.filter(|(batch, _)| counts(*batch)).map(|(_, result)| result.unwrap_or_default()).collect())
}

/// How a sub-job ended, as the result lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubJobEnd {
    /// The sub-job.
    pub job_id: JobId,
    /// How it ended.
    pub status: JobStatus,
    /// What it produced.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<JobError>,
    /// When it began and ended.
    pub started_at: Option<DateTime<Utc>>,
    /// See `started_at`.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A workflow's result, exactly as other systems read it. `ends`: its sub-jobs by step index and batch.
#[must_use]
pub fn result(job: &Job, summary: &Value, ends: &BTreeMap<(usize, Option<u32>), SubJobEnd>) -> Value {
    let mut steps = Map::new();
    if let Some(workflow) = &job.workflow {
        let definitions = workflow.definition.steps.iter().chain(&workflow.definition.cleanup);
        for (index, (step, state)) in definitions.zip(&workflow.state.steps).enumerate() {
            let cleanup = index >= workflow.definition.steps.len();
            if cleanup && state.started_at.is_none() {
                continue;
            }
            // Beyond the total are those of an earlier run over a longer list.
            let batches = |total| ends.range((index, Some(0))..(index, Some(total))).map(|(_, end)| batch_result(end));
            let value = match (&step.for_each, state.total) {
                (Some(_), Some(total)) => Value::Array(batches(total).collect()),
                // One that an earlier run made, and this one did not come to, is not its own.
                _ => single_result(state, ends.get(&(index, None)).filter(|_| state.total.is_some())),
            };
            steps.insert(step.key.clone(), value);
        }
    }
    let mut result = Map::new();
    result.insert("job_id".into(), json!(job.id));
    result.insert("status".into(), json!(job.status));
    result.insert("steps".into(), Value::Object(steps));
    result.insert("summary".into(), summary.clone());
    if let Some(error) = &job.error {
        result.insert("error".into(), json!(error));
    }
    Value::Object(result)
}

/// The step's own status counts: it may have failed after its sub-job completed, or before there was one.
fn single_result(state: &StepState, end: Option<&SubJobEnd>) -> Value {
    json!({
        "job_id": end.map(|end| end.job_id),
        "status": state.status,
        "result": end.and_then(|end| end.result.clone()),
        "error": state.error,
        "duration_seconds": duration_seconds(state.started_at, state.finished_at),
    })
}

fn batch_result(end: &SubJobEnd) -> Value {
    json!({
        "job_id": end.job_id,
        "status": end.status,
        "result": end.result,
        "error": end.error,
        "duration_seconds": duration_seconds(end.started_at, end.finished_at),
    })
}

fn duration_seconds(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<f64> {
    let milliseconds = to?.signed_duration_since(from?).num_milliseconds();
    i32::try_from(milliseconds).ok().map(|milliseconds| f64::from(milliseconds) / 1000.0)
}
