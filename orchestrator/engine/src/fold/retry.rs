//! A user's retry: from the first step that did not complete, with the results of those that did.

use drover_protocol::{JobId, JobStatus, StepStatus};
use serde_json::{Value, json};

use super::{Fold, report::raise_bar};
use crate::{
    Ignored, Job, Next, Outcome, Parent, Progress, Refusal, Stamped, StepState, Trigger, transition::next,
    workflow::WorkflowState,
};

impl Fold<'_> {
    /// A user retries an ended job.
    pub(super) fn retry(&mut self, id: JobId, from_start: bool) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if let Next::Illegal = next(job.status, Trigger::Retry) {
            return Outcome::Illegal(Refusal::Transition { status: job.status, trigger: Trigger::Retry });
        }
        match job.parent.map(|parent| (parent.id, self.waits_for(parent))) {
            None | Some((_, Waits::Now)) => {
                self.held.remove(&id);
                self.start_again(id, Trigger::Retry, from_start, None)
            }
            Some((_, Waits::Later)) => Outcome::Ignored(Ignored::Repeat),
            Some((parent, Waits::No)) => Outcome::Illegal(Refusal::ParentPast { parent }),
        }
    }

    /// Starts an ended job again: by a user's retry of itself, or of the workflow above it.
    pub(super) fn start_again(
        &mut self,
        id: JobId,
        trigger: Trigger,
        from_start: bool,
        params: Option<Value>,
    ) -> Outcome {
        let seen = self.see(id);
        if let Err(outcome) = self.renew(id, trigger, params) {
            return outcome;
        }
        self.record(id, "retried", json!({ "from_start": from_start }));
        if self.tree.get(id).is_some_and(|job| job.workflow.is_some()) {
            self.rewind(id, from_start);
        }
        self.begin(id);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Makes a new run of an ended job, which has not begun.
    pub(super) fn renew(&mut self, id: JobId, trigger: Trigger, params: Option<Value>) -> Result<(), Outcome> {
        self.transit(id, trigger)?;
        let held = self.held.remove(&id);
        let Some(job) = self.tree.jobs.get_mut(&id) else { return Err(Outcome::Ignored(Ignored::UnknownJob)) };
        // A worker may end a job before it hears that it is paused: the next run is held back.
        job.paused = held.or_else(|| job.paused.take());
        job.run += 1;
        job.attempt += 1;
        clear(job);
        if params.is_some() {
            job.params = params;
        }
        Ok(())
    }

    /// Puts a workflow back to its first step that did not complete, or to its first.
    pub(super) fn rewind(&mut self, id: JobId, from_start: bool) {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        let Some(workflow) = job.workflow.as_mut() else { return };
        let regular = workflow.definition.steps.len();
        let state = &mut workflow.state;
        state.ending = None;
        let first = if from_start { 0 } else { first_incomplete(state, regular) };
        state.current = first;
        for (index, step) in state.steps.iter_mut().enumerate().skip(first) {
            *step = if index == first && !from_start { resumed(step) } else { afresh(step) };
        }
        raise_bar(job);
        self.touch(id);
    }

    /// Whether a workflow that is under way waits for this ended sub-job, were it to go on.
    fn waits_for(&self, parent: Parent) -> Waits {
        let Some(job) = self.tree.get(parent.id) else { return Waits::No };
        let Some(workflow) = job.workflow.as_ref() else { return Waits::No };
        let Some(step) = workflow.state.steps.get(parent.step) else { return Waits::No };
        let ending = workflow.state.ending.is_some() && !workflow.in_cleanup();
        if job.status != JobStatus::Running || step.status != StepStatus::Running || step.stopped || ending {
            return Waits::No;
        }
        match parent.batch {
            // What an earlier run made of a batch whose turn has not come in this one.
            Some(batch) if step.total.is_none_or(|total| batch >= total) => Waits::No,
            Some(batch) if batch >= step.cursor => Waits::Later,
            _ => Waits::Now,
        }
    }
}

/// Whether a workflow waits for a sub-job that is to be retried.
enum Waits {
    /// It is past it, or ending.
    No,
    /// It will begin it again by itself.
    Later,
    /// It runs others of the same step.
    Now,
}

/// What the new run must not inherit.
fn clear(job: &mut Job) {
    (job.failures, job.losses) = (0, 0);
    (job.error, job.error_count, job.cancel) = (None, 0, None);
    (job.started_at, job.finished_at, job.timeout_at, job.due_at) = (None, None, None, None);
    job.result = None;
    job.progress = Progress::ZERO;
    (job.message, job.processed, job.total) = (Stamped::default(), Stamped::default(), Stamped::default());
}

fn first_incomplete(state: &WorkflowState, regular: usize) -> usize {
    // A step that its own condition skipped says so; one that was skipped because the workflow ended early has its turn.
    let complete = |step: &StepState| match step.status {
        StepStatus::Completed => true,
        StepStatus::Skipped => step.error.is_some(),
        _ => false,
    };
    let steps = state.steps.get(..regular).unwrap_or(&state.steps);
    steps.iter().position(|step| !complete(step)).unwrap_or_else(|| state.current.min(regular))
}

/// The step goes on: sub-jobs that completed count, the others are begun again.
fn resumed(step: &StepState) -> StepState {
    if step.job_id.is_some() {
        // A single sub-job is counted when it is started again. A round that did not complete goes on; where all were spent they
        // are counted anew.
        let completed = matches!(step.outcome, Some(JobStatus::Completed | JobStatus::CompletedWithErrors));
        let rounds = if completed { 0 } else { step.rounds };
        return StepState { resume: true, rounds, ..afresh(step) };
    }
    if step.total.is_none() {
        return afresh(step);
    }
    let full = i64::from(Progress::FULL.hundredths());
    let mut resumed = StepState {
        total: step.total,
        done: step.done,
        with_errors: step.with_errors,
        error_count: step.done_errors,
        done_errors: step.done_errors,
        progress_sum: i64::from(step.done) * full,
        totals: step.totals.clone(),
        resume: true,
        redo_from: Some(step.redo_from().max(step.cursor)).filter(|from| step.total.is_some_and(|total| *from < total)),
        ..StepState::default()
    };
    resumed.raise_progress(None);
    resumed
}

/// The step begins from nothing; its sub-job's row is used again.
fn afresh(step: &StepState) -> StepState {
    StepState { job_id: step.job_id, ..StepState::default() }
}
