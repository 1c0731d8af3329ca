//! A step's sub-jobs: one, or a window of batches over a list of any length.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, JobType};
use serde_json::{Value, json};

use super::{Fold, NewJob, scope::expression_error};
use crate::{
    Command, Parent, Trigger, WaitFor, Workflow,
    command::ItemsSource,
    definition::{BatchSize, Definition, FanOut, Step, Work, limits},
    expression::{BatchScope, Scope, Template, WorkflowScope, shorten},
    job::Policy,
};

/// A batch whose turn has come.
#[derive(Clone, Debug)]
pub struct BatchRow {
    /// Which one, from 0.
    pub index: u32,
    /// Its items.
    pub items: Value,
    /// Its sub-job, if an earlier run made one that did not complete. It is in the tree.
    pub job_id: Option<JobId>,
}

impl Fold<'_> {
    pub(super) fn begin_fan_out(
        &mut self,
        id: JobId,
        index: usize,
        step: &Step,
        fan_out: &FanOut,
        scope: &Scope,
    ) -> Result<(), JobError> {
        let resumes = self.step_mut(id, index).is_some_and(|state| state.resume && state.total.is_some());
        if resumes {
            self.touched.insert(id);
            return Ok(());
        }
        let items = fan_out.items.eval(scope).map_err(|error| expression_error(&error))?;
        let batch_size = size_of_batches(fan_out, scope)?;
        let template = step.params.bind(scope).map_err(|error| expression_error(&error))?;
        let source = items_source(items, fan_out)?;
        // A workflow that nobody has registered fails the step as a whole, so that a retry begins with all of it.
        self.workflow_of(id, step)?;
        self.requests.push(Command::Expand { workflow: id, step: index, source, batch_size, template });
        Ok(())
    }

    /// The items of a fan-out are written, cut into `total` batches.
    pub fn expanded(&mut self, workflow: JobId, step: usize, total: u32) {
        if let Some(state) = self.step_mut(workflow, step) {
            state.total = Some(total);
        }
        self.record(workflow, "expanded", json!({ "step": step, "total": total }));
        self.touched.insert(workflow);
        self.touch(workflow);
    }

    /// The list that a fan-out refers to is not there, or not all of it: the step fails, rather than do a part of its work.
    pub fn not_expanded(&mut self, workflow: JobId, index: usize, expected: u64, found: u64) {
        let definition = self.tree.get(workflow).and_then(|job| job.workflow.as_ref());
        let Some(step) = definition.and_then(|workflow| workflow.step(index)).cloned() else { return };
        let source = step.for_each.as_ref().map(|fan_out| fan_out.items.source()).unwrap_or_default();
        let message = format!(
            "for_each ${{{source}}} refers to a list of {expected} values, of which this workflow's jobs have sent {found}"
        );
        self.step_failed(workflow, index, &step, JobError::permanent("expression", message));
        self.touched.insert(workflow);
        self.touch(workflow);
    }

    /// Begins the batches of a window. `rows` are those found from the cursor on, in order; `exhausted`: there are no more.
    pub fn dispatch_batches(
        &mut self,
        id: JobId,
        index: usize,
        rows: &[BatchRow],
        exhausted: bool,
        template: &Template,
    ) {
        let Some(job) = self.tree.get(id) else { return };
        let attempt = job.attempt;
        let Some(workflow) = job.workflow.as_ref() else { return };
        let Some(step) = workflow.step(index).cloned() else { return };
        let total = workflow.state.steps.get(index).and_then(|state| state.total).unwrap_or(0);
        let mut cursor = 0;
        for row in rows {
            if self.step_mut(id, index).is_none_or(|state| state.stopped) {
                // One that could not begin was one failure too many.
                break;
            }
            let scope = batch_scope(id, attempt, row, total);
            let params = template.eval(&scope).map_err(|error| expression_error(&error));
            self.spawn_batch(id, index, &step, row, &scope, params);
            cursor = row.index + 1;
        }
        if let Some(state) = self.step_mut(id, index) {
            let looked_at = if exhausted && !state.stopped { total } else { cursor };
            state.cursor = state.cursor.max(looked_at);
        }
        self.touched.insert(id);
        self.touch(id);
    }

    /// Begins the one sub-job of a step that does not fan out.
    pub(super) fn spawn_single(&mut self, id: JobId, index: usize, step: &Step, params: Value) -> Result<(), JobError> {
        let (existing, resume) = self.step_mut(id, index).map(|state| (state.job_id, state.resume)).unwrap_or_default();
        if let Some(child) = existing {
            self.adopt(id, index, child);
            let round = self.step_mut(id, index).map_or(1, |state| state.rounds + 1);
            if let Some(job) = self.tree.jobs.get_mut(&child) {
                job.round = round;
                self.touch(child);
            }
            return self.start_child_again(child, resume, step, params, None);
        }
        let child = self.spawn(id, index, step, params, None)?;
        if let Some(state) = self.step_mut(id, index) {
            (state.total, state.job_id) = (Some(1), Some(child));
        }
        Ok(())
    }

    /// Begins a batch: with a sub-job of its own, or with the one that an earlier run made for it.
    fn spawn_batch(
        &mut self,
        id: JobId,
        index: usize,
        step: &Step,
        row: &BatchRow,
        scope: &Scope,
        params: Result<Value, JobError>,
    ) {
        let batch = scope.batch.as_ref();
        if let Some(child) = row.job_id {
            let resume = self.step_mut(id, index).is_some_and(|state| row.index < state.redo_from());
            self.adopt(id, index, child);
            let again = params.and_then(|params| self.start_child_again(child, resume, step, params, batch));
            if let (Err(error), Some(job)) = (again, self.tree.jobs.get_mut(&child)) {
                job.error = Some(error);
                self.touch(child);
            }
            return;
        }
        let spawned = params.and_then(|params| self.spawn(id, index, step, params, batch));
        if let Err(error) = spawned {
            self.spawn_failed(id, index, row.index, step, error);
        }
    }

    /// Makes and starts a sub-job: a batch of a fan-out, or the one of its step.
    fn spawn(
        &mut self,
        id: JobId,
        index: usize,
        step: &Step,
        params: Value,
        batch: Option<&BatchScope>,
    ) -> Result<JobId, JobError> {
        let workflow = self.workflow_of(id, step)?;
        let params = params_of(step, workflow.as_ref(), params, batch)?;
        if workflow.is_some() && self.depth(id) >= self.limits.depth {
            let message = format!("workflows are nested deeper than {} levels", self.limits.depth);
            return Err(JobError::permanent("nesting", message));
        }
        let number = batch.and_then(|batch| u32::try_from(batch.index).ok());
        Ok(self.add_child(id, index, number, step, workflow, Some(params)))
    }

    /// A batch that cannot even begin is a failed sub-job, so that it is found where the others are.
    fn spawn_failed(&mut self, id: JobId, index: usize, batch: u32, step: &Step, error: JobError) {
        let workflow = self.workflow_of(id, step).ok().flatten();
        let child = self.add_child(id, index, Some(batch), step, workflow, None);
        self.fail(child, JobError { retryable: false, ..error });
    }

    /// Adds a sub-job to a step; without parameters it is not started.
    fn add_child(
        &mut self,
        id: JobId,
        index: usize,
        batch: Option<u32>,
        step: &Step,
        workflow: Option<Workflow>,
        params: Option<Value>,
    ) -> JobId {
        let root_id = self.tree.get(id).map_or(id, |job| job.root_id);
        let child = self.entropy.job_id();
        if let Some(state) = self.step_mut(id, index) {
            state.open += 1;
        }
        let timeout_ms = step.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let wait_for = matches!(step.work, Work::Signal).then_some(WaitFor::Signal);
        let never = if params.is_some() { None } else { Some(DateTime::<Utc>::MAX_UTC) };
        self.create(NewJob {
            id: child,
            root_id,
            parent: Some(Parent { id, step: index, batch }),
            job_type: step.work.job_type(),
            params: params.unwrap_or_default(),
            policy: Policy { retry: step.retry, timeout_ms, wait_for },
            workflow,
            run_at: never,
        });
        child
    }

    /// The workflow that a step's sub-job is, if it is one.
    fn workflow_of(&mut self, id: JobId, step: &Step) -> Result<Option<Workflow>, JobError> {
        match &step.work {
            Work::Job(_) | Work::Signal | Work::Milestone => Ok(None),
            Work::Steps(nested) => Ok(Some(Workflow::new(Arc::clone(nested)))),
            Work::Workflow(name) => match self.current(id, name) {
                Some(definition) => Ok(Some(Workflow::new(definition))),
                None => {
                    let message = format!("there is no workflow {name}; register it with `drover apply`");
                    Err(JobError::permanent("unknown_type", message))
                }
            },
        }
    }

    /// The current definition of a name. What is current is not the fold's to know, so it is noted for the workflow's tree.
    fn current(&mut self, id: JobId, name: &JobType) -> Option<Arc<Definition>> {
        let catalog = self.catalog;
        let found = self.current.entry(name.clone()).or_insert_with(|| catalog.current(name)).clone();
        if let Some(root_id) = self.tree.get(id).map(|job| job.root_id) {
            let hash = found.as_ref().map(|definition| definition.hash.clone());
            self.given_for(root_id).workflows.insert(name.clone(), hash);
        }
        found
    }

    /// Puts a sub-job of an earlier run into its bucket, from where starting it again takes it.
    fn adopt(&mut self, id: JobId, index: usize, child: JobId) {
        let Some(job) = self.tree.get(child).filter(|job| job.is_terminal()) else { return };
        let (status, progress, errors) = (job.status, job.progress, job.error_count);
        let single = job.parent.is_some_and(|parent| parent.batch.is_none());
        let Some(state) = self.step_mut(id, index) else { return };
        if single {
            state.total = Some(1);
        }
        state.progress_sum += i64::from(progress.hundredths());
        state.count_end(status, errors);
    }

    /// Starts a sub-job of an earlier run again: where it stopped, or from its beginning with new parameters.
    fn start_child_again(
        &mut self,
        child: JobId,
        resume: bool,
        step: &Step,
        params: Value,
        batch: Option<&BatchScope>,
    ) -> Result<(), JobError> {
        let Some(job) = self.tree.get(child) else { return Ok(()) };
        if resume && job.status != JobStatus::Completed && job.dispatch > 0 {
            self.start_again(child, Trigger::Retry, false, None);
            return Ok(());
        }
        if job.workflow.is_none() && matches!(step.work, Work::Workflow(_) | Work::Steps(_)) {
            // It was made when nobody knew its definition, and a row's definition never changes.
            let message = format!("{} had no definition then", step.work.job_type());
            return Err(JobError::permanent("unknown_type", message));
        }
        let params = params_of(step, job.workflow.as_ref(), params, batch)?;
        self.start_again(child, Trigger::Restart, true, Some(params));
        Ok(())
    }

    fn depth(&self, id: JobId) -> usize {
        let above = |id: &JobId| self.tree.get(*id).and_then(|job| job.parent).map(|parent| parent.id);
        std::iter::successors(Some(id), above).take(self.limits.depth + 1).count()
    }
}

