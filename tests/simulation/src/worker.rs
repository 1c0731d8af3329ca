//! A worker as the SDK makes it: what it holds, must not start and has done; lane, heartbeat, control.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use drover_protocol::{
    ControlId, JobId, JobMessage, PausedTypes, ProgressReport, RunningJob, WorkerEvent, WorkerEventKind, WorkerSession,
};
use uuid::Uuid;

use crate::{
    LEASE, Millis, Who,
    broker::{Body, Queue, Tag},
    handler::Script,
    instant,
    plan::Point,
    rules::Rule,
    world::{Arrival, Packet, World},
};

mod control;
mod lane;
mod report;

use report::Outgoing;

/// Handlers at once.
const CONCURRENCY: usize = 2;
const PREFETCH: usize = 3;
/// How long a message may wait for a permit while another worker may be idle.
const PATIENCE: Millis = 1_000;
/// How often it asks to be welcomed.
const ANNOUNCE: Millis = 1_000;
/// After this long without the broker it stops its jobs.
const ISOLATION: Millis = 12_000;
/// How long a handler that was told to stop may take.
const GRACE: Millis = 1_500;
/// How long running jobs have when the worker is told to end.
const DRAIN: Millis = 2_000;
/// An acknowledgement is repeated, since a heartbeat may be lost.
const REPEATS: u8 = 10;

/// Why a job was told to stop; a later reason counts when it is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Drain,
    Isolation,
    Timeout,
    Cancel,
    Taken,
}

/// A job from its permit to the confirm of its last event.
pub(crate) struct Held {
    attempt: u32,
    call: usize,
    script: Script,
    sent: usize,
    latest: Option<ProgressReport>,
    /// `started` waits a moment for a quick end.
    held_back: bool,
    confirmed: bool,
    receipts: Vec<Tag>,
    stop: Option<Stop>,
    ended: bool,
}

struct Waiting {
    tag: Tag,
    job: Arc<JobMessage>,
    since: Millis,
}

struct Acknowledgement {
    control: ControlId,
    /// Jobs that the cancel met before their `started` was confirmed.
    unconfirmed: Vec<RunningJob>,
    repeats_left: u8,
}

/// See the module.
pub(crate) struct Worker {
    pub(crate) session: WorkerSession,
    seq: u64,
    /// It was welcomed on this connection: it missed no cancel.
    welcome: bool,
    /// Heartbeats begin with the first welcome.
    beating: bool,
    consuming: bool,
    /// The job types of which it takes nothing.
    paused: PausedTypes,
    inbox: VecDeque<Waiting>,
    held: BTreeMap<RunningJob, Held>,
    /// Receipts of jobs that were taken away before their `started` was confirmed.
    orphans: BTreeMap<RunningJob, Vec<Tag>>,
    /// What was cancelled or withdrawn.
    cancelled: BTreeMap<JobId, u32>,
    finished: BTreeMap<JobId, u32>,
    buffer: VecDeque<Outgoing>,
    flight: Option<(u64, Vec<Outgoing>)>,
    not_before: Millis,
    acknowledgements: Vec<Acknowledgement>,
    /// Heartbeats on their way: when each was sent and what it acknowledged.
    beats: BTreeMap<u64, (Millis, BTreeSet<ControlId>)>,
    /// When the newest heartbeat was sent that the broker has.
    heard_at: Millis,
    contact_at: Millis,
    ends_at: Option<(Millis, Millis)>,
}

/// A step of a worker.
pub(crate) enum Step {
    Look,
    Promote(RunningJob),
    Deed(RunningJob),
    Returned(RunningJob),
    TimeIsUp(RunningJob),
    Report,
    Beat,
    Heartbeat,
    Announce,
    Wind,
    Leave(Millis),
}

impl World {
    fn work_after(&mut self, number: u64, delay: Millis, step: Step) {
        if let Some(life) = self.life(Who::Worker(number)) {
            self.after(delay, crate::world::Step::Worker(number, life, step));
        }
    }

