//! What really happened, kept beside the system by somebody who sees everything, and compared with what the system says.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use drover_engine::Job;
use drover_protocol::{JobId, JobStatus, JobType, RunningJob, WorkerSession};
use serde_json::Value;

use crate::{
    broker::Body,
    database::{Changed, Committed, Database, Transaction},
    world::World,
};

/// A handler that was called.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) job: RunningJob,
    pub(crate) session: WorkerSession,
    /// What it sent as the list `list`.
    pub(crate) list: Vec<Value>,
    pub(crate) runs: bool,
    /// Whether it returned what counts as completed, with errors or without.
    pub(crate) completed: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) calls: Vec<Called>,
    /// Rows of the outbox whose message the broker took, or that owe nothing any more.
    paid: HashSet<u64>,
    /// Whose events of which dispatch the broker took.
    spoken: BTreeSet<(WorkerSession, RunningJob)>,
    folded: HashSet<(WorkerSession, u64)>,
    /// Cancels of queued jobs that settled: the dispatch up to which nothing of the job may start.
    settled: BTreeMap<JobId, u32>,
    /// Ends that other systems were told of: the job and its run.
    told: BTreeSet<(JobId, u32)>,
    answers: BTreeMap<u64, JobId>,
}

impl Ledger {
    /// The broker took a message.
    pub(crate) fn taken(&mut self, row: Option<u64>, body: &Body) {
        self.paid.extend(row);
        match body {
            Body::Events(events) => {
                let fence = |event: &drover_protocol::JobEvent| {
                    (event.worker_session, RunningJob { job_id: event.job_id, dispatch: event.dispatch })
                };
                self.spoken.extend(events.iter().map(fence));
            }
            Body::Notification(id, run) => {
                self.told.insert((*id, *run));
            }
            _ => {}
        }
    }

    /// I2: what is acknowledged is safe elsewhere.
    pub(crate) fn acked(&self, session: Option<WorkerSession>, body: &Body, database: &Database) {
        match body {
            Body::Job(job) => {
                // A word of a later dispatch, its tombstone or a pause means that this one is not waited for any more.
                let from = RunningJob { job_id: job.id, dispatch: job.dispatch };
                let to = RunningJob { dispatch: u32::MAX, ..from };
                let spoken =
                    session.is_some_and(|session| self.spoken.range((session, from)..=(session, to)).count() > 0);
                let buried = database.tombstones.range(from..=to).count() > 0;
                let withdrawn = database.withdrawn.range(from..=to).count() > 0;
                assert!(
                    spoken || buried || withdrawn,
                    "I2: a worker acknowledged {} before the broker had a word of it",
                    crate::short(job.id)
                );
            }
            Body::Events(events) => {
                for event in events.iter() {
                    let folded = self.folded.contains(&(event.worker_session, event.seq));
                    let name = event.kind.name();
                    assert!(folded, "I2: {name} of {} was acknowledged and not folded", crate::short(event.job_id));
                }
            }
            _ => {}
        }
    }

    /// These rows need no message any more.
    pub(crate) fn owe_nothing(&mut self, rows: &[u64]) {
        self.paid.extend(rows);
    }

    /// I2: a row goes only when the broker has its message.
    pub(crate) fn forgotten(&self, row: u64) {
        assert!(self.paid.contains(&row), "I2: row {row} left the outbox and the broker never had its message");
    }

    pub(crate) fn is_answered(&self, key: u64) -> bool {
        self.answers.contains_key(&key)
    }

    /// I1: a submission is one job, however often it is sent.
    pub(crate) fn answered(&mut self, key: u64, id: Option<JobId>) {
        let Some(id) = id else { return };
        let first = *self.answers.entry(key).or_insert(id);
        assert_eq!(first, id, "I1: submission {key} was answered with two jobs");
    }

    /// I6: a handler is called. Its number.
    pub(crate) fn begins(&mut self, job: RunningJob, session: WorkerSession) -> usize {
        let settled = self.settled.get(&job.job_id).is_some_and(|dispatch| job.dispatch <= *dispatch);
        let (id, who) = (crate::short(job.job_id), crate::short_session(session));
        assert!(!settled, "I6: {id}/{} starts on {who} after its cancel has settled", job.dispatch);
        self.calls.push(Called { job, session, list: Vec::new(), runs: true, completed: false });
        self.calls.len() - 1
    }

    fn runs(&self, job: RunningJob) -> impl Iterator<Item = &Called> {
        self.calls.iter().filter(move |call| call.runs && call.job == job)
    }
}

impl World {
    /// What a commit changed, against what really happened.
    pub(crate) fn after_commit(&mut self, transaction: &Transaction, committed: &Committed) {
        self.ledger.folded.extend(&transaction.folded);
        for Changed { id, before, holder } in committed.changed.iter().copied() {
            let Some(row) = self.database.store.rows.get(&id) else { continue };
            let (job, result) = (&row.job, row.result.as_ref());
            for (name, count) in &job.items {
                let stored = u64::try_from(self.database.store.list(id, name).len()).unwrap_or(0);
                assert_eq!(
                    *count,
                    stored,
                    "values of {name} of {} that were counted and that are kept",
                    crate::short(id)
                );
            }
            let ends = job.is_terminal() && before.is_none_or(|before| !before.is_terminal());
            if ends && !job.is_ours() {
                let settled = self.check_end(job, result, transaction, holder);
                self.ledger.settled.extend(settled);
            }
            self.tell_change(id, before);
        }
        if self.rng.one_in(40) {
            self.rehearse();
        }
    }

