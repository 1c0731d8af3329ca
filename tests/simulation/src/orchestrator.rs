//! An orchestrator: intake, relay and duties, one step at a time. Between any two it can die.

mod duties;
mod relay;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use drover_engine::Input;
use drover_protocol::{Control, ControlId, RunningJob, WorkerEventKind};

use crate::{
    LEASE, Millis, Who,
    broker::{Body, Queue, Tag},
    database::{Owed, Refused, Work},
    plan::{NOTICED, Point},
    rules::Rule,
    world::{Arrival, Message, Packet, World},
};

/// A delivery may be on its way while intake thinks that it is idle.
const IN_FLIGHT: Millis = 150;
/// Queues that intake reads: events and heartbeats.
const EVENTS: usize = 0;
const HEARTBEATS: usize = 1;
const PREFETCH: usize = 20;

/// See the module.
pub(crate) struct Orchestrator {
    /// Who it is; another one in each life.
    replica: u64,
    inbox: [VecDeque<(Tag, Body)>; 2],
    /// When the batch in hand was taken up.
    began: [Option<Millis>; 2],
    /// What it had folded when it lost its connection, and until when that holds: the broker may not know yet.
    held: Option<(Millis, Millis)>,
    flights: BTreeMap<u64, Vec<u64>>,
    open: BTreeSet<u64>,
    epoch: Option<u32>,
    recovered: Option<u32>,
}

/// What goes on after a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Intake(Batch),
    Duty,
    Recover(u32),
    Submit(u64),
    User,
}

/// Deliveries that are folded together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    tags: Vec<Tag>,
    bodies: Vec<Body>,
}

/// A step of an orchestrator.
pub(crate) enum Step {
    Take(usize),
    Begin(Purpose, Work),
    /// With the work, should the commit fail.
    Commit(Purpose, Work, u64),
    Fleet(Batch),
    Ack(usize, Batch),
    Send(Vec<Owed>),
    Forget(Vec<u64>),
    Tick(Duty),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Duty {
    Beat,
    Timers,
    Leases,
    Cancels,
    Sweep,
    Epoch,
}

impl World {
    pub(crate) fn orchestrate_soon(&mut self, number: u64, step: Step) {
        let delay = self.processes.get_mut(&Who::Orchestrator(number)).map_or(0, |process| process.rng.between(1, 6));
        self.orchestrate_after(number, delay, step);
    }

    fn orchestrate_after(&mut self, number: u64, delay: Millis, step: Step) {
        if let Some(life) = self.life(Who::Orchestrator(number)) {
            self.after(delay, crate::world::Step::Orchestrator(number, life, step));
        }
    }

    pub(crate) fn start_orchestrator(&mut self, number: u64) {
        let orchestrator = Orchestrator {
            replica: self.database.number(),
            inbox: Default::default(),
            began: [None, None],
            held: None,
            flights: BTreeMap::new(),
            open: BTreeSet::new(),
            epoch: None,
            recovered: None,
        };
        self.orchestrators.insert(number, orchestrator);
        for duty in [Duty::Beat, Duty::Timers, Duty::Leases, Duty::Cancels, Duty::Sweep] {
            self.orchestrate_soon(number, Step::Tick(duty));
        }
    }

    pub(crate) fn orchestrator_gone(&mut self, number: u64) {
        if let Some(orchestrator) = self.orchestrators.remove(&number) {
            orchestrator.open.into_iter().for_each(|transaction| self.database.roll_back(transaction));
        }
    }

    pub(crate) fn orchestrator_connected(&mut self, number: u64) {
        let who = Who::Orchestrator(number);
        self.send(who, Packet::Consume { queue: Queue::Events, prefetch: PREFETCH });
        self.send(who, Packet::Consume { queue: Queue::Heartbeats, prefetch: PREFETCH });
        self.orchestrate_soon(number, Step::Tick(Duty::Epoch));
    }

    pub(crate) fn orchestrator_disconnected(&mut self, number: u64) {
        let now = self.now;
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        if self.broken != Some(Rule::LostConnectionHoldsMarkers) {
            orchestrator.held = Some((orchestrator.through(now), now + NOTICED + IN_FLIGHT));
        }
        orchestrator.inbox.iter_mut().for_each(VecDeque::clear);
        orchestrator.flights.clear();
    }