    pub(crate) fn start_worker(&mut self, number: u64) {
        let session = WorkerSession(Uuid::from_u128(u128::from(self.database.number())));
        let worker = Worker {
            session,
            seq: 0,
            welcome: false,
            beating: false,
            consuming: false,
            paused: PausedTypes::default(),
            inbox: VecDeque::new(),
            held: BTreeMap::new(),
            orphans: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            finished: BTreeMap::new(),
            buffer: VecDeque::new(),
            flight: None,
            not_before: 0,
            acknowledgements: Vec::new(),
            beats: BTreeMap::new(),
            heard_at: self.now,
            contact_at: self.now,
            ends_at: None,
        };
        self.workers.insert(number, worker);
    }

    pub(crate) fn worker_gone(&mut self, number: u64) {
        let Some(worker) = self.workers.remove(&number) else { return };
        for call in self.ledger.calls.iter_mut().filter(|call| call.session == worker.session) {
            call.runs = false;
        }
    }

    pub(crate) fn worker_connected(&mut self, number: u64) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        // What was cancelled before this moment may have been missed.
        worker.welcome = false;
        let consuming = worker.consuming;
        if consuming {
            self.consume(number);
        }
        self.work_after(number, 0, Step::Announce);
        self.work_after(number, 0, Step::Report);
    }

    pub(crate) fn worker_disconnected(&mut self, number: u64) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        worker.inbox.clear();
        worker.beats.clear();
        for held in worker.held.values_mut() {
            held.receipts.clear();
        }
        worker.not_confirmed(self.now);
        self.work_after(number, 150, Step::Report);
    }

    fn consume(&mut self, number: u64) {
        for kind in ["work", "clean"] {
            if self.workers.get(&number).is_some_and(|worker| !worker.leaves(kind)) {
                self.send(Who::Worker(number), Packet::Consume { queue: Queue::Jobs(kind.into()), prefetch: PREFETCH });
            }
        }
    }

    pub(crate) fn worker_hears(&mut self, number: u64, arrival: Arrival) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        match arrival {
            Arrival::Delivery(_, tag, Body::Job(job)) => {
                worker.inbox.push_back(Waiting { tag, job, since: now });
                self.work_after(number, 0, Step::Look);
                self.work_after(number, PATIENCE, Step::Look);
                self.reach(Point::Delivered, Who::Worker(number));
            }
            Arrival::Delivery(_, _, Body::Control(control)) => self.obey(number, &control),
            Arrival::Delivery(..) => {}
            Arrival::Confirm(id) => {
                worker.contact_at = now;
                if let Some((sent_at, acknowledged)) = worker.beats.remove(&id) {
                    worker.heard_at = worker.heard_at.max(sent_at);
                    worker.count_repeats(&acknowledged);
                    self.work_after(number, 0, Step::Look);
                }
                self.confirmed(number, id);
            }
        }
    }

    pub(crate) fn work(&mut self, number: u64, step: Step) {
        match step {
            Step::Look => self.look(number),
            Step::Promote(job) => self.promote(number, job),
            Step::Deed(job) => self.do_deed(number, job),
            Step::Returned(job) => self.returned(number, job),
            Step::TimeIsUp(job) => self.stop(number, job, Stop::Timeout),
            Step::Report => self.report(number),
            Step::Beat => {
                self.beat_worker(number);
                self.isolate(number);
                self.work_after(number, LEASE / 4, Step::Beat);
            }
            Step::Heartbeat => self.beat_worker(number),
            Step::Announce => self.announce(number),
            Step::Wind => self.wind_down(number),
            Step::Leave(down) => self.crash(Who::Worker(number), down, 1),
        }
    }

    /// Told to end: takes nothing more, lets its jobs finish for a while, reports, says goodbye.
    pub(crate) fn terminate(&mut self, number: u64, down: Millis) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| worker.ends_at.is_none()) else { return };
        worker.ends_at = Some((now + DRAIN, down));
        worker.consuming = false;
        let tags = worker.inbox.drain(..).map(|waiting| waiting.tag).collect();
        self.send(Who::Worker(number), Packet::StopConsuming);
        self.send(Who::Worker(number), Packet::GiveBack(tags));
        self.work_after(number, 0, Step::Wind);
    }

    fn wind_down(&mut self, number: u64) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let Some((deadline, down)) = worker.ends_at else { return };
        let busy: Vec<RunningJob> = worker.held.iter().filter(|(_, held)| !held.ended).map(|(job, _)| *job).collect();
        let unsent = !worker.buffer.is_empty() || worker.flight.is_some();
        if busy.is_empty() && (!unsent || now > deadline + 10_000) {
            let event = worker.event(now, WorkerEventKind::WorkerDown);
            self.say(number, event, None);
            self.work_after(number, 60, Step::Leave(down));
            return;
        }
        if now >= deadline {
            busy.into_iter().for_each(|job| self.stop(number, job, Stop::Drain));
        }
        self.work_after(number, 100, Step::Wind);
    }
}

