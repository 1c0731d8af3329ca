//! What a step that has run its course means: how it ended, whether the workflow goes on, what is summed up.

use drover_protocol::{JobError, JobStatus, StepStatus};
use serde_json::{Map, Value};

use super::{report::over_budget, scope::expression_error};
use crate::{
    StepState, Workflow,
    definition::{OnFailure, Step},
    expression::Scope,
    workflow::Ending,
};

/// How a settled step ended.
pub(super) fn verdict(step: &Step, state: &StepState, cancelling: bool) -> (StepStatus, Option<JobError>) {
    let whole = state.total.is_some_and(|total| state.done == total);
    if cancelling && !whole && state.stopped {
        return (StepStatus::Cancelled, state.error.clone());
    }
    if let Some(outcome) = state.outcome {
        return match outcome {
            JobStatus::Completed => match &state.skipped {
                // In a later round there was something to do before.
                Some(reason) if state.rounds == 0 => (StepStatus::Skipped, Some(skipped(reason))),
                _ => (StepStatus::Completed, None),
            },
            JobStatus::CompletedWithErrors => (StepStatus::CompletedWithErrors, state.error.clone()),
            JobStatus::Cancelled => {
                (StepStatus::Failed, Some(JobError::permanent("cancelled", "its sub-job was cancelled")))
            }
            _ => (StepStatus::Failed, state.error.clone()),
        };
    }
    let total = state.total.unwrap_or(0);
    if state.stopped || (state.failed > 0 && state.done == 0) {
        let what = if over_budget(step, state.failed, total) {
            ", more than it tolerates"
        } else if state.stopped {
            ", and it was stopped before it came to the others"
        } else {
            ""
        };
        let message = format!("{} of {total} batches failed{what}", state.failed);
        return (StepStatus::Failed, Some(JobError::permanent("batches_failed", message)));
    }
    if state.failed > 0 || state.with_errors > 0 {
        let message =
            format!("{} of {total} batches failed, {} completed with errors", state.failed, state.with_errors);
        return (StepStatus::CompletedWithErrors, Some(JobError::permanent("batches_failed", message)));
    }
    (StepStatus::Completed, None)
}

/// Why a step was skipped, where it says so.
pub(super) fn skipped(reason: impl Into<String>) -> JobError {
    JobError::permanent("skipped", reason)
}

pub(super) fn on_failure(step: &Step, error: Option<&JobError>) -> Option<Ending> {
    match step.on_failure {
        OnFailure::Continue => None,
        OnFailure::Finish => Some(Ending::Finish),
        OnFailure::Fail => {
            let cause = error.cloned().unwrap_or_else(|| JobError::permanent("failed", "it failed"));
            let message = format!("step {} failed: {}", step.key, cause.message);
            Some(Ending::Fail { error: JobError { message, ..cause } })
        }
    }
}

pub(super) fn finish_if(step: &Step, scope: &Scope) -> Result<Option<Ending>, JobError> {
    for finish in &step.finish_if {
        if finish.when.eval_bool(scope).map_err(|error| expression_error(&error))? {
            let message = finish.message.eval_text(scope).map_err(|error| expression_error(&error))?;
            return Ok(Some(Ending::Early { message, skip: finish.skip }));
        }
    }
    Ok(None)
}

/// The result's `summary`. A value that cannot be had, because its step did not come to it, is null: a summary never
/// costs the result.
pub(super) fn summary(workflow: &Workflow, scope: &Scope, errors: u64) -> Value {
    let mut summary: Map<String, Value> = Map::new();
    for (key, template) in &workflow.definition.summary {
        summary.insert(key.clone(), template.eval(scope).unwrap_or(Value::Null));
    }
    summary.insert("total_errors".into(), errors.into());
    Value::Object(summary)
}
