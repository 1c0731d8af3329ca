//! A workflow goes on: ends a step, begins the next, ends itself. What expressions read was asked for in `plan`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use drover_protocol::{JobError, JobId, JobStatus, StepStatus};
use serde_json::{Value, json};

use super::{
    Fold,
    defer::waits_for_its_time,
    event::errors_of_stop,
    repeat::Round,
    report::{raise_bar, step_begins},
    scope::{expression_error, results_of},
    verdict::{finish_if, on_failure, skipped, summary, verdict},
};
use crate::{
    Command, StepState, Trigger, Workflow,
    definition::{Step, Work},
    expression::References,
    workflow::Ending,
};

/// What was read for a workflow's expressions.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The workflow's own `params`.
    pub params: Arc<Value>,
    /// Results of the steps that were asked for, by key: a sub-job's, or the list of a fan-out's batch results.
    pub results: BTreeMap<String, Arc<Value>>,
}

/// Whether the workflow goes on at once or waits for something.
pub(super) enum Go {
    On,
    Wait,
}

impl Fold<'_> {
    /// What a touched workflow needs next.
    pub(super) fn need(&self, id: JobId) -> Option<Command> {
        let job = self.tree.get(id)?;
        let workflow = job.workflow.as_ref()?;
        if !matches!(job.status, JobStatus::Running | JobStatus::Cancelling) || waits_for_its_time(job) {
            return None;
        }
        let Some((definition, step)) = workflow.current() else {
            return Some(advance(id, results_of(workflow, &workflow.summary_references())));
        };
        let paused = job.paused.is_some();
        match step.status {
            StepStatus::Running if paused && !step.is_settled() => None,
            StepStatus::Pending if paused && !workflow.skips() => None,
            StepStatus::Running if !step.is_settled() => {
                let fan_out = definition.for_each.as_ref()?;
                let count = step.room(fan_out.max_parallel);
                (count > 0).then(|| Command::Window {
                    workflow: id,
                    step: workflow.state.current,
                    cursor: step.cursor,
                    count,
                    redo_from: step.redo_from(),
                })
            }
            StepStatus::Pending if self.lacks_sub_job(step) => load(id, step),
            StepStatus::Running if definition.repeat.is_some() && self.lacks_sub_job(step) => load(id, step),
            _ => Some(advance(id, self.wanted(workflow))),
        }
    }

    /// Whether the sub-job that an earlier run or round made for a step is yet to be read. That it is in the tree says nothing where
    /// nothing was done to it: an input that is ignored may have brought it, and a replay knows nothing of that.
    fn lacks_sub_job(&self, step: &StepState) -> bool {
        step.job_id.is_some_and(|child| !self.fetched.contains(&child) && !self.tree.changed.contains(&child))
    }

    /// Results that the end of this step and the beginning of the next are likely to read.
    fn wanted(&self, workflow: &Workflow) -> BTreeSet<String> {
        let mut references = References::default();
        let index = workflow.state.current;
        for (offset, index) in [index, index + 1].into_iter().enumerate() {
            let Some(step) = (index < workflow.end()).then(|| workflow.step(index)).flatten() else {
                references.merge(&workflow.summary_references());
                break;
            };
            let begins =
                offset == 1 || workflow.state.steps.get(index).is_some_and(|s| s.status == StepStatus::Pending);
            if begins {
                references.merge(&step.start_references);
                references.merge(&step.params_references);
                if step.work == Work::Milestone {
                    // It ends where it begins.
                    references.merge(&step.finish_references);
                }
            } else {
                references.merge(&step.finish_references);
            }
        }
        results_of(workflow, &references)
    }

    /// Takes a workflow as far as it gets with what was read for it.
    pub fn advance(&mut self, id: JobId, facts: &Facts) {
        while let Go::On = self.advance_once(id, facts) {}
        let seen = self.see(id);
        self.touch(id);
        if let Some(job) = self.tree.jobs.get_mut(&id).filter(|job| !job.is_terminal()) {
            raise_bar(job);
            // What moved without a sub-job: a step that was skipped, the name of the next one.
            self.report(id, seen);
        }
    }

    fn advance_once(&mut self, id: JobId, facts: &Facts) -> Go {
        let Some(job) = self.tree.get(id) else { return Go::Wait };
        if !matches!(job.status, JobStatus::Running | JobStatus::Cancelling) || waits_for_its_time(job) {
            return Go::Wait;
        }
        let Some(workflow) = job.workflow.as_ref() else { return Go::Wait };
        let index = workflow.state.current;
        let Some((step, state)) = workflow.current() else {
            return self.end(id, facts);
        };
        let step = step.clone();
        match state.status {
            StepStatus::Pending if workflow.skips() => self.close(id, index, StepStatus::Skipped, None),
            StepStatus::Pending if job.paused.is_some() => Go::Wait,
            StepStatus::Pending if self.is_spent(id) => self.defer(id),
            StepStatus::Pending if self.lacks_sub_job(state) => self.ask_again(id),
            StepStatus::Pending => self.begin_step(id, index, &step, facts),
            StepStatus::Running if state.is_settled() => self.end_step(id, index, &step, facts),
            StepStatus::Running => Go::Wait,
            _ => self.turn(id, index + 1),
        }
    }

    fn begin_step(&mut self, id: JobId, index: usize, step: &Step, facts: &Facts) -> Go {
        let mut references = step.start_references.clone();
        references.merge(&step.params_references);
        let Some(mut scope) = self.scope(id, facts, &references) else { return self.ask_again(id) };
        scope.repeat = self.repeat_scope(id, index, step);
        match step.condition.as_ref().map(|condition| condition.eval_bool(&scope)) {
            Some(Ok(false)) => {
                let why = format!("its condition was false: {}", source(step));
                return self.close(id, index, StepStatus::Skipped, Some(skipped(why)));
            }
            Some(Err(error)) => {
                self.mark_begun(id, index, step);
                return self.step_failed(id, index, step, expression_error(&error));
            }
            Some(Ok(true)) | None => self.mark_begun(id, index, step),
        }
        let outcome = match &step.for_each {
            Some(fan_out) => self.begin_fan_out(id, index, step, fan_out, &scope),
            None if step.work == Work::Milestone => {
                // It has no sub-job, and none to wait for.
                if let Some(state) = self.step_mut(id, index) {
                    state.total = Some(0);
                }
                Ok(())
            }
            None => step
                .params
                .eval(&scope)
                .map_err(|error| expression_error(&error))
                .and_then(|params| self.spawn_single(id, index, step, params)),
        };
        match outcome {
            Ok(()) => Go::On,
            Err(error) => self.step_failed(id, index, step, error),
        }
    }

    fn mark_begun(&mut self, id: JobId, index: usize, step: &Step) {
        let now = self.now;
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        let Some(workflow) = job.workflow.as_mut() else { return };
        if let Some(state) = workflow.state.steps.get_mut(index) {
            state.status = StepStatus::Running;
            state.started_at = Some(now);
        }
        job.message.value = Some(step_begins(workflow, index, step));
    }

    /// Every sub-job of the step has ended: what that means for the step and for the workflow.
    fn end_step(&mut self, id: JobId, index: usize, step: &Step, facts: &Facts) -> Go {
        let Some(scope) = self.scope(id, facts, &step.finish_references) else { return self.ask_again(id) };
        let Some(job) = self.tree.get(id) else { return Go::Wait };
        let cancelling = job.status == JobStatus::Cancelling;
        let Some(state) = job.workflow.as_ref().and_then(|workflow| workflow.state.steps.get(index)) else {
            return Go::Wait;
        };
        let (status, error) = verdict(step, state, cancelling);
        let completed = matches!(status, StepStatus::Completed | StepStatus::CompletedWithErrors | StepStatus::Skipped);
        if let Some(repeat) = step.repeat.as_ref().filter(|_| completed) {
            match self.round_ended(id, index, step, repeat, self.with_own(scope.clone(), id, index, status)) {
                Ok(Round::Last) => {}
                Ok(Round::Next) => return Go::On,
                Ok(Round::Cut) => return self.close(id, index, StepStatus::Cancelled, None),
                Err(error) => return self.step_failed(id, index, step, error),
            }
        }
        let ending = match status {
            StepStatus::Failed => on_failure(step, error.as_ref()),
            StepStatus::Completed | StepStatus::CompletedWithErrors => {
                match finish_if(step, &self.with_own(scope, id, index, status)) {
                    Ok(ending) => ending,
                    Err(error) => return self.step_failed(id, index, step, error),
                }
            }
            // As after a false `if`: what would be looked at may not be there.
            _ => None,
        };
        self.set_ending(id, ending);
        self.close(id, index, status, error)
    }

    /// A step that could not begin or end as its definition says.
    pub(super) fn step_failed(&mut self, id: JobId, index: usize, step: &Step, error: JobError) -> Go {
        if let Some(state) = self.step_mut(id, index) {
            state.error_count += 1;
            state.stopped = true;
        }
        self.set_ending(id, on_failure(step, Some(&error)));
        self.close(id, index, StepStatus::Failed, Some(error))
    }

    /// Ends a step and goes on to the next.
    fn close(&mut self, id: JobId, index: usize, status: StepStatus, error: Option<JobError>) -> Go {
        let now = self.now;
        if let Some(state) = self.step_mut(id, index) {
            state.status = status;
            state.finished_at = state.started_at.map(|_| now);
            state.error = error.clone();
            state.running.clear();
            state.resting.clear();
            // What was skipped after it had begun has moved its bar, which does not go back.
            let skipped = status == StepStatus::Skipped && state.started_at.is_some();
            if skipped || matches!(status, StepStatus::Completed | StepStatus::CompletedWithErrors) {
                state.progress = crate::Progress::FULL;
            }
        }
        self.record(id, "step_ended", json!({ "step": index, "status": status, "error": error }));
        self.turn(id, index + 1)
    }

    fn turn(&mut self, id: JobId, next: usize) -> Go {
        if let Some(workflow) = self.tree.jobs.get_mut(&id).and_then(|job| job.workflow.as_mut()) {
            workflow.state.current = next;
        }
        Go::On
    }

    fn set_ending(&mut self, id: JobId, ending: Option<Ending>) {
        let Some(workflow) = self.tree.jobs.get_mut(&id).and_then(|job| job.workflow.as_mut()) else { return };
        // What ends it first decides; a failing clean-up step does not change why the workflow ends.
        if workflow.state.ending.is_none() {
            workflow.state.ending = ending;
        }
    }

    /// No step is left: the workflow ends, and tells its own workflow.
    fn end(&mut self, id: JobId, facts: &Facts) -> Go {
        let Some(workflow) = self.tree.get(id).and_then(|job| job.workflow.clone()) else { return Go::Wait };
        let Some(scope) = self.scope(id, facts, &workflow.summary_references()) else { return self.ask_again(id) };
        let errors = workflow.error_count();
        let summary = summary(&workflow, &scope, errors);
        let seen = self.see(id);
        let (trigger, message) = match &workflow.state.ending {
            Some(Ending::Cancel) => (Trigger::Stop, Some("Cancelled".to_owned())),
            Some(Ending::Fail { error }) => {
                if let Some(job) = self.tree.jobs.get_mut(&id) {
                    job.message.value = Some(format!("Failed: {}", error.message));
                }
                self.fail_with(id, error.clone(), errors);
                self.assemble_if_ended(id, summary);
                return Go::Wait;
            }
            Some(Ending::Early { message, .. }) if !workflow.has_errors() => (Trigger::Complete, Some(message.clone())),
            Some(Ending::Early { message, .. }) => (Trigger::CompleteWithErrors, Some(message.clone())),
            Some(Ending::Finish) | None if workflow.has_errors() => {
                (Trigger::CompleteWithErrors, Some(format!("Completed with {errors} errors")))
            }
            Some(Ending::Finish) | None => (Trigger::Complete, None),
        };
        if self.transit(id, trigger).is_err() {
            return Go::Wait;
        }
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.message.value = Some(message.unwrap_or_else(|| "Completed".into()));
            if trigger == Trigger::Stop {
                job.error_count = errors.max(errors_of_stop(job));
            } else {
                // That of an attempt before, or of a worker that was lost.
                (job.error_count, job.error) = (errors, None);
            }
        }
        self.record(id, kind_of(trigger), Value::Null);
        self.assemble_if_ended(id, summary);
        self.report(id, seen);
        Go::Wait
    }

    fn assemble_if_ended(&mut self, id: JobId, summary: Value) {
        if self.tree.get(id).is_some_and(crate::Job::is_terminal) {
            self.requests.push(Command::Assemble { workflow: id, summary });
        }
    }

    /// It needs what was not read: that is asked for in the next round.
    fn ask_again(&mut self, id: JobId) -> Go {
        self.touched.insert(id);
        Go::Wait
    }

    pub(super) fn step_mut(&mut self, id: JobId, index: usize) -> Option<&mut StepState> {
        self.tree.jobs.get_mut(&id)?.workflow.as_mut()?.state.steps.get_mut(index)
    }
}

fn load(workflow: JobId, step: &StepState) -> Option<Command> {
    Some(Command::Load { workflow, jobs: step.job_id.into_iter().collect() })
}

const fn advance(workflow: JobId, results: BTreeSet<String>) -> Command {
    Command::Advance { workflow, results }
}

fn source(step: &Step) -> &str {
    step.condition.as_ref().map_or("", |condition| condition.source())
}

const fn kind_of(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Complete => "completed",
        Trigger::CompleteWithErrors => "completed_with_errors",
        Trigger::Stop => "cancelled",
        _ => "failed",
    }
}
