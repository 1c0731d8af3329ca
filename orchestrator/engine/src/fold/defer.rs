//! What ends where it begins, such as batches whose workflow has nothing to do, asks for the next at once. So that no transaction
//! grows with it, a tree for which much was done in one fold goes on in another.
//!
//! A replay comes to the same: what is counted of a tree depends on that tree alone, and only an input that is kept, `Due`, lets
//! a deferred workflow go on.

use std::collections::BTreeSet;

use drover_protocol::{JobId, JobStatus, StepStatus};

use super::{Fold, advance::Go};
use crate::{Command, Job, StepState, Workflow};

/// What a round of questions counts beside its questions: it is a trip to the database.
const ROUND: u32 = 20;

/// More rounds than any fold can need, whatever its definitions: a bug must not spin in a transaction.
pub const MAX_ROUNDS: usize = 2_000;

impl Fold<'_> {
    /// Whether enough was done for the job's tree in this fold before this round: in the first one, everything moves on.
    pub(super) fn is_spent(&self, id: JobId) -> bool {
        self.tree.get(id).is_some_and(|job| self.spent.contains(&job.root_id))
    }

    /// A round begins.
    pub(super) fn note_spent(&mut self) {
        let spent = self.done.iter().filter(|(_, done)| **done >= self.limits.effort);
        self.spent = spent.map(|(root_id, _)| *root_id).collect();
    }

    /// The workflow goes on as soon as its time has come, which it has.
    pub(super) fn defer(&mut self, id: JobId) -> Go {
        let now = self.now;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.due_at = Some(now);
            self.touch(id);
        }
        Go::Wait
    }

    /// The time of a deferred workflow has come.
    pub(super) fn end_deferral(&mut self, id: JobId) {
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.due_at = None;
            self.touch(id);
            self.touched.insert(id);
        }
    }

    /// A job was made.
    pub(super) fn note_made(&mut self, root_id: JobId) {
        self.note_done(root_id, 1);
    }

    /// A round of questions is asked.
    pub(super) fn note_asked(&mut self, plan: &[Command]) {
        let root_of = |id: JobId| self.tree.get(id).map(|job| job.root_id);
        let roots: Vec<JobId> = plan.iter().filter_map(Command::asker).filter_map(root_of).collect();
        for root_id in &roots {
            self.note_done(*root_id, 1);
        }
        for root_id in roots.into_iter().collect::<BTreeSet<_>>() {
            self.note_done(root_id, ROUND);
        }
    }

    fn note_done(&mut self, root_id: JobId, more: u32) {
        let done = self.done.entry(root_id).or_default();
        *done = done.saturating_add(more);
    }
}

/// Whether the workflow goes on in another fold than the one that brought it here.
pub(super) fn is_deferred(job: &Job) -> bool {
    job.due_at.is_some() && matches!(job.status, JobStatus::Running | JobStatus::Cancelling)
}

/// Whether it does so only when its time has come. One that is paused has no time, and may end nevertheless: with the last of its
/// sub-jobs.
pub(super) fn waits_for_its_time(job: &Job) -> bool {
    let settled = |(_, step): (_, &StepState)| step.status == StepStatus::Running && step.is_settled();
    let ends = || job.workflow.as_ref().and_then(Workflow::current).is_none_or(settled);
    is_deferred(job) && !(job.paused.is_some() && ends())
}
