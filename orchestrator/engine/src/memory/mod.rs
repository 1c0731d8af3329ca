//! The rows that a fold is loaded from and written back to, kept in memory: what the orchestrator's statements do, for a
//! replay and for the simulation.

mod answers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use drover_protocol::JobId;
use serde_json::Value;

use crate::{Input, Job, Tree};

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
}

/// All rows of some trees. Cheap to clone: a clone is what a transaction works on. Jobs are written by [`Self::save`] and
/// [`Self::put`] only.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The jobs.
    pub rows: BTreeMap<JobId, Arc<Row>>,
    /// The sub-jobs, by place.
    pub children: BTreeMap<Place, JobId>,
    /// The fan-outs, by workflow and step.
    pub fan_outs: BTreeMap<(JobId, usize), Arc<FanOut>>,
    /// Chunks of items lists, by job, dispatch and sequence number.
    pub items: BTreeMap<(JobId, u32, u64), (String, Vec<Value>)>,
    /// The jobs that have not ended.
    unfinished: BTreeSet<JobId>,
}

/// Rows that do not fit what the fold does. In the database they cannot come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// A place has one sub-job.
    #[error("workflow {} has two sub-jobs at step {} batch {:?}: {} and {}", .place.0, .place.1, .place.2, .jobs[0], .jobs[1])]
    Twice {
        /// The place.
        place: Place,
        /// The sub-jobs.
        jobs: [JobId; 2],
    },
    /// A job is made once.
    #[error("job {0} was made twice")]
    MadeTwice(JobId),
    /// The fold asks for what was never written.
    #[error("there is no {what} of job {id}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Whose it is.
        id: JobId,
    },
    /// A definition has no end.
    #[error("the fold does not come to rest within {0} rounds")]
    Unrest(usize),
}

impl MemoryError {
    const fn missing(what: &'static str, id: JobId) -> Self {
        Self::Missing { what, id }
    }
}

impl Memory {
    /// A job as it comes from its row.
    #[must_use]
    pub fn load(&self, id: JobId) -> Option<Job> {
        self.rows.get(&id).map(|row| row.job.clone())
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
        self.tree_of(inputs.iter().map(Input::job_id), inputs.iter().any(Input::needs_descendants))
    }

    /// These jobs and all above them, and on demand everything unfinished of their trees.
    #[must_use]
    pub fn tree_of(&self, jobs: impl Iterator<Item = JobId>, unfinished: bool) -> Tree {
        let mut tree = Tree::default();
        for id in jobs {
            self.load_up(id, &mut tree);
        }
        if unfinished {
            let roots: BTreeSet<JobId> = tree.jobs().map(|job| job.root_id).collect();
            for job in self.unfinished().filter(|job| roots.contains(&job.root_id)) {
                tree.load(job.clone());
            }
        }
        tree
    }

    /// The jobs that have not ended.
    pub fn unfinished(&self) -> impl Iterator<Item = &Job> {
        self.unfinished.iter().filter_map(|id| self.rows.get(id)).map(|row| &row.job)
    }

    /// Writes what a fold made and changed.
    ///
    /// # Errors
    /// When a job was made twice, or two for one place.
    pub fn save(&mut self, tree: &Tree) -> Result<(), MemoryError> {
        for job in tree.created() {
            let place = job.parent.map(|parent| (parent.id, parent.step, parent.batch));
            if let Some((place, other)) = place.and_then(|place| Some((place, *self.children.get(&place)?))) {
                return Err(MemoryError::Twice { place, jobs: [other, job.id] });
            }
            let params = job.params.clone().ok_or(MemoryError::missing("parameters", job.id))?;
            let row = Row { job: stored(job), params, result: job.result.clone() };
            if self.put(Arc::new(row)).is_some() {
                return Err(MemoryError::MadeTwice(job.id));
            }
        }
        for job in tree.changed() {
            let row = self.rows.get_mut(&job.id).ok_or(MemoryError::missing("row", job.id))?;
            let row = Arc::make_mut(row);
            row.job = stored(job);
            if let Some(params) = &job.params {
                row.params = params.clone();
            }
            match (&job.result, job.is_terminal()) {
                (None, true) => {}
                (result, _) => row.result.clone_from(result),
            }
            self.index(job);
        }
        Ok(())
    }

    /// Writes a row. The one that was there before.
    pub fn put(&mut self, row: Arc<Row>) -> Option<Arc<Row>> {
        self.index(&row.job);
        self.rows.insert(row.job.id, row)
    }

    fn index(&mut self, job: &Job) {
        if let Some(parent) = job.parent {
            self.children.insert((parent.id, parent.step, parent.batch), job.id);
        }
        if job.is_terminal() {
            self.unfinished.remove(&job.id);
        } else {
            self.unfinished.insert(job.id);
        }
    }

    /// The items list that a sub-job sent in its current dispatch.
    #[must_use]
    pub fn list(&self, id: JobId, name: &str) -> Vec<Value> {
        let dispatch = self.rows.get(&id).map_or(0, |row| row.job.dispatch);
        let chunks = self.items.range((id, dispatch, 0)..=(id, dispatch, u64::MAX));
        chunks.filter(|(_, (list, _))| list == name).flat_map(|(_, (_, values))| values.clone()).collect()
    }
}

/// The job as it is loaded again: what is large is read where it is asked for.
fn stored(job: &Job) -> Job {
    Job { params: None, result: None, ..job.clone() }
}
