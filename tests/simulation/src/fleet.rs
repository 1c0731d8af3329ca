//! What the database knows of workers, replicas and queues, and what the duties ask of it: the orchestrator's statements,
//! told in Rust.

use std::collections::{BTreeMap, BTreeSet};

use drover_engine::Input;
use drover_protocol::{ControlId, JobId, JobStatus, RunningJob, WorkerSession};

use crate::{BEAT, LEASE, Millis, database::Database, rules::Rule};

/// A worker's row.
#[derive(Clone, Debug)]
pub(crate) struct Enrolled {
    pub(crate) standing: Standing,
    seen_at: Millis,
    seq: u64,
    /// Which version of the paused types it obeys.
    pub(crate) paused_version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    Lost,
    Down,
}

/// How far a queue was read (`intake`).
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    current_since: Millis,
    last_received_at: Millis,
    marker_at: Millis,
    marker_received_at: Millis,
    folded_at: Millis,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) workers: BTreeMap<WorkerSession, Enrolled>,
    acks: BTreeMap<(ControlId, WorkerSession), Millis>,
    queues: [Reading; 2],
    /// When each replica was seen, and through when it has folded.
    replicas: BTreeMap<u64, (Millis, Millis)>,
}

impl Fleet {
    pub(crate) fn worker_up(&mut self, now: Millis, session: WorkerSession, seq: u64) {
        let known = self.workers.get(&session);
        if known.is_some_and(|worker| worker.standing == Standing::Down) {
            return;
        }
        let (last, paused_version) = known.map_or((0, 0), |worker| (worker.seq, worker.paused_version));
        let seq = last.max(seq);
        self.workers.insert(session, Enrolled { standing: Standing::Live, seen_at: now, seq, paused_version });
    }

    pub(crate) fn worker_down(&mut self, now: Millis, session: WorkerSession, seq: u64) {
        if let Some(worker) = self.workers.get_mut(&session) {
            *worker = Enrolled { standing: Standing::Down, seen_at: now, seq, ..*worker };
        }
    }

    /// Takes a heartbeat, notes what the worker no longer lists, and gives what it must not run.
    pub(crate) fn heartbeat(
        &mut self,
        now: Millis,
        database: &mut Database,
        session: WorkerSession,
        seq: u64,
        running: &[RunningJob],
        acknowledged: &BTreeSet<ControlId>,
    ) -> Vec<RunningJob> {
        let fresh = Enrolled { standing: Standing::Live, seen_at: now, seq, paused_version: 0 };
        let worker = self.workers.entry(session).or_insert_with(|| fresh.clone());
        if worker.seq < seq && worker.standing != Standing::Down {
            *worker = Enrolled { paused_version: worker.paused_version, ..fresh };
        }
        for control in acknowledged {
            let mut known = database.tombstones.values().chain(database.withdrawn.values());
            if known.any(|(known, _)| known == control) {
                self.acks.entry((*control, session)).or_insert(now);
            }
        }
        for row in database.store.rows.values().filter(|row| row.job.lease == Some(session)) {
            let listed = running.contains(&RunningJob { job_id: row.job.id, dispatch: row.job.dispatch });
            let mark = database.marks.entry(row.job.id).or_default();
            mark.missing_since = if listed { None } else { mark.missing_since.or(Some(now)) };
        }
        let superseded = |listed: &&RunningJob| match database.store.rows.get(&listed.job_id) {
            None => true,
            Some(row) => {
                let other = row.job.lease.is_some_and(|lease| lease != session);
                let over = row.job.is_terminal() || row.job.due_at.is_some();
                row.job.dispatch > listed.dispatch || row.job.dispatch == listed.dispatch && (other || over)
            }
        };
        running.iter().filter(superseded).copied().collect()
    }

    /// Notes which version of the paused types a worker obeys.
    pub(crate) fn obeys(&mut self, session: WorkerSession, version: u64) {
        if let Some(worker) = self.workers.get_mut(&session) {
            worker.paused_version = worker.paused_version.max(version);
        }
    }