    pub(crate) fn orchestrator_hears(&mut self, number: u64, arrival: Arrival) {
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        match arrival {
            Arrival::Delivery(queue, tag, body) => {
                let queue = if queue == Queue::Events { EVENTS } else { HEARTBEATS };
                orchestrator.inbox[queue].push_back((tag, body));
                self.orchestrate_after(number, 0, Step::Take(queue));
            }
            Arrival::Confirm(id) => {
                if let Some(rows) = orchestrator.flights.remove(&id) {
                    self.orchestrate_soon(number, Step::Forget(rows));
                    self.reach(Point::Confirmed, Who::Orchestrator(number));
                }
            }
        }
    }

    pub(crate) fn orchestrate(&mut self, number: u64, step: Step) {
        match step {
            Step::Take(queue) => self.take_batch(number, queue),
            Step::Begin(purpose, work) => self.begin(number, purpose, work),
            Step::Commit(purpose, work, transaction) => self.commit(number, purpose, work, transaction),
            Step::Fleet(batch) => self.fleet_events(number, batch),
            Step::Ack(queue, batch) => self.ack_batch(number, queue, &batch),
            Step::Send(rows) => self.send_rows(number, rows),
            Step::Forget(rows) => self.forget(number, rows),
            Step::Tick(duty) => self.tick(number, duty),
        }
    }

    /// What has arrived is taken up together.
    fn take_batch(&mut self, number: u64, queue: usize) {
        let who = Who::Orchestrator(number);
        let Some(most) = self.processes.get_mut(&who).map(|process| process.rng.between(1, 8)) else { return };
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        if orchestrator.began[queue].is_some() || orchestrator.inbox[queue].is_empty() {
            return;
        }
        orchestrator.began[queue] = Some(self.now);
        let count = orchestrator.inbox[queue].len().min(usize::try_from(most).unwrap_or(1));
        let (tags, bodies): (Vec<Tag>, Vec<Body>) = orchestrator.inbox[queue].drain(..count).unzip();
        let batch = Batch { tags, bodies };
        if queue == HEARTBEATS {
            self.orchestrate_soon(number, Step::Fleet(batch));
            return;
        }
        if self.broken == Some(Rule::EventsAreAckedAfterCommit) {
            self.send(who, Packet::Ack(batch.tags.clone()));
        }
        let inputs: Vec<Input> = batch.events().map(Input::Event).collect();
        if inputs.is_empty() {
            self.orchestrate_soon(number, Step::Ack(EVENTS, batch));
            return;
        }
        self.orchestrate_soon(number, Step::Begin(Purpose::Intake(batch), Work::Fold(inputs)));
    }

    fn begin(&mut self, number: u64, purpose: Purpose, work: Work) {
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        match self.database.begin(self.now, work.clone(), orchestrator.epoch, self.broken) {
            Ok(transaction) => {
                orchestrator.open.insert(transaction);
                self.orchestrate_soon(number, Step::Commit(purpose, work, transaction));
                self.reach(Point::Begun, Who::Orchestrator(number));
            }
            Err(Refused::Locked) => self.orchestrate_soon(number, Step::Begin(purpose, work)),
            Err(Refused::Away) => self.failed(number, purpose, work),
        }
    }

    /// Intake tries again until it succeeds; a duty finds it in its next round; a user hears of it.
    fn failed(&mut self, number: u64, purpose: Purpose, work: Work) {
        if matches!(purpose, Purpose::Intake(_)) {
            self.orchestrate_after(number, 250, Step::Begin(purpose, work));
        }
    }

    fn commit(&mut self, number: u64, purpose: Purpose, work: Work, transaction: u64) {
        let who = Who::Orchestrator(number);
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        orchestrator.open.remove(&transaction);
        let Some((transaction, committed)) = self.database.commit(self.now, transaction) else {
            self.failed(number, purpose, work);
            return;
        };
        for line in &transaction.told {
            self.tell(|_| format!("{who} commits: {line}"));
        }
        self.after_commit(&transaction, &committed);
        let life = self.life(who);
        self.reach(Point::Committed, who);
        if life.is_none() || life != self.life(who) {
            return;
        }
        if self.now < self.database.away_until {
            // It is committed, and the answer was lost: what is owed stays in the outbox.
            self.failed(number, purpose, work);
            return;
        }
        if !committed.owed.is_empty() {
            self.orchestrate_soon(number, Step::Send(committed.owed));
        }
        match purpose {
            Purpose::Intake(batch) => self.orchestrate_soon(number, Step::Ack(EVENTS, batch)),
            Purpose::Recover(epoch) => {
                if let Some(orchestrator) = self.orchestrators.get_mut(&number) {
                    orchestrator.recovered = Some(epoch);
                }
            }
            Purpose::Submit(key) => {
                let accepted = transaction.accepted;
                self.tell(|_| {
                    format!("{who} answers: submission {key} is {}", accepted.map_or_else(String::new, crate::short))
                });
                self.ledger.answered(key, accepted);
            }
            Purpose::Duty | Purpose::User => {}
        }
    }

