//! The database: rows that only a commit changes, locks on roots, and what a crash leaves behind.

mod duties;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use drover_engine::{
    Entropy as _, Fold, Given, Input, Limits, Outcome, Record, Tree, Workflow,
    command::Command,
    fold::{
        NewJob,
        simulation::{
            Seeded,
            archive::{self, Archive},
            audit::Audit,
            store::Store,
        },
    },
    job::Policy,
};
use drover_protocol::{Control, ControlId, JobId, JobStatus, JobType, PausedTypes, RunningJob, WorkerSession};
use serde_json::json;
use uuid::Uuid;

use crate::{Millis, fence, instant, rules::Rule};

/// How long the rows of the outbox are left to whoever wrote them.
const CLAIM: Millis = 3_000;

/// A row of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) row: u64,
    pub(crate) what: Outgoing,
}

/// What a row owes.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Job(RunningJob),
    Control(Arc<Control>),
    Notification(JobId, u32),
}

/// What a row of a job has beside what the engine knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) leased_at: Millis,
    pub(crate) missing_since: Option<Millis>,
    pub(crate) epoch: Option<u32>,
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Fold(Vec<Input>),
    Submit {
        key: u64,
        workflow: bool,
        later: bool,
    },
    /// Job types that are paused from now on, and no others.
    PauseTypes(BTreeSet<JobType>),
}

/// Why a transaction does not begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// Another one holds a lock that it needs.
    Locked,
    /// The database is away.
    Away,
}

/// A transaction under way: everything that its commit will write.
pub(crate) struct Transaction {
    working: Store,
    roots: BTreeSet<JobId>,
    key: Option<(u64, JobId)>,
    epoch: Option<u32>,
    jobs: Vec<JobId>,
    owed: Vec<Owed>,
    history: (Vec<Record>, BTreeMap<JobId, Given>),
    buried: Vec<(RunningJob, ControlId)>,
    withdrawn: BTreeMap<RunningJob, ControlId>,
    /// The paused types.
    pauses: Option<PausedTypes>,
    /// Events of these sessions and numbers were folded.
    pub(crate) folded: Vec<(WorkerSession, u64)>,
    /// Cancels that settle without the word of a worker.
    pub(crate) never_started: Vec<RunningJob>,
    /// Jobs whose lease is lost.
    lost: BTreeSet<JobId>,
    /// The inputs and their outcomes, for people.
    pub(crate) told: Vec<String>,
    pub(crate) accepted: Option<JobId>,
}

/// What a commit changed.
pub(crate) struct Committed {
    pub(crate) owed: Vec<Owed>,
    pub(crate) changed: Vec<Changed>,
}

/// A job that a commit changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) id: JobId,
    /// What it was; `None`: it was made.
    pub(crate) before: Option<JobStatus>,
    /// Who held it, unless this commit says that it is lost.
    pub(crate) holder: Option<WorkerSession>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) marks: BTreeMap<JobId, Mark>,
    /// With the time until which each is claimed.
    pub(crate) outbox: BTreeMap<u64, (Outgoing, Millis)>,
    pub(crate) tombstones: BTreeMap<RunningJob, (ControlId, Millis)>,
    /// Dispatches that a pause withdrew.
    pub(crate) withdrawn: BTreeMap<RunningJob, (ControlId, Millis)>,
    pub(crate) pauses: PausedTypes,
    pub(crate) keys: BTreeMap<u64, JobId>,
    pub(crate) away_until: Millis,
    entropy: Seeded,
    audit: Audit,
    pub(crate) archive: Archive,
    open: BTreeMap<u64, Transaction>,
    locks: BTreeSet<JobId>,
    locked_keys: BTreeSet<u64>,
    last: u64,
}

/// The limits of the simulated system.
pub(crate) fn limits() -> Limits {
    Limits {
        cancel_timeout: std::time::Duration::from_secs(20),
        timeout_grace: std::time::Duration::from_secs(2),
        poison_losses: 3,
        depth: 4,
        effort: 100,
    }
}

impl Database {
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Begins a transaction, takes its locks and works out what it will write.
    pub(crate) fn begin(
        &mut self,
        now: Millis,
        work: Work,
        epoch: Option<u32>,
        broken: Option<Rule>,
    ) -> Result<u64, Refused> {
        if now < self.away_until {
            return Err(Refused::Away);
        }
        let transaction = match work {
            Work::Fold(inputs) => {
                let root = |input: &Input| self.store.rows.get(&input.job_id()).map(|row| row.job.root_id);
                let roots: BTreeSet<JobId> = inputs.iter().filter_map(root).collect();
                if !roots.is_disjoint(&self.locks) {
                    return Err(Refused::Locked);
                }
                self.fold(now, inputs, roots, broken)
            }
            Work::PauseTypes(types) => self.pause_types(types),
            Work::Submit { key, .. } if self.locked_keys.contains(&key) => return Err(Refused::Locked),
            Work::Submit { key, workflow, later } => self.submit(now, key, workflow, later, broken),
        };
        self.locks.extend(&transaction.roots);
        self.locked_keys.extend(transaction.key.map(|(key, _)| key));
        let number = self.number();
        self.open.insert(number, Transaction { epoch, ..transaction });
        Ok(number)
    }

