//! The rows of a world: only what a stored field keeps comes back, and what the table forbids fails.

use std::{
    collections::HashSet,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use drover_protocol::{JobEventKind, JobId, JobStatus};
use serde::{Serialize, de::DeserializeOwned};

use super::catalog::Definitions;
use crate::{Command, Fold, Input, Job, Progress, Tree, memory::Memory};

pub use crate::memory::Row;

/// All rows of a world, and its definitions. Cheap to clone: a clone is what a transaction works on.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The registered definitions.
    pub definitions: Arc<Definitions>,
    memory: Memory,
}

impl Deref for Store {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

impl DerefMut for Store {
    fn deref_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl Store {
    /// Answers until the fold rests. What it decided, except what it asked for.
    pub fn settle(&mut self, fold: &mut Fold<'_>) -> Vec<Command> {
        self.memory.settle(fold).unwrap_or_else(|error| panic!("{error}: {:?}", fold.plan()))
    }

    /// Leaves out chunks of items that are kept already, or stand in the batch twice.
    #[must_use]
    pub fn without_known_items(&self, inputs: Vec<Input>) -> Vec<Option<Input>> {
        let mut seen = HashSet::new();
        let is_new = |input: &Input| match input {
            Input::Event(event) if matches!(event.kind, JobEventKind::Items { .. }) => {
                let key = (event.job_id, event.dispatch, event.seq);
                !self.items.contains_key(&key) && seen.insert((key, event.worker_session))
            }
            _ => true,
        };
        let mut is_new = is_new;
        inputs.into_iter().map(|input| is_new(&input).then_some(input)).collect()
    }

    /// Writes what a fold made and changed.
    pub fn save(&mut self, tree: &Tree) {
        for job in tree.changed() {
            let was = self.rows[&job.id].job.workflow.is_some();
            assert_eq!(job.workflow.is_some(), was, "a row's definition never changes");
        }
        self.memory.save(tree).unwrap_or_else(|error| panic!("{error}"));
        for job in tree.created().chain(tree.changed()) {
            let row = Arc::make_mut(self.memory.rows.get_mut(&job.id).unwrap());
            row.job = read_back(row.job.clone(), &self.definitions);
            self.check(job.id);
        }
    }

    /// The CHECKs of the table.
    fn check(&self, id: JobId) {
        let job = &self.rows[&id].job;
        let full = matches!(job.status, JobStatus::Completed | JobStatus::CompletedWithErrors);
        assert_eq!(job.progress == Progress::FULL, full, "progress_is_full_iff_completed: {job:?}");
        assert_eq!(job.finished_at.is_some(), job.is_terminal(), "finished_iff_terminal: {job:?}");
        let at_work = matches!(job.status, JobStatus::Running | JobStatus::Cancelling);
        assert!(job.lease.is_none() || at_work, "lease_only_at_work: {job:?}");
        let may_be_due = job.status == JobStatus::Pending || job.workflow.is_some() && !job.is_terminal();
        assert!(job.due_at.is_none() || may_be_due, "due_before_it_goes_on: {job:?}");
        let may_wait = matches!(job.status, JobStatus::Pending | JobStatus::Running);
        assert!(job.paused.is_none() || may_wait, "paused_only_before_the_end: {job:?}");
        assert!(job.status != JobStatus::Failed || job.error.is_some(), "failed_has_error: {job:?}");
        assert!(job.timeout_at.is_none() || !job.is_terminal(), "an ended job has a timer: {job:?}");
        assert!(job.attempt >= 1, "fences_are_sane: {job:?}");
    }
}

/// The job as it is read from its row: what is JSON there goes through JSON, and its definition is found by its hash.
fn read_back(mut job: Job, definitions: &Definitions) -> Job {
    (job.policy, job.cancel, job.error) =
        (through_json(&job.policy), through_json(&job.cancel), through_json(&job.error));
    job.paused = through_json(&job.paused);
    (job.parked, job.items) = (through_json(&job.parked), through_json(&job.items));
    if let Some(workflow) = &mut job.workflow {
        workflow.state = through_json(&workflow.state);
        workflow.definition = definitions.by_hash(&workflow.definition.hash, &workflow.definition.path);
    }
    job
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap()
}