    /// Arrivals are answered, heartbeats renew leases.
    fn fleet_events(&mut self, number: u64, batch: Batch) {
        if self.now < self.database.away_until {
            self.orchestrate_after(number, 250, Step::Fleet(batch));
            return;
        }
        let tells_pauses = self.broken != Some(Rule::PausesAreToldAgain);
        let mut answers = Vec::new();
        for body in &batch.bodies {
            let Body::Worker(event, control) = body else { continue };
            let (session, seq) = (event.worker_session, event.seq);
            match &event.kind {
                WorkerEventKind::WorkerUp { .. } => {
                    self.fleet.worker_up(self.now, session, seq);
                    let Some(queue) = control else { continue };
                    let welcome = Control::Welcome {
                        worker_session: session,
                        cancelled: self.database.tombstones.keys().copied().collect(),
                        controls: self.database.tombstones.values().map(|(control, _)| *control).collect(),
                        paused: tells_pauses.then(|| self.database.pauses.clone()),
                        lease_seconds: 1.0,
                    };
                    let mut withdrawn: BTreeMap<ControlId, Vec<RunningJob>> = BTreeMap::new();
                    for (job, (control, _)) in &self.database.withdrawn {
                        withdrawn.entry(*control).or_default().push(*job);
                    }
                    answers.extend(withdrawn.into_iter().map(|(control_id, jobs)| {
                        (Queue::Control(*queue), Control::Withdraw { control_id: Some(control_id), jobs })
                    }));
                    answers.push((Queue::Control(*queue), welcome));
                }
                WorkerEventKind::WorkerHeartbeat { running, acknowledged, paused_version, .. } => {
                    let (fleet, database) = (&mut self.fleet, &mut self.database);
                    let jobs = fleet.heartbeat(self.now, database, session, seq, running, acknowledged);
                    if !jobs.is_empty() {
                        answers.push((Queue::Everybody, Control::Stop { worker_session: session, jobs }));
                    }
                    let obeyed = paused_version.unwrap_or(0);
                    self.fleet.obeys(session, obeyed);
                    if obeyed < self.database.pauses.version && tells_pauses {
                        answers.push((Queue::Everybody, Control::PausedTypes(self.database.pauses.clone())));
                    }
                }
                WorkerEventKind::WorkerDown => self.fleet.worker_down(self.now, session, seq),
            }
        }
        let message = |(queue, control)| Message { queue, body: Body::Control(Arc::new(control)), row: None };
        let messages: Vec<Message> = answers.into_iter().map(message).collect();
        if !messages.is_empty() {
            let id = self.database.number();
            self.send(Who::Orchestrator(number), Packet::Publish { id, messages });
        }
        self.orchestrate_soon(number, Step::Ack(HEARTBEATS, batch));
    }

    /// The markers among them are noted, then all are acknowledged.
    fn ack_batch(&mut self, number: u64, queue: usize, batch: &Batch) {
        if self.now >= self.database.away_until {
            for body in &batch.bodies {
                if let Body::Marker(sent_at) = body {
                    self.fleet.marker_received(self.now, queue, *sent_at);
                }
            }
        }
        let who = Who::Orchestrator(number);
        self.send(who, Packet::Ack(batch.tags.clone()));
        if let Some(orchestrator) = self.orchestrators.get_mut(&number) {
            orchestrator.began[queue] = None;
        }
        self.orchestrate_after(number, 0, Step::Take(queue));
        if queue == EVENTS {
            self.reach(Point::Acked, who);
        }
    }
}

impl Orchestrator {
    /// Everything that had been received by then is committed.
    fn through(&self, now: Millis) -> Millis {
        let behind = self.began.iter().flatten().map(|began| now - began).max().unwrap_or(0);
        now.saturating_sub(behind + IN_FLIGHT)
    }
}

impl Batch {
    fn events(&self) -> impl Iterator<Item = drover_protocol::JobEvent> {
        let events = self.bodies.iter().filter_map(|body| match body {
            Body::Events(events) => Some(events),
            _ => None,
        });
        events.flat_map(|events| events.iter().cloned())
    }
}

const _: () = assert!(LEASE > NOTICED, "a replica that died is waited for until the broker knows of it");
