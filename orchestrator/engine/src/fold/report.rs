//! From a sub-job up into its workflow: counters, bar, message. The one writer of a workflow's metadata.

use drover_protocol::{JobId, JobStatus, StepStatus};

use super::{Fold, Seen};
use crate::{Job, Progress, definition::Step, workflow::Ending};

/// What of a sub-job its workflow takes note of.
struct Note {
    id: JobId,
    step: usize,
    batch: u32,
    status: JobStatus,
    /// Whether somebody is at it, which a cancelled job in a queue is not.
    at_work: bool,
    /// Whether it is paused and nothing of it runs.
    resting: bool,
    progress: Progress,
    error_count: u64,
    message: Option<String>,
    /// Why there was nothing to do, if it completed and said so.
    skipped: Option<String>,
}

impl Fold<'_> {
    /// Marks a job changed and carries the change up through every workflow above it.
    pub(super) fn report(&mut self, id: JobId, seen: Seen) {
        self.touch(id);
        let Some(job) = self.tree.get(id) else { return };
        let Some(parent) = job.parent else { return };
        let note = Note {
            id,
            step: parent.step,
            batch: parent.batch.unwrap_or(0),
            status: job.status,
            at_work: is_at_work(job),
            resting: is_resting(job),
            progress: job.progress,
            error_count: job.error_count,
            message: job.message.value.clone(),
            skipped: nothing_to_do(job),
        };
        let completed = matches!(job.status, JobStatus::Completed | JobStatus::CompletedWithErrors) && !seen.terminal();
        let result = if completed { job.result.clone() } else { None };
        let error = job.error.clone();
        let above = self.see(parent.id);
        let Some(workflow_job) = self.tree.jobs.get_mut(&parent.id) else { return };
        if workflow_job.is_terminal() {
            return;
        }
        let Some(workflow) = workflow_job.workflow.as_mut() else { return };
        let definition = std::sync::Arc::clone(&workflow.definition);
        let Some(step_definition) = step_of(&definition, note.step) else { return };
        let Some(step) = workflow.state.steps.get_mut(note.step) else { return };

        step.progress_sum += i64::from(note.progress.hundredths()) - i64::from(seen.progress.hundredths());
        if note.at_work {
            step.running.insert(note.batch, (note.id, note.progress));
        } else {
            step.running.remove(&note.batch);
        }
        if note.resting {
            step.resting.insert(note.batch);
        } else {
            step.resting.remove(&note.batch);
        }
        if note.status.is_terminal() && !seen.terminal() {
            step.open = step.open.saturating_sub(1);
            step.count_end(note.status, note.error_count);
            if step_definition.for_each.is_none() {
                step.outcome = Some(note.status);
                step.skipped = note.skipped;
                step.error = error;
            }
            if let Some(result) = &result {
                step.add_totals(result);
            }
            if over_budget(step_definition, step.failed, step.total.unwrap_or(0)) {
                step.stopped = true;
            }
        }
        if let Some(was) = seen.status.filter(|was| was.is_terminal() && !note.status.is_terminal()) {
            // It goes on after a user's retry.
            (step.open, step.outcome, step.skipped) = (step.open + 1, None, None);
            step.uncount_end(was, seen.error_count);
        }
        step.raise_progress(step_definition.repeat.as_ref());
        let active = step.running.first_key_value().map(|(_, (id, _))| *id);
        self.retell(parent.id, step_definition, active == Some(note.id), note.message.as_deref());
        self.touched.insert(parent.id);
        self.report(parent.id, above);
    }

    /// Brings a workflow's bar and message up to date.
    fn retell(&mut self, id: JobId, step: &Step, from_active: bool, message: Option<&str>) {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        raise_bar(job);
        let told = match message {
            _ if job.status == JobStatus::Cancelling => Some(waiting_for(job)),
            _ if job.paused.is_some() => Some(paused(job)),
            Some(message) if from_active => Some(format!("{}: {message}", step.title)),
            _ => None,
        };
        if let Some(told) = told {
            job.message.value = Some(told);
        }
    }
}

/// Why a workflow that completed had nothing to do, if it ended so.
fn nothing_to_do(job: &Job) -> Option<String> {
    match &job.workflow.as_ref()?.state.ending {
        Some(Ending::Early { message, skip: true }) if job.status == JobStatus::Completed => Some(message.clone()),
        _ => None,
    }
}

/// Whether a worker, or for a workflow the orchestrator, is at it.
pub(super) fn is_at_work(job: &Job) -> bool {
    match job.status {
        JobStatus::Running => true,
        JobStatus::Cancelling => job.workflow.is_some() || job.lease.is_some(),
        _ => false,
    }
}

/// Whether it counts as at work, though it is paused and nothing of it runs: a workflow, or what waits for a signal.
pub(super) fn is_resting(job: &Job) -> bool {
    job.paused.is_some()
        && is_at_work(job)
        && (job.is_signal() || job.workflow.as_ref().is_some_and(crate::Workflow::is_quiet))
}

/// The definition of a step by its index in the state.
pub(super) fn step_of(definition: &crate::definition::Definition, index: usize) -> Option<&Step> {
    let regular = definition.steps.len();
    if index < regular { definition.steps.get(index) } else { definition.cleanup.get(index - regular) }
}

/// Lifts a running workflow's bar to where its steps are. It never goes back, and is not full before the end.
pub(super) fn raise_bar(job: &mut Job) {
    if let Some(progress) = job.workflow.as_ref().and_then(crate::Workflow::progress)
        && !job.status.is_terminal()
    {
        job.progress = job.progress.max(progress.min(Progress::ALMOST));
    }
}

/// What a cancel waits for, for people.
pub(super) fn waiting_for(job: &Job) -> String {
    let Some(workflow) = &job.workflow else { return "Cancelling".into() };
    let running = workflow.state.steps.iter().find(|step| step.status == StepStatus::Running);
    match running {
        Some(step) if workflow.in_cleanup() => {
            format!("Cancelling: cleaning up, {} sub-jobs to go", step.open)
        }
        Some(step) if step.open > 0 => {
            let total = step.total.unwrap_or(step.open);
            format!("Cancelling: waiting for {} of {total} sub-jobs", step.open)
        }
        _ => "Cancelling".into(),
    }
}

/// What of a paused workflow still runs, for people.
pub(super) fn paused(job: &Job) -> String {
    let steps = job.workflow.iter().flat_map(|workflow| &workflow.state.steps);
    match steps.map(|step| (step.at_work(), step.total.unwrap_or(0))).find(|(at_work, _)| *at_work > 0) {
        Some((at_work, total)) => format!("Paused: {at_work} of {total} sub-jobs still running"),
        None => "Paused".into(),
    }
}

/// The message of a workflow whose step begins.
pub(super) fn step_begins(workflow: &crate::Workflow, index: usize, step: &Step) -> String {
    let total = workflow.definition.steps.len();
    if index < total {
        format!("Step {}/{total}: {}", index + 1, step.title)
    } else {
        format!("Clean-up: {}", step.title)
    }
}

/// Whether more batches failed than the step tolerates.
pub(super) fn over_budget(step: &Step, failed: u32, total: u32) -> bool {
    step.for_each
        .as_ref()
        .and_then(|fan_out| fan_out.tolerate)
        .is_some_and(|tolerate| !tolerate.allows(u64::from(failed), u64::from(total)))
}
