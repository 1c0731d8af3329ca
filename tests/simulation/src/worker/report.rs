//! The reporter: keeps each event until the broker has confirmed it; and the handlers whose events they are.

use std::sync::Arc;

use drover_protocol::{JobError, JobEvent, JobEventKind, RunningJob};

use super::{Held, Step, Stop, Worker};
use crate::{
    Millis, Who,
    broker::{Body, Queue, Tag},
    handler::{self, Deed, End},
    instant,
    plan::Point,
    world::{Message, Packet, World},
};

/// Most events of a message.
const EVENTS: usize = 8;
/// Delay before what was not confirmed is sent again.
const RETRY: Millis = 100;

/// An event on its way, and what its confirm brings.
pub(super) struct Outgoing {
    event: JobEvent,
    then: Then,
}

#[derive(Clone, Copy)]
pub(super) enum Then {
    /// The job's message is acknowledged.
    Started,
    /// The job is held no more.
    Ended,
    /// The message of a job that never began is acknowledged.
    Settle(Tag),
    /// The handler that sent items goes on.
    Tell,
    /// Nothing; without a confirm the latest progress is sent anew.
    Progress,
}

impl World {
    /// `started` has waited long enough for a quick end.
    pub(super) fn promote(&mut self, number: u64, job: RunningJob) {
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.promote(self.now, job);
            self.work_after(number, 0, Step::Report);
        }
    }

    /// The next deed of a handler.
    pub(super) fn do_deed(&mut self, number: u64, job: RunningJob) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let Some(held) = worker.held.get_mut(&job).filter(|held| !held.ended) else { return };
        let Some((_, deed)) = held.script.0.pop_front() else { return };
        let (attempt, call) = (held.attempt, held.call);
        match deed {
            Deed::Progress(percent) => {
                let report = handler::report(percent);
                held.latest = Some(report.clone());
                worker.push(now, job, attempt, JobEventKind::Progress(report), Then::Progress);
                self.next_deed(number, job);
            }
            Deed::Items(values) => {
                held.sent += values.len();
                self.ledger.calls[call].list.extend(values.iter().cloned());
                let kind = JobEventKind::Items { name: "list".into(), values };
                worker.push(now, job, attempt, kind, Then::Tell);
            }
            Deed::End(end) => self.end_job(number, job, Some(end)),
            Deed::KillWorker => {
                self.tell(|_| format!("{}/{} kills worker {number}", crate::short(job.job_id), job.dispatch));
                return self.crash(Who::Worker(number), 500, 1);
            }
        }
        self.work_after(number, 0, Step::Report);
    }

    fn next_deed(&mut self, number: u64, job: RunningJob) {
        let held = self.workers.get(&number).and_then(|worker| worker.held.get(&job));
        let pause = held.and_then(|held| held.script.0.front()).map(|(pause, _)| *pause);
        if let Some(pause) = pause {
            self.work_after(number, pause, Step::Deed(job));
        }
    }

    /// A handler that was told to stop returns.
    pub(super) fn returned(&mut self, number: u64, job: RunningJob) {
        let done = self.processes.get_mut(&Who::Worker(number)).is_some_and(|process| process.rng.one_in(5));
        let unfinished =
            self.workers.get(&number).and_then(|worker| worker.held.get(&job)).is_some_and(|held| !held.ended);
        if unfinished {
            self.end_job(number, job, done.then_some(End::Done));
            self.work_after(number, 0, Step::Report);
        }
    }

    /// The handler's last word. `end`: as it returned by itself; else it stopped for the reason it was given.
    fn end_job(&mut self, number: u64, job: RunningJob, end: Option<End>) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let Some(held) = worker.held.get_mut(&job) else { return };
        held.ended = true;
        let (attempt, call, stop) = (held.attempt, held.call, held.stop);
        let kind = last_word(held, end);
        let completed = matches!(kind, Some(JobEventKind::Completed { .. } | JobEventKind::CompletedWithErrors { .. }));
        let name = kind.as_ref().map_or("nothing", JobEventKind::name);
        match kind {
            Some(kind) => {
                worker.promote(now, job);
                worker.push(now, job, attempt, kind, Then::Ended);
            }
            None => {
                worker.promote(now, job);
                worker.end(job);
            }
        }
        let called = &mut self.ledger.calls[call];
        (called.runs, called.completed) = (false, completed);
        self.tell(|_| {
            format!("worker {number} ends {}/{}: {name}, stop {stop:?}", crate::short(job.job_id), job.dispatch)
        });
        self.work_after(number, 0, Step::Look);
        self.reach(Point::Ended, Who::Worker(number));
    }

    pub(super) fn report(&mut self, number: u64) {
        let (now, who) = (self.now, Who::Worker(number));
        let Some(worker) = self.workers.get_mut(&number) else { return };
        if worker.flight.is_some() || worker.buffer.is_empty() {
            return;
        }
        if now < worker.not_before {
            let wait = worker.not_before - now;
            self.work_after(number, wait, Step::Report);
            return;
        }
        let id = self.database.number();
        let count = worker.buffer.len().min(EVENTS);
        let entries: Vec<Outgoing> = worker.buffer.drain(..count).collect();
        let events = entries.iter().map(|entry| entry.event.clone()).collect();
        worker.flight = Some((id, entries));
        let messages = vec![Message { queue: Queue::Events, body: Body::Events(Arc::new(events)), row: None }];
        if !self.send(who, Packet::Publish { id, messages })
            && let Some(worker) = self.workers.get_mut(&number)
        {
            // Without a connection; the next one sends it.
            worker.not_confirmed(now);
        }
    }

    pub(super) fn confirmed(&mut self, number: u64, id: u64) {
        let who = Who::Worker(number);
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let Some((_, entries)) = worker.flight.take_if(|(flight, _)| *flight == id) else { return };
        let (mut acks, mut told, mut started) = (Vec::new(), Vec::new(), false);
        for Outgoing { event, then } in entries {
            let job = RunningJob { job_id: event.job_id, dispatch: event.dispatch };
            match then {
                Then::Started => {
                    acks.extend(worker.orphans.remove(&job).unwrap_or_default());
                    if let Some(held) = worker.held.get_mut(&job) {
                        held.confirmed = true;
                        acks.append(&mut held.receipts);
                        started = true;
                    }
                }
                Then::Ended => worker.end(job),
                Then::Settle(tag) => acks.push(tag),
                Then::Tell => told.push(job),
                Then::Progress => {}
            }
        }
        if started && worker.acknowledgements.iter().any(|own| !own.unconfirmed.is_empty()) {
            self.work_after(number, 0, Step::Heartbeat);
        }
        if !acks.is_empty() {
            self.send(who, Packet::Ack(acks));
        }
        told.into_iter().for_each(|job| self.next_deed(number, job));
        self.work_after(number, 0, Step::Report);
        self.reach(Point::Confirmed, who);
    }
}