    /// A worker that is counted as having heard of a pause takes nothing of the type.
    pub(crate) fn check_pause(&self, session: WorkerSession, job_type: &JobType) {
        let Some(worker) = self.fleet.workers.get(&session) else { return };
        let paused = &self.database.pauses;
        let acknowledged = paused.covers(job_type) && worker.paused_version >= paused.version;
        assert!(!acknowledged, "{} begins a job of a type that it said to leave", crate::short_session(session));
    }

    fn tell_change(&mut self, id: JobId, before: Option<JobStatus>) {
        self.tell(|world| {
            let job = world.database.store.rows.get(&id).map(|row| &row.job);
            let now = job.map_or_else(String::new, |job| {
                let (status, dispatch) = (job.status, job.dispatch);
                format!("{} {status}, dispatch {dispatch}, {:?}", job.job_type, job.progress)
            });
            let before = before.map_or_else(|| "new".to_owned(), |before| format!("was {before}"));
            format!("    {} ({before}) {now}", crate::short(id))
        });
    }

    /// The end of a worker's job. A cancel that settled is noted.
    fn check_end(
        &self,
        job: &Job,
        result: Option<&Value>,
        transaction: &Transaction,
        holder: Option<WorkerSession>,
    ) -> Option<(JobId, u32)> {
        match job.status {
            JobStatus::Completed | JobStatus::CompletedWithErrors => self.check_result(job, result),
            JobStatus::Cancelled if job.error.as_ref().is_none_or(|error| error.kind != "abandoned") => {
                let running = RunningJob { job_id: job.id, dispatch: job.dispatch };
                let never_started = transaction.never_started.contains(&running);
                for call in self.ledger.runs(running).filter(|call| self.fleet.is_live(call.session)) {
                    let holds = holder == Some(call.session) || never_started;
                    assert!(!holds, "I4: {} is cancelled, and its handler runs: {call:?}", crate::short(job.id));
                }
                // What ran settles by the word of who ran it: another copy of its message may still be begun by a worker
                // that was cut off, and is stopped by its fence.
                let queued = job.cancel.is_some() && self.ledger.calls.iter().all(|call| call.job != running);
                return (never_started || queued).then_some((job.id, job.dispatch));
            }
            _ => {}
        }
        None
    }

    /// What counts as completed was done by a handler of that dispatch, and all of its list has arrived, once.
    fn check_result(&self, job: &Job, result: Option<&Value>) {
        let number = result.and_then(|result| result["call"].as_u64()).and_then(|number| usize::try_from(number).ok());
        let call = number.and_then(|number| self.ledger.calls.get(number));
        let Some(call) = call else { panic!("nobody did what {} has as its result: {result:?}", crate::short(job.id)) };
        let own = call.job.job_id == job.id && call.job.dispatch == job.dispatch && call.completed;
        assert!(own, "I6: {} has the result of another dispatch: {call:?}", crate::short(job.id));
        let stored = self.database.store.list(job.id, "list");
        assert_eq!(stored, call.list, "the list of {} is not what its handler sent", crate::short(job.id));
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.database.outbox.is_empty()
            && self.database.store.rows.values().all(|row| row.job.is_terminal())
            && self.ledger.calls.iter().all(|call| !call.runs)
            && self.workers.values().all(|worker| worker.obeys(&self.database.pauses))
            && self.submissions().all(|key| self.ledger.is_answered(key))
    }

    pub(crate) fn unfinished(&self) -> String {
        let rows = self.database.store.rows.values();
        let open: Vec<String> = rows
            .filter(|row| !row.job.is_terminal())
            .map(|row| {
                let job = &row.job;
                format!(
                    "{} {} {} lease {:?} dispatch {}",
                    crate::short(job.id),
                    job.job_type,
                    job.status,
                    job.lease,
                    job.dispatch
                )
            })
            .collect();
        let calls = self.ledger.calls.iter().filter(|call| call.runs).count();
        let unanswered = self.submissions().filter(|key| !self.ledger.is_answered(*key)).count();
        let owed = self.database.outbox.len();
        let behind = self.workers.values().filter(|worker| !worker.obeys(&self.database.pauses)).count();
        format!(
            "{behind} workers that have not heard what is paused, {owed} rows in the outbox, {calls} handlers, {unanswered} submissions without an answer, jobs {open:?}"
        )
    }

    /// At the end.
    pub(crate) fn reckon(&mut self) {
        let roots = self.database.store.rows.values().filter(|row| row.job.parent.is_none());
        let mut count = 0;
        for row in roots {
            count += 1;
            let told = self.ledger.told.contains(&(row.job.id, row.job.run));
            assert!(told, "I1: nobody was told of the end of {}", crate::short(row.job.id));
        }
        assert_eq!(count, self.ledger.answers.len(), "I1: not one job for each accepted submission");
        if self.broken.is_none() {
            self.database.archive.check(&self.database.store);
        }
    }
}
