//! Pause: nothing new of a job is begun until it is resumed. What runs goes on to its end and is counted.
//!
//! A pause is carried down: every job below that has not begun, and every workflow, is paused with it. So a job knows by
//! itself whether it may begin, and whoever reads its row does, too. No sub-job is made while its workflow is paused.

use chrono::TimeDelta;
use drover_protocol::{JobId, JobStatus, RunningJob};
use serde_json::Value;

use super::{
    Fold, Seen,
    report::{paused, step_begins},
};
use crate::{Command, Ignored, Job, Next, Outcome, PauseReason, Paused, Refusal, Trigger, transition::next};

impl Fold<'_> {
    /// Somebody asks that nothing of the job be begun.
    pub(super) fn pause(&mut self, id: JobId) -> Outcome {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        let status = job.status;
        if next(status, Trigger::Pause) == Next::Illegal {
            return Outcome::Illegal(Refusal::Transition { status, trigger: Trigger::Pause });
        }
        let at_work = !job.is_ours() && status == JobStatus::Running;
        match &mut job.paused {
            Some(paused) if paused.reason == PauseReason::Asked => return Outcome::Ignored(Ignored::Repeat),
            _ if at_work => return Outcome::Illegal(Refusal::AtWork),
            // It was paused with its workflow, or had just been resumed. From now on it stays so when that goes on.
            Some(paused) => paused.reason = PauseReason::Asked,
            None => self.hold(id, PauseReason::Asked),
        }
        self.touch(id);
        self.record(id, "paused", Value::Null);
        Outcome::Applied
    }

    /// Somebody asks that the job go on.
    pub(super) fn resume(&mut self, id: JobId) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        let (status, reason) = (job.status, job.paused.as_ref().map(|paused| paused.reason));
        match (next(status, Trigger::Resume), reason) {
            (Next::Illegal, _) => {
                return Outcome::Illegal(Refusal::Transition { status, trigger: Trigger::Resume });
            }
            (_, None | Some(PauseReason::Settling)) => return Outcome::Ignored(Ignored::Repeat),
            (_, Some(PauseReason::Parent)) => {
                return Outcome::Illegal(Refusal::PausedAbove { workflow: self.paused_by(job) });
            }
            (_, Some(PauseReason::Asked)) => {}
        }
        self.record(id, "resumed", Value::Null);
        match self.pause_above(id) {
            // It goes on with the workflow above it.
            Some(_) => {
                if let Some(paused) = self.tree.jobs.get_mut(&id).and_then(|job| job.paused.as_mut()) {
                    paused.reason = PauseReason::Parent;
                }
                self.touch(id);
            }
            None => self.lift(id, false),
        }
        Outcome::Applied
    }

    /// What a job that is to wait inherits from the workflow above it.
    pub(super) fn pause_above(&self, id: JobId) -> Option<Paused> {
        let parent = self.tree.get(id)?.parent?;
        self.tree.get(parent.id)?.paused.as_ref()?;
        Some(Paused { at: self.now, reason: PauseReason::Parent, time_left_ms: None })
    }

    /// The workflow that somebody paused, and this job with it.
    fn paused_by(&self, job: &Job) -> JobId {
        let above = |job: &&Job| job.parent.and_then(|parent| self.tree.get(parent.id));
        let asked = |job: &&Job| job.paused.as_ref().is_some_and(|paused| paused.reason == PauseReason::Asked);
        std::iter::successors(Some(job), above).find(asked).map_or(job.root_id, |job| job.id)
    }

    /// Pauses a job that may be, and what is below it.
    fn hold(&mut self, id: JobId, reason: PauseReason) {
        let now = self.now;
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        let seen = Seen::of(job);
        let mut time_left_ms = None;
        if job.is_ours() {
            let time_left = job.timeout_at.take().map(|timeout_at| timeout_at - now);
            time_left_ms = time_left.map(|time_left| u64::try_from(time_left.num_milliseconds()).unwrap_or(0));
        }
        job.paused = Some(Paused { at: now, reason, time_left_ms });
        if job.workflow.is_none() && job.is_published() {
            let withdrawn = RunningJob { job_id: id, dispatch: job.dispatch };
            self.effects.push(Command::Withdraw(withdrawn));
            self.record(id, "withdrawn", Value::Null);
        }
        for child in self.unfinished_children(id) {
            let goes_on = |job: &Job| job.paused.as_ref().is_none_or(|paused| paused.reason.is_over());
            if self.tree.get(child).is_some_and(|job| goes_on(job) && may_wait(job)) {
                self.hold(child, PauseReason::Parent);
            }
        }
        if let Some(job) = self.tree.jobs.get_mut(&id)
            && job.workflow.is_some()
        {
            job.message.value = Some(paused(job));
        }
        self.report(id, seen);
    }

    /// The turn of a paused job has come: it waits, as one whose time has come. Whatever was sent of its last dispatch is
    /// over.
    pub(super) fn hold_back(&mut self, id: JobId) {
        let now = self.now;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            (job.due_at, job.timeout_at) = (Some(now), None);
            self.touch(id);
        }
    }

    /// Ends a job's pause, and that of what was paused with it. `all`: also of what was paused by itself.
    fn lift(&mut self, id: JobId, all: bool) {
        let now = self.now;
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        let seen = Seen::of(job);
        let Some(paused) = job.paused.take() else { return };
        if job.workflow.is_none() && job.status == JobStatus::Pending && job.is_published() {
            // Who has begun it before they heard of the pause may not have been heard yet.
            job.paused = Some(Paused { reason: PauseReason::Settling, ..paused });
            self.touch(id);
            self.report(id, seen);
            return;
        }
        if let Some(time_left_ms) = paused.time_left_ms {
            let time_left = TimeDelta::milliseconds(i64::try_from(time_left_ms).unwrap_or(i64::MAX));
            job.timeout_at = now.checked_add_signed(time_left);
        }
        if let Some(workflow) = &job.workflow {
            let step = workflow.current().map(|(step, _)| step_begins(workflow, workflow.state.current, step));
            job.message.value = step.filter(|_| job.status == JobStatus::Running);
        }
        let waits = job.status != JobStatus::Pending || job.due_at.is_some_and(|due_at| due_at > now);
        if !waits {
            self.take_turn(id);
        }
        for child in self.unfinished_children(id) {
            let reason = self.tree.get(child).and_then(|job| job.paused.as_ref()).map(|paused| paused.reason);
            if reason.is_some_and(|reason| all || reason == PauseReason::Parent) {
                self.lift(child, all);
            }
        }
        self.touched.insert(id);
        self.report(id, seen);
    }

    /// Nobody has begun the withdrawn dispatch of a resumed job, and nobody will.
    pub(super) fn go_on(&mut self, id: JobId) -> Outcome {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        let seen = Seen::of(job);
        job.paused = None;
        self.take_turn(id);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Ends every pause below a workflow that is being cancelled: what its clean-up began goes on.
    pub(super) fn lift_below(&mut self, id: JobId) {
        for child in self.unfinished_children(id) {
            match self.tree.get(child) {
                Some(job) if job.paused.is_some() => self.lift(child, true),
                _ => self.lift_below(child),
            }
        }
    }
}

/// Whether a pause of the workflow above holds the job back: what a worker runs, or what is being cancelled, goes on.
fn may_wait(job: &Job) -> bool {
    match job.status {
        JobStatus::Pending => true,
        JobStatus::Running => job.is_ours(),
        _ => false,
    }
}