fn last_word(held: &Held, end: Option<End>) -> Option<JobEventKind> {
    let progress = held.latest.clone();
    if held.stop == Some(Stop::Taken) {
        return None;
    }
    Some(match (end, held.stop) {
        (Some(end), _) => handler::event(end, held.call, held.sent, progress),
        (None, Some(Stop::Timeout)) => {
            handler::failed(JobError::retryable("timeout", "it ran too long"), held.sent, progress)
        }
        (None, Some(Stop::Drain | Stop::Isolation)) => JobEventKind::Released { progress },
        (None, _) => JobEventKind::Cancelled { result: None, items: handler::lists(held.sent), progress },
    })
}

impl Worker {
    pub(super) fn push(&mut self, now: Millis, job: RunningJob, attempt: u32, kind: JobEventKind, then: Then) {
        let event = JobEvent {
            job_id: job.job_id,
            attempt,
            dispatch: job.dispatch,
            worker_session: self.session,
            seq: self.next_seq(),
            at: instant(now),
            kind,
        };
        self.buffer.push_back(Outgoing { event, then });
    }

    fn promote(&mut self, now: Millis, job: RunningJob) {
        if let Some(held) = self.held.get_mut(&job).filter(|held| held.held_back) {
            held.held_back = false;
            let attempt = held.attempt;
            self.push(now, job, attempt, JobEventKind::Started, Then::Started);
        }
    }

    /// The job's last event is confirmed, or there is none.
    fn end(&mut self, job: RunningJob) {
        if let Some(held) = self.held.remove(&job).filter(|held| !held.confirmed) {
            self.orphans.insert(job, held.receipts);
        }
        let finished = self.finished.entry(job.job_id).or_default();
        *finished = job.dispatch.max(*finished);
    }

    /// What is on its way is not confirmed: it is sent again, before all others.
    pub(super) fn not_confirmed(&mut self, now: Millis) {
        let Some((_, entries)) = self.flight.take() else { return };
        self.not_before = now + RETRY;
        for entry in entries.into_iter().rev() {
            let job = RunningJob { job_id: entry.event.job_id, dispatch: entry.event.dispatch };
            let over = self.held.get(&job).is_none_or(|held| held.ended);
            if over && matches!(entry.then, Then::Progress) {
                // The last event of a job carries its progress.
                continue;
            }
            self.buffer.push_front(entry);
        }
    }
}