    fn fold(&mut self, now: Millis, inputs: Vec<Input>, roots: BTreeSet<JobId>, broken: Option<Rule>) -> Transaction {
        let mut transaction = Transaction::new(self.store.clone(), roots);
        let tree = transaction.working.tree_for(&inputs);
        transaction.folded = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Event(event) => Some((event.worker_session, event.seq)),
                _ => None,
            })
            .collect();
        let inputs = if broken == Some(Rule::ChunkCountsOnce) {
            inputs.into_iter().map(Some).collect()
        } else {
            transaction.working.without_known_items(inputs)
        };
        let definitions = Arc::clone(&self.store.definitions);
        let mut fold = Fold::new(tree, instant(now), &mut self.entropy, &*definitions, limits());
        for input in inputs.into_iter().flatten() {
            let outcome = fence::apply(&mut fold, input.clone(), broken);
            if let (Input::NeverStarted { job_id, dispatch }, Outcome::Applied) = (&input, &outcome) {
                transaction.never_started.push(RunningJob { job_id: *job_id, dispatch: *dispatch });
            }
            if let Input::LeaseLost { job_id, .. } = &input {
                transaction.lost.insert(*job_id);
            }
            transaction.told.push(fence::tell(&input, &outcome));
        }
        Self::finish(&mut transaction, &mut fold, &mut self.last);
        transaction
    }

    fn submit(&mut self, now: Millis, key: u64, workflow: bool, later: bool, broken: Option<Rule>) -> Transaction {
        let mut transaction = Transaction::new(self.store.clone(), BTreeSet::new());
        if let Some(known) = self.keys.get(&key).filter(|_| broken != Some(Rule::KeyCountsOnce)) {
            transaction.accepted = Some(*known);
            return transaction;
        }
        let definitions = Arc::clone(&self.store.definitions);
        let name = JobType::new(if workflow { "root" } else { "work" }).unwrap_or_else(|error| panic!("{error}"));
        let definition = drover_engine::Catalog::current(&*definitions, &name).filter(|_| workflow);
        let id = self.entropy.job_id();
        let new = NewJob {
            id,
            root_id: id,
            parent: None,
            job_type: name,
            params: json!({}),
            policy: Policy::default(),
            workflow: definition.map(Workflow::new),
            run_at: later.then(|| instant(now + 4_000)),
        };
        let mut fold = Fold::new(Tree::default(), instant(now), &mut self.entropy, &*definitions, limits());
        fold.create(new);
        Self::finish(&mut transaction, &mut fold, &mut self.last);
        (transaction.key, transaction.accepted) = (Some((key, id)), Some(id));
        transaction
    }

    /// Versions and sets are in one order: the real one takes a lock, here whoever commits counts on.
    fn pause_types(&mut self, types: BTreeSet<JobType>) -> Transaction {
        let mut transaction = Transaction::new(self.store.clone(), BTreeSet::new());
        let paused = PausedTypes { version: self.number(), all: false, types };
        let what = Outgoing::Control(Arc::new(Control::PausedTypes(paused.clone())));
        transaction.owed.push(Owed { row: self.number(), what });
        transaction.pauses = Some(paused);
        transaction
    }

    /// Answers the fold and works out what is owed, as the orchestrator's driver does.
    fn finish(transaction: &mut Transaction, fold: &mut Fold<'_>, last: &mut u64) {
        let effects = transaction.working.settle(fold);
        let (tree, given) = (std::mem::take(&mut fold.tree), fold.given());
        transaction.working.save(&tree);
        transaction.history = (archive::records(&effects), given);
        transaction.jobs = tree.created().chain(tree.changed()).map(|job| job.id).collect();
        let (mut buried, mut withdrawn): (BTreeSet<RunningJob>, BTreeSet<RunningJob>) = Default::default();
        let mut number = || {
            *last += 1;
            *last
        };
        for effect in effects {
            let what = match effect {
                Command::Publish { job_id, dispatch } => {
                    let current = |job: &&drover_engine::Job| {
                        job.dispatch == dispatch && !job.is_terminal() && job.paused.is_none()
                    };
                    let Some(_) = tree.get(job_id).filter(current) else { continue };
                    Outgoing::Job(RunningJob { job_id, dispatch })
                }
                Command::Tombstone(job) => {
                    buried.insert(job);
                    continue;
                }
                Command::Withdraw(job) => {
                    withdrawn.insert(job);
                    continue;
                }
                Command::Stop { session, job } => {
                    Outgoing::Control(Arc::new(Control::Stop { worker_session: session, jobs: vec![job] }))
                }
                Command::Notify { job_id } => match tree.get(job_id) {
                    Some(job) if job.parent.is_none() && job.is_terminal() => Outgoing::Notification(job_id, job.run),
                    _ => continue,
                },
                _ => continue,
            };
            transaction.owed.push(Owed { row: number(), what });
        }
        if !buried.is_empty() {
            let control_id = ControlId(Uuid::from_u128(u128::from(number())));
            let jobs = buried.iter().copied().collect();
            transaction.buried = buried.into_iter().map(|job| (job, control_id)).collect();
            let what = Outgoing::Control(Arc::new(Control::Cancel { control_id, jobs }));
            transaction.owed.push(Owed { row: number(), what });
        }
        if !withdrawn.is_empty() {
            let control_id = ControlId(Uuid::from_u128(u128::from(number())));
            let jobs = withdrawn.iter().copied().collect();
            transaction.withdrawn = withdrawn.into_iter().map(|job| (job, control_id)).collect();
            let what = Outgoing::Control(Arc::new(Control::Withdraw { control_id: Some(control_id), jobs }));
            transaction.owed.push(Owed { row: number(), what });
        }
    }

    /// Writes a transaction. `None`: it was rolled back meanwhile.
    pub(crate) fn commit(&mut self, now: Millis, number: u64) -> Option<(Transaction, Committed)> {
        let mut transaction = self.open.remove(&number)?;
        self.unlock(&transaction);
        let mut changed = Vec::new();
        for id in &transaction.jobs {
            let Some(row) = transaction.working.rows.get(id) else { continue };
            let before = self.store.put(Arc::clone(row));
            changed.push(Changed {
                id: *id,
                before: before.as_ref().map(|row| row.job.status),
                holder: before.as_ref().and_then(|row| row.job.lease).filter(|_| !transaction.lost.contains(id)),
            });
            let mark = self.marks.entry(*id).or_default();
            let fence = |row: &drover_engine::fold::simulation::store::Row| (row.job.dispatch, row.job.lease);
            let (dispatch, lease) = before.as_deref().map_or((0, None), fence);
            if row.job.dispatch != dispatch || before.is_none() {
                mark.epoch = transaction.epoch;
            }
            if row.job.lease != lease {
                (mark.leased_at, mark.missing_since) = (now, None);
            }
            fence::lease_moves_by_dispatch_only(before.as_deref(), row);
        }
        for (key, fan_out) in &transaction.working.fan_outs {
            if transaction.jobs.contains(&key.0) {
                self.store.fan_outs.insert(*key, Arc::clone(fan_out));
            }
        }
        for (key, chunk) in &transaction.working.items {
            if transaction.jobs.contains(&key.0) {
                self.store.items.entry(*key).or_insert_with(|| chunk.clone());
            }
        }
        if let Some((key, id)) = transaction.key {
            self.keys.insert(key, id);
        }
        for owed in &transaction.owed {
            if let Outgoing::Job(job) = &owed.what {
                self.audit.published.insert(job.job_id, job.dispatch);
            }
            self.outbox.insert(owed.row, (owed.what.clone(), now + CLAIM));
        }
        for (job, control) in &transaction.buried {
            self.tombstones.insert(*job, (*control, now));
        }
        let (records, given) = std::mem::take(&mut transaction.history);
        self.archive.keep(records, given);
        self.withdrawn.extend(transaction.withdrawn.iter().map(|(job, control)| (*job, (*control, now))));
        if let Some(paused) = transaction.pauses.take().filter(|paused| paused.version > self.pauses.version) {
            self.pauses = paused;
        }
        self.look_over(&changed);
        let owed = std::mem::take(&mut transaction.owed);
        Some((transaction, Committed { owed, changed }))
    }

    /// The audit of what was written, and of the workflows above it.
    fn look_over(&mut self, changed: &[Changed]) {
        let mut jobs: BTreeSet<JobId> = BTreeSet::new();
        for Changed { id, .. } in changed {
            jobs.insert(*id);
            jobs.extend(self.store.rows.get(id).and_then(|row| row.job.parent).map(|parent| parent.id));
        }
        self.audit.check_some(&self.store, jobs.iter());
    }

    /// Whoever had begun it is gone, or the database was: nothing of it was ever there.
    pub(crate) fn roll_back(&mut self, number: u64) {
        if let Some(transaction) = self.open.remove(&number) {
            self.unlock(&transaction);
        }
    }

    /// The database goes away: whatever is under way is rolled back.
    pub(crate) fn go_away(&mut self, until: Millis) {
        self.away_until = self.away_until.max(until);
        self.open.clear();
        self.locks.clear();
        self.locked_keys.clear();
    }

    fn unlock(&mut self, transaction: &Transaction) {
        self.locks.retain(|root| !transaction.roots.contains(root));
        self.locked_keys.retain(|key| transaction.key.is_none_or(|(own, _)| own != *key));
    }
}

impl Transaction {
    fn new(working: Store, roots: BTreeSet<JobId>) -> Self {
        Self {
            working,
            roots,
            key: None,
            epoch: None,
            jobs: Vec::new(),
            owed: Vec::new(),
            history: Default::default(),
            buried: Vec::new(),
            withdrawn: BTreeMap::new(),
            pauses: None,
            folded: Vec::new(),
            never_started: Vec::new(),
            lost: BTreeSet::new(),
            told: Vec::new(),
            accepted: None,
        }
    }
}