/// A sub-job's parameters. A workflow's are checked. Nested steps see the step's parameters as `input`, and the batch that
/// they are the work of.
pub(super) fn params_of(
    step: &Step,
    workflow: Option<&Workflow>,
    params: Value,
    batch: Option<&BatchScope>,
) -> Result<Value, JobError> {
    match (&step.work, workflow, batch) {
        (Work::Steps(_), _, Some(batch)) => Ok(json!({
            "input": params,
            "batch": { "index": batch.index, "count": batch.count, "items": batch.items },
        })),
        (Work::Steps(_), _, None) => Ok(json!({ "input": params })),
        (Work::Workflow(name), Some(workflow), _) => {
            workflow.definition.validate_input(params).map_err(|errors| invalid(name.as_str(), &errors))
        }
        _ => Ok(params),
    }
}

/// How many items each batch is to have.
fn size_of_batches(fan_out: &FanOut, scope: &Scope) -> Result<u32, JobError> {
    let expression = match &fan_out.batch_size {
        BatchSize::Fixed(size) => return Ok(*size),
        BatchSize::Of(expression) => expression,
    };
    let value = expression.eval(scope).map_err(|error| expression_error(&error))?;
    whole(&value).filter(|size| (1..=limits::BATCH_SIZE).contains(size)).ok_or_else(|| {
        let message = format!(
            "batch_size ${{{}}} is {}, and must be a whole number from 1 to {}: begin anew with another value, or write a \
             number in the definition",
            expression.source(),
            shorten(&value.to_string(), 80),
            limits::BATCH_SIZE
        );
        JobError::permanent("expression", message)
    })
}

