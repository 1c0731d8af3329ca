//! The lane: takes job messages from their queues, and begins a job for each as permits allow.

use drover_protocol::{JobEventKind, JobId, RunningJob};

use super::{Held, PATIENCE, Step, Waiting, report::Then};
use crate::{
    Millis, Who,
    handler::Script,
    plan::Point,
    rules::Rule,
    world::{Packet, World},
};
use std::collections::BTreeMap;

impl World {
    /// Looks at what waits for a permit.
    pub(super) fn look(&mut self, number: u64) {
        let (now, who) = (self.now, Who::Worker(number));
        loop {
            let Some(worker) = self.workers.get_mut(&number) else { return };
            let Some(front) = worker.inbox.front() else { break };
            let job = RunningJob { job_id: front.job.id, dispatch: front.job.dispatch };
            let known =
                |map: &BTreeMap<JobId, u32>| map.get(&job.job_id).is_some_and(|dispatch| job.dispatch <= *dispatch);
            if let Some(held) = worker.held.get_mut(&job) {
                let tag = front.tag;
                worker.inbox.pop_front();
                if held.confirmed {
                    self.send(who, Packet::Ack(vec![tag]));
                } else {
                    held.receipts.push(tag);
                }
            } else if known(&worker.finished) {
                let tags = worker.inbox.pop_front().map(|waiting| waiting.tag).into_iter().collect();
                self.send(who, Packet::Ack(tags));
            } else if known(&worker.cancelled) && self.broken != Some(Rule::TombstonesAreObeyed) {
                let Some(waiting) = worker.inbox.pop_front() else { break };
                if self.broken == Some(Rule::QueuedCancelSettlesByAcks) {
                    let kind = JobEventKind::Cancelled { result: None, items: Default::default(), progress: None };
                    worker.push(now, job, waiting.job.attempt, kind, Then::Settle(waiting.tag));
                    self.work_after(number, 0, Step::Report);
                } else {
                    self.send(who, Packet::Ack(vec![waiting.tag]));
                }
            } else if worker.leaves(front.job.job_type.as_str()) {
                // It was on its way when the type was paused.
                let tags = worker.inbox.pop_front().map(|waiting| waiting.tag).into_iter().collect();
                self.send(who, Packet::GiveBack(tags));
            } else if worker.may_begin(now, self.broken) {
                if let Some(waiting) = worker.inbox.pop_front() {
                    self.begin_job(number, waiting);
                    if self.life(who).is_none() {
                        return;
                    }
                }
            } else {
                break;
            }
        }
        self.pace(number);
    }

    /// Leaves the queue to others when no permit came in time, and comes back when there is one.
    pub(super) fn pace(&mut self, number: u64) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        if worker.inbox.front().is_some_and(|front| front.since + PATIENCE <= now) {
            worker.consuming = false;
            let tags = worker.inbox.drain(..).map(|waiting| waiting.tag).collect();
            self.send(Who::Worker(number), Packet::StopConsuming);
            self.send(Who::Worker(number), Packet::GiveBack(tags));
        } else if !worker.consuming && worker.ends_at.is_none() && worker.may_begin(now, self.broken) {
            worker.consuming = true;
            self.consume(number);
        }
    }

    pub(super) fn begin_job(&mut self, number: u64, waiting: Waiting) {
        let who = Who::Worker(number);
        let Waiting { tag, job, .. } = waiting;
        let running = RunningJob { job_id: job.id, dispatch: job.dispatch };
        let Some(script) = self.processes.get_mut(&who).map(|process| Script::draw(&mut process.rng)) else { return };
        let Some(session) = self.workers.get(&number).map(|worker| worker.session) else { return };
        self.tell(|_| {
            format!("{who} ({}) begins {}/{}", crate::short_session(session), crate::short(job.id), job.dispatch)
        });
        self.check_pause(session, &job.job_type);
        let call = self.ledger.begins(running, session);
        let first = script.0.front().map_or(0, |(pause, _)| *pause);
        let early = self.broken == Some(Rule::JobIsAckedAfterStarted);
        let held = Held {
            attempt: job.attempt,
            call,
            script,
            sent: 0,
            latest: None,
            held_back: true,
            confirmed: false,
            receipts: if early { Vec::new() } else { vec![tag] },
            stop: None,
            ended: false,
        };
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.held.insert(running, held);
        }
        if early {
            self.send(who, Packet::Ack(vec![tag]));
        }
        self.work_after(number, 2, Step::Promote(running));
        self.work_after(number, first, Step::Deed(running));
        if let Some(seconds) =
            job.timeout_seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        {
            let wait = Millis::try_from(seconds.as_millis()).unwrap_or(Millis::MAX / 2);
            self.work_after(number, wait, Step::TimeIsUp(running));
        }
        self.reach(Point::Began, who);
    }
}
