//! The rows that a fold is loaded from and written back to: only what a stored field keeps comes back.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use drover_protocol::{JobEventKind, JobId, JobStatus};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::catalog::Definitions;
use crate::{Input, Job, Progress, Tree, definition::Definition};

/// A sub-job's place: workflow, step, batch.
pub type Place = (JobId, usize, Option<u32>);

/// A fan-out: its template and its batches.
pub type FanOut = (Value, Vec<Value>);

/// A job's row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Without `params` and `result`, as it is loaded.
    pub job: Job,
    /// The parameters.
    pub params: Value,
    /// What it produced.
    pub result: Option<Value>,
    definition: Option<(String, Vec<String>)>,
}

/// All rows of a world. Cheap to clone: a clone is what a transaction works on.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The registered definitions.
    pub definitions: Arc<Definitions>,
    /// The jobs.
    pub rows: BTreeMap<JobId, Arc<Row>>,
    /// The sub-jobs, by place.
    pub children: BTreeMap<Place, JobId>,
    /// The fan-outs, by workflow and step.
    pub fan_outs: BTreeMap<(JobId, usize), Arc<FanOut>>,
    /// Chunks of items lists, by job, dispatch and sequence number.
    pub items: BTreeMap<(JobId, u32, u64), (String, Vec<Value>)>,
}

impl Store {
    /// A job as it comes from its row.
    #[must_use]
    pub fn load(&self, id: JobId) -> Option<Job> {
        let row = self.rows.get(&id)?;
        let mut job = row.job.clone();
        if let (Some(workflow), Some((hash, path))) = (&mut job.workflow, &row.definition) {
            workflow.definition = self.definitions.by_hash(hash, path);
        }
        Some(job)
    }

    /// Loads a job and every workflow above it.
    pub fn load_up(&self, id: JobId, tree: &mut Tree) {
        let mut next = Some(id);
        while let Some(job) = next.and_then(|id| self.load(id)) {
            next = job.parent.map(|parent| parent.id);
            tree.load(job);
        }
    }

    /// What a batch of inputs needs.
    #[must_use]
    pub fn tree_for(&self, inputs: &[Input]) -> Tree {
        let mut tree = Tree::default();
        for input in inputs {
            self.load_up(input.job_id(), &mut tree);
        }
        if inputs.iter().any(Input::needs_descendants) {
            let roots: BTreeSet<JobId> = tree.jobs().map(|job| job.root_id).collect();
            let unfinished = |row: &&Row| !row.job.is_terminal() && roots.contains(&row.job.root_id);
            for row in self.rows.values().map(Arc::as_ref).filter(unfinished) {
                tree.load(self.load(row.job.id).unwrap());
            }
        }
        tree
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
        for job in tree.created() {
            if let Some(parent) = job.parent {
                let place = (parent.id, parent.step, parent.batch);
                assert_eq!(self.children.insert(place, job.id), None, "two sub-jobs at {place:?}");
            }
            let key = |definition: &Definition| (definition.hash.clone(), definition.path.clone());
            let definition = job.workflow.as_ref().map(|workflow| key(&workflow.definition));
            let row =
                Row { job: stored(job), params: job.params.clone().unwrap(), result: job.result.clone(), definition };
            assert!(self.rows.insert(job.id, Arc::new(row)).is_none(), "made twice: {}", job.id);
            self.check(job.id);
        }
        for job in tree.changed() {
            let row = Arc::make_mut(self.rows.get_mut(&job.id).unwrap());
            assert_eq!(job.workflow.is_some(), row.definition.is_some(), "a row's definition never changes");
            row.job = stored(job);
            if let Some(params) = &job.params {
                row.params = params.clone();
            }
            match (&job.result, job.is_terminal()) {
                (None, true) => {}
                (result, _) => row.result.clone_from(result),
            }
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
        assert!(job.due_at.is_none() || job.status == JobStatus::Pending, "due_only_when_pending: {job:?}");
        let may_wait = matches!(job.status, JobStatus::Pending | JobStatus::Running);
        assert!(job.paused.is_none() || may_wait, "paused_only_before_the_end: {job:?}");
        assert!(job.status != JobStatus::Failed || job.error.is_some(), "failed_has_error: {job:?}");
        assert!(job.timeout_at.is_none() || !job.is_terminal(), "an ended job has a timer: {job:?}");
        assert!(job.attempt >= 1, "fences_are_sane: {job:?}");
    }

    /// The items list that a sub-job sent in its current dispatch.
    #[must_use]
    pub fn list(&self, id: JobId, name: &str) -> Vec<Value> {
        let dispatch = self.rows.get(&id).map_or(0, |row| row.job.dispatch);
        let chunks = self.items.range((id, dispatch, 0)..=(id, dispatch, u64::MAX));
        chunks.filter(|(_, (list, _))| list == name).flat_map(|(_, (_, values))| values.clone()).collect()
    }
}

/// The job as its row keeps it: what is JSON there goes through JSON.
fn stored(job: &Job) -> Job {
    let mut job = job.clone();
    (job.params, job.result) = (None, None);
    (job.policy, job.cancel, job.error) =
        (through_json(&job.policy), through_json(&job.cancel), through_json(&job.error));
    job.paused = through_json(&job.paused);
    (job.parked, job.items) = (through_json(&job.parked), through_json(&job.items));
    if let Some(workflow) = &mut job.workflow {
        workflow.state = through_json(&workflow.state);
    }
    job
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap()
}
