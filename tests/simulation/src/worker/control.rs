//! What the worker says of itself, and what it is told.

use std::sync::Arc;

use drover_protocol::{Control, JobType, PausedTypes, RunningJob, WorkerEvent, WorkerEventKind};

use super::{ANNOUNCE, GRACE, ISOLATION, Step, Stop};
use crate::{
    Who,
    broker::{Body, Queue},
    world::{Message, Packet, World},
};

impl World {
    /// Asks to be welcomed, until it is.
    pub(super) fn announce(&mut self, number: u64) {
        let Some(conn) = self.processes.get(&Who::Worker(number)).and_then(|process| process.conn) else { return };
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| !worker.welcome) else { return };
        let kind =
            WorkerEventKind::WorkerUp { types: Vec::new(), version: "1".into(), host: "here".into(), concurrency: 2 };
        let event = worker.event(self.now, kind);
        self.say(number, event, Some(conn));
        self.work_after(number, ANNOUNCE, Step::Announce);
    }

    /// An event of the worker itself; its number.
    pub(super) fn say(&mut self, number: u64, event: WorkerEvent, control: Option<u64>) -> Option<u64> {
        let id = self.database.number();
        let body = Body::Worker(Arc::new(event), control);
        let messages = vec![Message { queue: Queue::Heartbeats, body, row: None }];
        self.send(Who::Worker(number), Packet::Publish { id, messages }).then_some(id)
    }

    pub(super) fn beat_worker(&mut self, number: u64) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let acknowledged = worker.ready();
        let kind = WorkerEventKind::WorkerHeartbeat {
            running: worker.held.keys().copied().collect(),
            types: ["work", "clean"].into_iter().filter_map(|name| JobType::new(name).ok()).collect(),
            acknowledged: acknowledged.clone(),
            draining: worker.ends_at.is_some(),
            paused_version: Some(worker.paused.version),
        };
        let event = worker.event(now, kind);
        if let Some(id) = self.say(number, event, None)
            && let Some(worker) = self.workers.get_mut(&number)
        {
            worker.beats.insert(id, (now, acknowledged));
        }
    }

    /// Stops everything after too long without the broker.
    pub(super) fn isolate(&mut self, number: u64) {
        let Some(worker) = self.workers.get(&number) else { return };
        if self.now - worker.contact_at < ISOLATION {
            return;
        }
        let jobs: Vec<RunningJob> = worker.held.keys().copied().collect();
        jobs.into_iter().for_each(|job| self.stop(number, job, Stop::Isolation));
    }

    pub(super) fn obey(&mut self, number: u64, control: &Control) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        match control {
            Control::Welcome { worker_session, cancelled, controls, paused, .. }
                if *worker_session == worker.session =>
            {
                if let Some(told) = paused {
                    self.obey_pauses(number, told);
                }
                let Some(worker) = self.workers.get_mut(&number) else { return };
                let first = !std::mem::replace(&mut worker.beating, true);
                worker.welcome = true;
                let met = self.cancel(number, cancelled);
                let Some(worker) = self.workers.get_mut(&number) else { return };
                for control in controls {
                    worker.acknowledge(*control, met.clone());
                }
                if first && worker.ends_at.is_none() {
                    worker.consuming = true;
                    self.consume(number);
                    self.work_after(number, 0, Step::Beat);
                } else {
                    self.work_after(number, 0, Step::Heartbeat);
                }
                self.work_after(number, 0, Step::Look);
            }
            Control::Cancel { control_id, jobs } => {
                let met = self.cancel(number, jobs);
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.acknowledge(*control_id, met);
                }
                self.work_after(number, 0, Step::Heartbeat);
            }
            Control::PausedTypes(told) => self.obey_pauses(number, told),
            Control::Withdraw { control_id, jobs } => {
                let met = worker.withdraw(jobs);
                if let Some(control_id) = control_id {
                    worker.acknowledge(*control_id, met);
                    self.work_after(number, 0, Step::Heartbeat);
                }
                self.work_after(number, 0, Step::Look);
            }
            Control::Stop { worker_session, jobs } if *worker_session == worker.session => {
                jobs.iter().for_each(|job| self.stop(number, *job, Stop::Taken));
            }
            _ => {}
        }
    }

    /// Leaves the queues of the paused types, with what it had taken from them.
    fn obey_pauses(&mut self, number: u64, told: &PausedTypes) {
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| told.version > worker.paused.version) else {
            return;
        };
        worker.paused = told.clone();
        if worker.consuming {
            let tags = worker.inbox.drain(..).map(|waiting| waiting.tag).collect();
            self.send(Who::Worker(number), Packet::StopConsuming);
            self.send(Who::Worker(number), Packet::GiveBack(tags));
            self.consume(number);
        }
        self.work_after(number, 0, Step::Heartbeat);
    }

    /// Never starts these dispatches or earlier ones, and stops those that run; gives what it stops.
    pub(super) fn cancel(&mut self, number: u64, jobs: &[RunningJob]) -> Vec<RunningJob> {
        let Some(worker) = self.workers.get_mut(&number) else { return Vec::new() };
        let mut met = Vec::new();
        for job in jobs {
            let dispatch = worker.cancelled.entry(job.job_id).or_default();
            *dispatch = job.dispatch.max(*dispatch);
            let up_to_it = RunningJob { dispatch: 0, ..*job }..=*job;
            met.extend(worker.held.range(up_to_it).map(|(job, _)| *job));
        }
        met.iter().for_each(|job| self.stop(number, *job, Stop::Cancel));
        met
    }

    pub(super) fn stop(&mut self, number: u64, job: RunningJob, why: Stop) {
        let who = Who::Worker(number);
        let Some(wait) = self.processes.get_mut(&who).map(|process| process.rng.between(1, GRACE)) else { return };
        let Some(held) = self.workers.get_mut(&number).and_then(|worker| worker.held.get_mut(&job)) else { return };
        let first = held.stop.is_none();
        held.stop = held.stop.max(Some(why));
        if first && !held.ended {
            self.work_after(number, wait, Step::Returned(job));
        }
    }
}
