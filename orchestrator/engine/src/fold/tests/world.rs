//! A small world around the fold: it keeps the rows, a clock and what was decided, and plays workers and users.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use drover_protocol::{JobId, JobType};
use serde_json::Value;

use super::{
    archive::{self, Archive},
    audit::{Audit, Held, brief},
    store::Store,
};
use crate::{
    Command, Entropy as _, Fold, Input, Job, Limits, Outcome, Tree, Workflow,
    fold::{NewJob, simulation::Seeded},
    job::Policy,
    view::{self, Metadata},
};

pub(super) struct World {
    pub(super) store: Store,
    pub(super) now: DateTime<Utc>,
    pub(super) limits: Limits,
    /// Everything that was decided, in order, except what the fold asked for.
    pub(super) effects: Vec<Command>,
    pub(super) audit: Audit,
    pub(super) archive: Archive,
    /// The sequence number of the last event that was made.
    pub(super) seq: u64,
    entropy: Seeded,
}

impl Drop for World {
    /// Whatever a test did: its history leads to its rows.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.archive.check(&self.store);
        }
    }
}

impl World {
    /// A world in which these definitions are registered.
    pub(super) fn with(definitions: &[&str]) -> Self {
        let store = Store::default();
        for text in definitions {
            store.definitions.apply(text);
        }
        Self {
            store,
            now: "2026-01-05T08:00:00Z".parse().unwrap(),
            limits: Limits::default(),
            effects: Vec::new(),
            audit: Audit::default(),
            archive: Archive::default(),
            seq: 0,
            entropy: Seeded::default(),
        }
    }

    /// Folds a batch of inputs, as one transaction.
    pub(super) fn fold(&mut self, inputs: Vec<Input>) -> Vec<Outcome> {
        let repeated = Outcome::Ignored(crate::Ignored::Repeat);
        let tree = self.store.tree_for(&inputs);
        // A job that ended may be retried in the same batch.
        let steers = |input: &Input| matches!(input, Input::Resume { .. } | Input::Cancel { .. } | Input::Retry { .. });
        let held = if inputs.iter().any(steers) { Held::default() } else { Held::of(&self.store) };
        let inputs = self.store.without_known_items(inputs);
        self.transact(tree, held, |fold| {
            inputs.into_iter().map(|input| input.map_or(repeated.clone(), |input| fold.apply(input))).collect()
        })
    }

    /// Folds one input.
    pub(super) fn apply(&mut self, input: Input) -> Outcome {
        self.fold(vec![input]).remove(0)
    }

    /// `held`: of what nothing may be begun in this transaction.
    fn transact<T>(&mut self, tree: Tree, held: Held, work: impl FnOnce(&mut Fold<'_>) -> T) -> T {
        let definitions = Arc::clone(&self.store.definitions);
        let mut fold = Fold::new(tree, self.now, &mut self.entropy, &*definitions, self.limits);
        let done = work(&mut fold);
        let effects = self.store.settle(&mut fold);
        let (tree, given) = (std::mem::take(&mut fold.tree), fold.given());
        for job in tree.created() {
            assert!(!held.holds(&tree, job.id), "made while paused: {}", brief(job));
        }
        self.store.save(&tree);
        self.archive.keep(archive::records(&effects), given);
        for effect in &effects {
            match effect {
                Command::Publish { job_id, dispatch }
                    if tree.get(*job_id).is_some_and(|job| job.dispatch == *dispatch && job.paused.is_none()) =>
                {
                    assert!(!held.holds(&tree, *job_id), "begun while paused: {}", brief(tree.get(*job_id).unwrap()));
                    assert_ne!(self.audit.published.insert(*job_id, *dispatch), Some(*dispatch), "published twice");
                }
                Command::Load { .. } | Command::Advance { .. } | Command::Assemble { .. } => panic!("{effect:?}"),
                Command::Expand { .. } | Command::Window { .. } => panic!("{effect:?}"),
                _ => {}
            }
        }
        self.effects.extend(effects);
        self.audit.check(&self.store);
        done
    }

    /// Submits a workflow, or a job where no workflow has that name.
    pub(super) fn submit(&mut self, name: &str, params: Value) -> JobId {
        self.submit_with(name, params, Policy::default(), None)
    }

    pub(super) fn submit_with(
        &mut self,
        name: &str,
        params: Value,
        policy: Policy,
        run_at: Option<DateTime<Utc>>,
    ) -> JobId {
        use crate::Catalog as _;
        let job_type = JobType::new(name).unwrap();
        let definition = self.store.definitions.current(&job_type);
        let id = self.entropy.job_id();
        let (params, workflow) = match definition {
            Some(definition) => (definition.validate_input(params).unwrap(), Some(Workflow::new(definition))),
            None => (params, None),
        };
        self.transact(Tree::default(), Held::default(), |fold| {
            fold.create(NewJob { id, root_id: id, parent: None, job_type, params, policy, workflow, run_at });
        });
        id
    }

    /// Lets time pass; whatever comes due on the way is folded when it does, one by one.
    pub(super) fn elapse(&mut self, seconds: i64) {
        let until = self.now + TimeDelta::seconds(seconds);
        while let Some((at, input)) = self.next_timer().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            assert_eq!(self.apply(input.clone()), Outcome::Applied, "a timer that does nothing: {input:?}");
        }
        self.now = until;
    }

    /// The timer that is to go off next.
    pub(super) fn next_timer(&self) -> Option<(DateTime<Utc>, Input)> {
        let jobs = || self.store.rows.values().map(|row| &row.job);
        let due = jobs().filter(|job| job.paused.is_none());
        let due = due.filter_map(|job| Some((job.due_at?, Input::Due { job_id: job.id })));
        // Far beyond any clock: a batch that never began is kept back for ever, and has ended by then.
        let timed_out = jobs().filter_map(|job| {
            let timeout_at = job.timeout_at?;
            Some((timeout_at, Input::TimedOut { job_id: job.id, timeout_at }))
        });
        due.chain(timed_out).min_by_key(|(at, input)| (*at, input.job_id()))
    }

    /// A job as its row has it.
    pub(super) fn job(&self, id: JobId) -> Job {
        self.store.load(id).unwrap()
    }

    pub(super) fn metadata(&self, id: JobId) -> Metadata {
        view::metadata(&self.job(id)).unwrap()
    }

    /// A finished job's result.
    pub(super) fn result(&self, id: JobId) -> Value {
        self.store.rows[&id].result.clone().unwrap_or_else(|| panic!("no result: {:?}", self.job(id)))
    }

    /// The sub-job of a step that does not fan out.
    pub(super) fn sub_job(&self, workflow: JobId, key: &str) -> JobId {
        self.find(workflow, key, None).unwrap_or_else(|| panic!("{key} has no sub-job: {:#?}", self.metadata(workflow)))
    }

    /// The sub-job of a batch.
    pub(super) fn batch(&self, workflow: JobId, key: &str, batch: u32) -> JobId {
        self.find(workflow, key, Some(batch)).unwrap_or_else(|| panic!("{key} has no batch {batch}"))
    }

    /// The same, if it has begun.
    pub(super) fn find(&self, workflow: JobId, key: &str, batch: Option<u32>) -> Option<JobId> {
        let definition = self.job(workflow).workflow.unwrap().definition;
        let mut steps = definition.steps.iter().chain(&definition.cleanup);
        let index = steps.position(|step| step.key == key).unwrap_or_else(|| panic!("no step {key}"));
        self.store.children.get(&(workflow, index, batch)).copied()
    }
}
