//! What the duties and the relay read.

use std::{collections::BTreeSet, sync::Arc};

use drover_engine::{Fold, Input, PauseReason, fold::simulation::store::Store};
use drover_protocol::{JobId, JobStatus, RunningJob};

use super::{CLAIM, Database, Outgoing, Owed, limits};
use crate::{LEASE, Millis, instant, rules::Rule};

impl Database {
    /// What these batches, one transaction each, would make of the rows.
    pub(crate) fn would_be(&self, now: Millis, batches: Vec<Vec<Input>>) -> Store {
        let (mut store, mut entropy) = (self.store.clone(), self.entropy.clone());
        let definitions = Arc::clone(&store.definitions);
        for inputs in batches {
            let tree = store.tree_for(&inputs);
            let inputs = store.without_known_items(inputs);
            let mut fold = Fold::new(tree, instant(now), &mut entropy, &*definitions, limits());
            for input in inputs.into_iter().flatten() {
                fold.apply(input);
            }
            store.settle(&mut fold);
            store.save(&fold.tree);
        }
        store
    }

    /// Rows of the outbox that nobody sends, claimed.
    pub(crate) fn claim(&mut self, now: Millis) -> Vec<Owed> {
        let stale = self.outbox.iter_mut().filter(|(_, (_, claimed_until))| *claimed_until < now);
        stale
            .map(|(row, (what, claimed_until))| {
                *claimed_until = now + CLAIM;
                Owed { row: *row, what: what.clone() }
            })
            .collect()
    }

    /// What a lost broker held: published under another epoch and not started. What is still owed too: the lost broker may
    /// have had its message, and a worker may have done it, and both its word and the confirm are lost.
    pub(crate) fn lost_dispatches(&self, epoch: u32, broken: Option<Rule>) -> Vec<Input> {
        let owed: BTreeSet<RunningJob> = self
            .outbox
            .values()
            .filter_map(|(what, _)| match what {
                Outgoing::Job(job) => Some(*job),
                _ => None,
            })
            .collect();
        let lost = |job: &&drover_engine::Job| {
            let running = RunningJob { job_id: job.id, dispatch: job.dispatch };
            job.status == JobStatus::Pending
                && !job.is_ours()
                && job.due_at.is_none()
                && job.paused.is_none()
                && job.dispatch > 0
                && self.marks.get(&job.id).is_none_or(|mark| mark.epoch != Some(epoch))
                && !(broken == Some(Rule::OwedIsRecovered) && owed.contains(&running))
        };
        let jobs = self.store.rows.values().map(|row| &row.job).filter(lost);
        jobs.map(|job| Input::Republish { job_id: job.id, dispatch: job.dispatch }).collect()
    }

    /// Timers that have gone off.
    pub(crate) fn due(&self, now: Millis) -> Vec<Input> {
        let now = instant(now);
        let jobs = || self.store.rows.values().map(|row| &row.job);
        let due = jobs().filter(|job| job.paused.is_none() && job.due_at.is_some_and(|at| at <= now));
        let due = due.map(|job| Input::Due { job_id: job.id });
        let over = jobs().filter_map(|job| Some((job.id, job.timeout_at.filter(|at| *at <= now)?)));
        due.chain(over.map(|(job_id, timeout_at)| Input::TimedOut { job_id, timeout_at })).collect()
    }

    /// The jobs that wait for an answer.
    pub(crate) fn waiting(&self) -> Vec<JobId> {
        let waits = |job: &&drover_engine::Job| job.is_signal() && job.status == JobStatus::Running;
        self.store.rows.values().map(|row| &row.job).filter(waits).map(|job| job.id).collect()
    }

    /// The end of every pause that somebody asked for.
    pub(crate) fn resumes(&self) -> Vec<Input> {
        let asked =
            |job: &&drover_engine::Job| job.paused.as_ref().is_some_and(|paused| paused.reason == PauseReason::Asked);
        let jobs = self.store.rows.values().map(|row| &row.job).filter(asked);
        jobs.map(|job| Input::Resume { job_id: job.id }).collect()
    }

    /// Whether a job has been missing from its live worker's lists for a lease, of those that are folded.
    pub(crate) fn is_missing(&self, folded_at: Millis, id: JobId) -> bool {
        self.marks.get(&id).is_some_and(|mark| {
            mark.missing_since.is_some_and(|since| since + LEASE < folded_at) && mark.leased_at + LEASE < folded_at
        })
    }
}