    pub(crate) fn beat(&mut self, now: Millis, replica: u64, through: Millis) {
        let before = self.replicas.get(&replica).map_or(0, |(_, through)| *through);
        self.replicas.insert(replica, (now, before.max(through)));
        // A marker came out of each queue, and every live replica has since committed what it had received by then.
        let live = self.replicas.values().filter(|(seen, _)| seen + LEASE > now).map(|(_, through)| *through);
        let Some(through) = live.min() else { return };
        for queue in &mut self.queues {
            if queue.folded_at < queue.marker_at && queue.marker_received_at <= through {
                queue.folded_at = queue.marker_at;
            }
        }
    }

    pub(crate) fn marker_received(&mut self, now: Millis, queue: usize, sent_at: Millis) {
        let Some(queue) = self.queues.get_mut(queue) else { return };
        if now - sent_at > LEASE / 3 || now - queue.last_received_at > LEASE / 2 {
            queue.current_since = now;
        }
        queue.last_received_at = now;
        if queue.folded_at >= queue.marker_at && sent_at > queue.marker_at {
            (queue.marker_at, queue.marker_received_at) = (sent_at, now);
        }
    }

    pub(crate) fn is_live(&self, session: WorkerSession) -> bool {
        self.workers.get(&session).is_some_and(|worker| worker.standing == Standing::Live)
    }

    /// Gives up silent workers, and gives the leases that nobody holds any more. Only with intake current.
    pub(crate) fn lost_leases(&mut self, now: Millis, database: &Database) -> Vec<Input> {
        let current = |queue: &Reading| queue.current_since + LEASE < now && queue.last_received_at + LEASE / 2 > now;
        if !self.queues.iter().all(current) {
            return Vec::new();
        }
        // What was sent in the lease before is folded, whichever replica had it.
        let heartbeats = self.queues[1].folded_at;
        for worker in self.workers.values_mut() {
            if worker.standing == Standing::Live && worker.seen_at + LEASE < heartbeats {
                worker.standing = Standing::Lost;
            }
        }
        let events = self.queues[0].folded_at;
        let gone = |session: WorkerSession, id: JobId| match self.workers.get(&session) {
            Some(worker) if worker.standing == Standing::Lost => true,
            Some(worker) if worker.standing == Standing::Down && worker.seen_at < events => true,
            Some(_) => database.is_missing(heartbeats, id),
            None => false,
        };
        let jobs = database.store.rows.values().map(|row| &row.job);
        jobs.filter_map(|job| Some((job, job.lease.filter(|session| gone(*session, job.id))?)))
            .map(|(job, session)| Input::LeaseLost { job_id: job.id, dispatch: job.dispatch, session })
            .collect()
    }

    /// Cancelled dispatches, and withdrawn ones of resumed jobs, that no worker started and none will.
    pub(crate) fn settled(&self, database: &Database, broken: Option<Rule>) -> Vec<Input> {
        let events = if broken == Some(Rule::CancelWaitsForEvents) { Millis::MAX } else { self.queues[0].folded_at };
        let obeyed = |session: &WorkerSession, control: ControlId| {
            broken == Some(Rule::CancelWaitsForAcks)
                || self.acks.get(&(control, *session)).is_some_and(|acked_at| *acked_at < events)
        };
        let live = self.workers.iter().filter(|(_, worker)| worker.standing == Standing::Live);
        let live: Vec<WorkerSession> = live.map(|(session, _)| *session).collect();
        let waits = |job: &RunningJob, cancelled: bool| {
            database.store.rows.get(&job.job_id).is_some_and(|row| {
                let row = &row.job;
                let resumed = row.paused.as_ref().is_some_and(|paused| paused.reason.is_over());
                let waits = if cancelled {
                    row.status == JobStatus::Cancelling
                } else {
                    row.status == JobStatus::Pending && resumed
                };
                waits && row.lease.is_none() && row.dispatch == job.dispatch
            })
        };
        let cancelled = database.tombstones.iter().map(|(job, told)| (job, told, true));
        let withdrawn = database.withdrawn.iter().map(|(job, told)| (job, told, false));
        cancelled
            .chain(withdrawn)
            .filter(|(job, (control, created_at), cancelled)| {
                waits(job, *cancelled) && *created_at < events && live.iter().all(|session| obeyed(session, *control))
            })
            .map(|(job, ..)| Input::NeverStarted { job_id: job.job_id, dispatch: job.dispatch })
            .collect()
    }
}

/// How often a replica beats while a cancel waits to settle.
pub(crate) const PRESSING: Millis = if BEAT < 200 { BEAT } else { 200 };