/// A whole number, which JSON may write as `2.0`.
fn whole(value: &Value) -> Option<u32> {
    let number = value.as_number()?;
    let size = number.as_u64().or_else(|| {
        let whole = number.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{whole:.0}").parse().ok()
    });
    u32::try_from(size?).ok()
}

fn items_source(items: Value, fan_out: &FanOut) -> Result<ItemsSource, JobError> {
    match items {
        Value::Array(items) => Ok(ItemsSource::Inline(items)),
        Value::Object(fields) => {
            let list = fields.get("$items");
            let job_id = list.and_then(|list| list.get("job_id")).and_then(Value::as_str).map(str::parse);
            let name = list.and_then(|list| list.get("name")).and_then(Value::as_str);
            let count = list.and_then(|list| list.get("count")).and_then(Value::as_u64);
            match (job_id, name, count) {
                (Some(Ok(job_id)), Some(name), Some(count)) => {
                    Ok(ItemsSource::List { job_id, name: name.into(), count })
                }
                _ => Err(not_a_list(fan_out, "an object")),
            }
        }
        Value::Null => Err(not_a_list(fan_out, "null")),
        other => Err(not_a_list(fan_out, &other.to_string())),
    }
}

fn not_a_list(fan_out: &FanOut, found: &str) -> JobError {
    let found: String = found.chars().take(80).collect();
    JobError::permanent("expression", format!("for_each ${{{}}} is {found}, not a list", fan_out.items.source()))
}

fn batch_scope(id: JobId, attempt: u32, row: &BatchRow, total: u32) -> Scope {
    Scope {
        input: Arc::new(Value::Null),
        steps: std::collections::BTreeMap::new(),
        batch: Some(BatchScope { index: row.index.into(), count: total.into(), items: row.items.clone() }),
        repeat: None,
        workflow: WorkflowScope { id, attempt },
    }
}

fn invalid(name: &str, errors: &[crate::definition::FieldError]) -> JobError {
    let fields: Vec<String> =
        errors.iter().take(5).map(|error| format!("{}: {}", error.pointer, error.message)).collect();
    JobError::permanent("invalid_params", format!("the parameters do not fit workflow {name}: {}", fields.join("; ")))
}