impl Worker {
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn event(&mut self, now: Millis, kind: WorkerEventKind) -> WorkerEvent {
        WorkerEvent { worker_session: self.session, seq: self.next_seq(), at: instant(now), kind }
    }

    /// Whether a job may begin: the worker is welcome, has a permit, and is not one that others take for lost.
    fn may_begin(&self, now: Millis, broken: Option<Rule>) -> bool {
        let running = self.held.values().filter(|held| !held.ended).count();
        let fresh = self.heard_at + LEASE > now || broken == Some(Rule::StaleWorkerBeginsNothing);
        self.welcome && self.ends_at.is_none() && running < CONCURRENCY && fresh
    }

    fn acknowledge(&mut self, control: ControlId, met: Vec<RunningJob>) {
        self.acknowledgements.push(Acknowledgement { control, unconfirmed: met, repeats_left: REPEATS });
    }

    /// Whether it has heard what is paused.
    pub(crate) fn obeys(&self, paused: &PausedTypes) -> bool {
        self.paused.version == paused.version
    }

    /// Whether it takes nothing of this type.
    fn leaves(&self, kind: &str) -> bool {
        self.paused.all || self.paused.types.iter().any(|paused| paused.as_str() == kind)
    }

    /// Does not start these dispatches or earlier ones. What runs goes on; gives it.
    fn withdraw(&mut self, jobs: &[RunningJob]) -> Vec<RunningJob> {
        let mut met = Vec::new();
        for job in jobs {
            let dispatch = self.cancelled.entry(job.job_id).or_default();
            *dispatch = job.dispatch.max(*dispatch);
            met.extend(self.held.range(RunningJob { dispatch: 0, ..*job }..=*job).map(|(job, _)| *job));
        }
        met
    }

    /// The acknowledgements whose jobs the broker knows of by now.
    fn ready(&mut self) -> BTreeSet<ControlId> {
        for acknowledgement in &mut self.acknowledgements {
            acknowledgement.unconfirmed.retain(|job| self.held.get(job).is_some_and(|held| !held.confirmed));
        }
        let ready = self.acknowledgements.iter().filter(|acknowledgement| acknowledgement.unconfirmed.is_empty());
        ready.map(|acknowledgement| acknowledgement.control).collect()
    }

    fn count_repeats(&mut self, sent: &BTreeSet<ControlId>) {
        for acknowledgement in self.acknowledgements.iter_mut().filter(|own| sent.contains(&own.control)) {
            acknowledgement.repeats_left = acknowledgement.repeats_left.saturating_sub(1);
        }
        self.acknowledgements.retain(|own| own.repeats_left > 0);
    }
}
