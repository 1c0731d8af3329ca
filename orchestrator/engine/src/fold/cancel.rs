//! Cancel in three phases: stop dispatching and tell everybody; wait for what still runs, and say so; end.

use std::time::Duration;

use chrono::TimeDelta;
use drover_protocol::{JobError, JobId, JobStatus, RunningJob, StepStatus};
use serde_json::{Value, json};

use super::{Fold, Seen, kept_time, report::waiting_for};
use crate::{Cancel, CancelReason, Command, Ignored, Job, Outcome, Refusal, Trigger, workflow::Ending};

/// The kind of error of what was not waited for.
pub(super) const ABANDONED: &str = "abandoned";
/// Most stragglers that an error names; the others are counted.
const NAMED: usize = 20;

impl Fold<'_> {
    /// Somebody asks for the job's end.
    pub(super) fn cancel(&mut self, id: JobId, now: bool) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        let status = job.status;
        if status.is_terminal() {
            return Outcome::Illegal(Refusal::Transition { status, trigger: Trigger::Cancel });
        }
        if status == JobStatus::Cancelling && !now {
            return Outcome::Ignored(Ignored::Repeat);
        }
        if status != JobStatus::Cancelling {
            self.begin_cancel(id, CancelReason::Asked);
        }
        if now && self.tree.get(id).is_some_and(|job| !job.is_terminal()) {
            self.abandon(id, "it was cancelled without waiting");
        }
        Outcome::Applied
    }

    fn begin_cancel(&mut self, id: JobId, reason: CancelReason) {
        let Some(job) = self.tree.get(id) else { return };
        let (began, dispatch) = (job.started_at.is_some(), job.dispatch);
        if job.is_signal() {
            self.note_cancel(id, reason);
            self.say(id, "It was cancelled before anybody answered.");
            self.stopped(id, "cancelled", Value::Null);
            return;
        }
        match (&job.workflow, job.is_published()) {
            (None, true) => self.cancel_published(id, reason),
            (Some(_), _) => self.cancel_workflow(id, reason, began),
            // Nothing of it is waited for. A copy of the message of an earlier try may lie in a queue all the same.
            (None, false) => {
                self.note_cancel(id, reason);
                if dispatch > 0 {
                    self.effects.push(Command::Tombstone(RunningJob { job_id: id, dispatch }));
                }
                self.stopped(id, "cancelled", Value::Null);
            }
        }
    }

    /// A message of it lies in a queue, or a worker runs it: both are told, and it is waited for.
    fn cancel_published(&mut self, id: JobId, reason: CancelReason) {
        let seen = self.see(id);
        if self.transit(id, Trigger::Cancel).is_err() {
            return;
        }
        self.note_cancel(id, reason);
        let deadline = (reason == CancelReason::Asked).then(|| after(self.now, self.limits.cancel_timeout));
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.timeout_at = deadline.flatten();
            let dispatch = job.dispatch;
            self.effects.push(Command::Tombstone(RunningJob { job_id: id, dispatch }));
        }
        self.record(id, "cancelling", Value::Null);
        self.report(id, seen);
    }

    fn cancel_workflow(&mut self, id: JobId, reason: CancelReason, began: bool) {
        let seen = self.see(id);
        if self.transit(id, Trigger::Cancel).is_err() {
            return;
        }
        self.note_cancel(id, reason);
        if !began && let Some(workflow) = self.tree.jobs.get_mut(&id).and_then(|job| job.workflow.as_mut()) {
            workflow.skip_all();
        }
        // A workflow that is cancelled by the one above it is abandoned by that one, too, so that one list names all.
        let waits = reason == CancelReason::Asked;
        self.end_early(id, Ending::Cancel, waits);
        self.lift_below(id);
        self.record(id, "cancelling", Value::Null);
        self.tell_waiting(id);
        self.report(id, seen);
    }

    /// Begins no more steps or batches, and cancels what is unfinished of the current step. Clean-up that runs goes on.
    fn end_early(&mut self, id: JobId, ending: Ending, waits: bool) {
        let deadline = if waits { after(self.now, self.limits.cancel_timeout) } else { None };
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        (job.timeout_at, job.due_at) = (deadline, None);
        let Some(workflow) = job.workflow.as_mut() else { return };
        let cleaning = workflow.in_cleanup();
        if let Some(Ending::Fail { error }) = workflow.state.ending.replace(ending) {
            // It was failing when the cancel came: what went wrong is still worth knowing.
            job.error = Some(error);
        }
        if !cleaning {
            if let Some(step) = workflow.state.steps.get_mut(workflow.state.current) {
                step.stopped = true;
            }
            for child in self.unfinished_children(id) {
                self.begin_cancel(child, CancelReason::Parent);
            }
        }
        self.touched.insert(id);
    }

    /// The job's time is up: the attempt's, or while it is being cancelled the cancel's.
    pub(super) fn timed_out(&mut self, id: JobId, timeout_at: chrono::DateTime<chrono::Utc>) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if job.timeout_at != Some(timeout_at) || job.is_terminal() {
            return Outcome::Ignored(Ignored::Repeat);
        }
        let failing = job.workflow.as_ref().is_some_and(|workflow| workflow.state.ending.is_some());
        if job.status == JobStatus::Cancelling || failing {
            self.abandon(id, "it did not stop in time");
            return Outcome::Applied;
        }
        let allowed = Duration::from_millis(job.policy.timeout_ms.unwrap_or_default());
        let error = JobError::retryable("timeout", format!("it took longer than its timeout of {allowed:?}"));
        if job.workflow.is_some() {
            let seen = Seen::of(job);
            self.record(id, "timed_out", Value::Null);
            self.end_early(id, Ending::Fail { error }, true);
            self.report(id, seen);
            return Outcome::Applied;
        }
        if job.is_signal() {
            return self.unanswered(id, allowed);
        }
        // Its worker should have stopped it and said so; whatever it says later is of an old dispatch.
        let dispatch = job.dispatch;
        self.effects.push(Command::Tombstone(RunningJob { job_id: id, dispatch }));
        self.fail(id, error)
    }

    /// No worker started the cancelled dispatch, and none will.
    pub(super) fn never_started(&mut self, id: JobId, dispatch: u32) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if job.dispatch != dispatch || job.lease.is_some() {
            return Outcome::Ignored(Ignored::Repeat);
        }
        let resumed = job.paused.as_ref().is_some_and(|paused| paused.reason.is_over());
        if job.status == JobStatus::Pending && resumed {
            return self.go_on(id);
        }
        if job.status != JobStatus::Cancelling {
            return Outcome::Ignored(Ignored::Repeat);
        }
        self.stopped(id, "cancelled", json!({ "never_started": true }))
    }

    /// Waits no longer: what is unfinished below is written off, by name.
    fn abandon(&mut self, id: JobId, why: &str) {
        let leaves = self.unfinished_leaves(id);
        let left = leaves.iter().filter_map(|leaf| self.tree.get(*leaf)).filter(|job| !job.is_signal());
        let names: Vec<String> = left.map(name_of).collect();
        for leaf in &leaves {
            let Some(job) = self.tree.jobs.get_mut(leaf) else { continue };
            if job.is_signal() {
                self.begin_cancel(*leaf, CancelReason::Parent);
                continue;
            }
            job.error = Some(JobError::permanent(ABANDONED, format!("{why}; it may still run on its worker")));
            let tombstone = RunningJob { job_id: *leaf, dispatch: job.dispatch };
            self.effects.push(Command::Tombstone(tombstone));
            self.stopped(*leaf, "abandoned", Value::Null);
        }
        self.begin_no_more_batches(id);
        let deadline = after(self.now, self.limits.cancel_timeout);
        if let Some(job) = self.tree.jobs.get_mut(&id)
            && let Some(workflow) = job.workflow.as_mut()
            && !job.status.is_terminal()
        {
            // Clean-up has its own time; it is abandoned in its turn.
            job.timeout_at = deadline;
            if !names.is_empty() {
                let message = abandoned_message(&names, why);
                match &mut workflow.state.ending {
                    Some(Ending::Fail { error }) => error.message = format!("{}; {message}", error.message),
                    _ => job.error = Some(JobError::permanent(ABANDONED, message)),
                }
            }
            self.touched.insert(id);
            self.touch(id);
        }
    }

    /// Stops the fan-outs of a workflow and of those below it, be they clean-up: the next batch would be waited for.
    fn begin_no_more_batches(&mut self, id: JobId) {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        let Some(workflow) = job.workflow.as_mut() else { return };
        let current = workflow.state.current;
        if let Some(step) = workflow.state.steps.get_mut(current).filter(|step| step.status == StepStatus::Running) {
            step.stopped = true;
        }
        self.touched.insert(id);
        self.touch(id);
        for child in self.unfinished_children(id) {
            self.begin_no_more_batches(child);
        }
    }

    fn note_cancel(&mut self, id: JobId, reason: CancelReason) {
        let at = self.now;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.cancel = Some(Cancel { at, reason });
        }
    }

    fn tell_waiting(&mut self, id: JobId) {
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.message.value = Some(waiting_for(job));
        }
    }

    pub(super) fn unfinished_children(&self, id: JobId) -> Vec<JobId> {
        let unfinished = self.tree.children(id).filter(|job| !job.is_terminal());
        let mut children: Vec<JobId> = unfinished.map(|job| job.id).collect();
        children.sort_unstable();
        children
    }

    pub(super) fn unfinished_leaves(&self, id: JobId) -> Vec<JobId> {
        match self.tree.get(id) {
            Some(job) if job.workflow.is_some() => {
                self.unfinished_children(id).into_iter().flat_map(|child| self.unfinished_leaves(child)).collect()
            }
            Some(job) if !job.is_terminal() => vec![id],
            _ => Vec::new(),
        }
    }
}

pub(super) fn after(now: chrono::DateTime<chrono::Utc>, wait: Duration) -> Option<chrono::DateTime<chrono::Utc>> {
    now.checked_add_signed(TimeDelta::from_std(wait).ok()?).map(kept_time)
}

fn name_of(job: &Job) -> String {
    let batch = job.parent.and_then(|parent| parent.batch).map(|batch| format!(" batch {batch}")).unwrap_or_default();
    let worker = job.lease.map(|session| format!(" on worker {session}")).unwrap_or_default();
    format!("{}{batch} {}{worker}", job.job_type, job.id)
}

fn abandoned_message(names: &[String], why: &str) -> String {
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => format!("abandoned ({why}): {named}"),
        more => format!("abandoned ({why}): {named} and {more} more"),
    }
}
