//! What the expressions of a workflow see of its steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use drover_protocol::{JobError, JobId, StepStatus};
use serde_json::{Map, Value};

use super::{Facts, Fold, start::input_of};
use crate::{
    StepState, Workflow,
    expression::{ExpressionError, References, Scope, StepScope, StepUse, WorkflowScope},
};

impl Fold<'_> {
    /// What the expressions see; `None` when a result that they read was not asked for.
    pub(super) fn scope(&self, id: JobId, facts: &Facts, references: &References) -> Option<Scope> {
        let job = self.tree.get(id)?;
        let workflow = job.workflow.as_ref()?;
        let mut steps = BTreeMap::new();
        for (key, used) in &references.steps {
            let Some((index, step)) = workflow.find(key) else { continue };
            let state = workflow.state.steps.get(index)?;
            let readable = used.result && has_result(state);
            let result = match facts.results.get(key) {
                Some(result) if readable => Arc::clone(result),
                None if readable => return None,
                _ if step.for_each.is_some() && state.total == Some(0) => Arc::new(Value::Array(Vec::new())),
                _ => Arc::new(Value::Null),
            };
            steps.insert(key.clone(), step_scope(state, result));
        }
        let (input, batch) = input_of(workflow, &facts.params);
        let workflow = WorkflowScope { id, attempt: job.attempt };
        Some(Scope { input, steps, batch, repeat: None, workflow })
    }

    /// The step's own status, as it will be, for its `finish_if`.
    pub(super) fn with_own(&self, mut scope: Scope, id: JobId, index: usize, status: StepStatus) -> Scope {
        let workflow = self.tree.get(id).and_then(|job| job.workflow.as_ref());
        let key = workflow.and_then(|workflow| workflow.step(index)).map(|step| step.key.as_str());
        if let Some(own) = key.and_then(|key| scope.steps.get_mut(key)) {
            own.status = status;
        }
        scope
    }
}

impl Workflow {
    pub(super) fn summary_references(&self) -> References {
        let mut references = References::default();
        for template in self.definition.summary.values() {
            references.merge(template.references());
        }
        references
    }
}

/// The steps among those referred to that have a result to read.
pub(super) fn results_of(workflow: &Workflow, references: &References) -> BTreeSet<String> {
    let reads = |(key, used): (&String, &StepUse)| {
        let state = workflow.find(key).and_then(|(index, _)| workflow.state.steps.get(index));
        (used.result && state.is_some_and(has_result)).then(|| key.clone())
    };
    references.steps.iter().filter_map(reads).collect()
}

fn has_result(state: &StepState) -> bool {
    state.total.is_some_and(|total| total > 0) && state.started_at.is_some()
}

fn step_scope(state: &StepState, result: Arc<Value>) -> StepScope {
    let totals = state.totals.iter().map(|(name, sum)| (name.clone(), Value::Number(sum.clone())));
    StepScope {
        status: state.status,
        result,
        error: state.error.clone(),
        totals: Value::Object(totals.collect::<Map<_, _>>()),
    }
}

pub(super) fn expression_error(error: &ExpressionError) -> JobError {
    JobError::permanent("expression", error.to_string())
}
