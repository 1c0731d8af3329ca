//! What a fold works on.

use std::collections::{BTreeSet, HashMap};

use drover_protocol::JobId;

use crate::Job;

/// The jobs of one or more trees that a fold works on: whatever was loaded and locked, and what it makes.
#[derive(Debug, Default)]
pub struct Tree {
    pub(super) jobs: HashMap<JobId, Job>,
    /// By workflow, in no order: whoever looks below one must not look through all.
    children: HashMap<JobId, Vec<JobId>>,
    pub(super) created: BTreeSet<JobId>,
    pub(super) changed: BTreeSet<JobId>,
}

impl Tree {
    /// Puts a loaded job in; one that is there already is newer than what was loaded.
    pub fn load(&mut self, job: Job) {
        if !self.jobs.contains_key(&job.id) {
            self.enter(job);
        }
    }

    pub(super) fn enter(&mut self, job: Job) {
        if let Some(parent) = job.parent {
            self.children.entry(parent.id).or_default().push(job.id);
        }
        self.jobs.insert(job.id, job);
    }

    /// A job, if it is in the tree.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// The jobs made by the fold: to be inserted, in order of their ids.
    pub fn created(&self) -> impl Iterator<Item = &Job> {
        self.created.iter().filter_map(|id| self.jobs.get(id))
    }

    /// The loaded jobs that the fold changed: to be updated, in order of their ids.
    pub fn changed(&self) -> impl Iterator<Item = &Job> {
        self.changed.difference(&self.created).filter_map(|id| self.jobs.get(id))
    }

    /// Those of a workflow's sub-jobs that are in the tree.
    pub fn children(&self, id: JobId) -> impl Iterator<Item = &Job> {
        self.children.get(&id).into_iter().flatten().filter_map(|id| self.jobs.get(id))
    }

    /// Every job in the tree.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }
}
