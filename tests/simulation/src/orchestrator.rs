//! An orchestrator: intake, relay and duties, one step at a time. Between any two it can die.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use drover_engine::Input;
use drover_protocol::{Control, JobMessage, JobStatus, RunningJob, WorkerEventKind};

use crate::{
    BEAT, LEASE, Millis, Who,
    broker::{Body, Queue, Tag},
    database::{Outgoing, Owed, Refused, Work},
    fleet::PRESSING,
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
                        lease_seconds: 1.0,
                    };
                    answers.push((Queue::Control(*queue), welcome));
                }
                WorkerEventKind::WorkerHeartbeat { running, acknowledged, .. } => {
                    let (fleet, database) = (&mut self.fleet, &mut self.database);
                    let jobs = fleet.heartbeat(self.now, database, session, seq, running, acknowledged);
                    if !jobs.is_empty() {
                        answers.push((Queue::Everybody, Control::Stop { worker_session: session, jobs }));
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

    /// Makes and publishes messages. A dispatch that is no longer current owes nothing.
    fn send_rows(&mut self, number: u64, rows: Vec<Owed>) {
        if self.now < self.database.away_until {
            return;
        }
        let (mut messages, mut done, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        for Owed { row, what } in rows {
            let made = match what {
                Outgoing::Job(job) => {
                    self.message(job).map(|job| (Queue::Jobs(job.job_type.to_string()), Body::Job(Arc::new(job))))
                }
                Outgoing::Control(control) => Some((Queue::Everybody, Body::Control(control))),
                Outgoing::Notification(id, run) => Some((Queue::Notifications, Body::Notification(id, run))),
            };
            match made {
                Some((queue, body)) => {
                    sent.push(row);
                    messages.push(Message { queue, body, row: Some(row) });
                }
                None => done.push(row),
            }
        }
        self.ledger.owe_nothing(&done);
        if self.broken == Some(Rule::RowGoesAfterConfirm) {
            done.append(&mut sent);
        }
        if !done.is_empty() {
            self.orchestrate_soon(number, Step::Forget(done));
        }
        if messages.is_empty() {
            return;
        }
        let (who, id) = (Who::Orchestrator(number), self.database.number());
        if self.send(who, Packet::Publish { id, messages }) {
            if let Some(orchestrator) = self.orchestrators.get_mut(&number) {
                orchestrator.flights.insert(id, sent);
            }
            self.reach(Point::Published, who);
        }
    }

    fn message(&self, job: RunningJob) -> Option<JobMessage> {
        let row = self.database.store.rows.get(&job.job_id)?;
        let current = matches!(row.job.status, JobStatus::Pending | JobStatus::Running);
        (row.job.dispatch == job.dispatch && current).then(|| JobMessage {
            id: row.job.id,
            job_type: row.job.job_type.clone(),
            attempt: row.job.attempt,
            dispatch: row.job.dispatch,
            parent_id: row.job.parent.map(|parent| parent.id),
            root_id: row.job.root_id,
            step: None,
            params: row.params.clone(),
            timeout_seconds: row.job.policy.timeout_ms.map(|ms| std::time::Duration::from_millis(ms).as_secs_f64()),
            deadline: None,
            idempotency_key: row.job.id.to_string(),
        })
    }

    fn forget(&mut self, number: u64, rows: Vec<u64>) {
        if self.now < self.database.away_until {
            return;
        }
        for row in rows {
            if self.database.outbox.remove(&row).is_some() {
                self.ledger.forgotten(row);
            }
        }
        self.reach(Point::Forgotten, Who::Orchestrator(number));
    }

    fn tick(&mut self, number: u64, duty: Duty) {
        let away = self.now < self.database.away_until;
        let cancelling = || self.database.store.rows.values().any(|row| row.job.status == JobStatus::Cancelling);
        let wait = match duty {
            Duty::Beat | Duty::Cancels if cancelling() => PRESSING,
            Duty::Beat | Duty::Leases => BEAT,
            Duty::Timers => 400,
            Duty::Cancels | Duty::Sweep => 1_000,
            Duty::Epoch => 60_000,
        };
        if away {
            let wait = if matches!(duty, Duty::Epoch) { 2_000 } else { wait };
            self.orchestrate_after(number, wait, Step::Tick(duty));
            return;
        }
        let mut found = Vec::new();
        match duty {
            Duty::Beat => self.beat(number),
            Duty::Timers => found = self.database.due(self.now),
            Duty::Leases if self.broken == Some(Rule::LeasesExpire) => {}
            Duty::Leases => found = self.fleet.lost_leases(self.now, &self.database),
            Duty::Cancels => found = self.fleet.settled_cancels(&self.database, self.broken),
            Duty::Sweep if self.broken == Some(Rule::OutboxIsSwept) => {}
            Duty::Sweep => {
                let rows = self.database.claim(self.now);
                if !rows.is_empty() {
                    self.orchestrate_soon(number, Step::Send(rows));
                }
            }
            Duty::Epoch => return self.look_at_epoch(number),
        }
        if !found.is_empty() {
            self.orchestrate_soon(number, Step::Begin(Purpose::Duty, Work::Fold(found)));
        }
        self.orchestrate_after(number, wait, Step::Tick(duty));
    }

    fn beat(&mut self, number: u64) {
        let now = self.now;
        let Some(orchestrator) = self.orchestrators.get(&number) else { return };
        let mut through = orchestrator.through(now);
        if let Some((held, _)) = orchestrator.held.filter(|(_, until)| *until > now) {
            through = through.min(held);
        }
        let replica = orchestrator.replica;
        self.fleet.beat(now, replica, through);
        let marker = |queue| Message { queue, body: Body::Marker(now), row: None };
        let messages = vec![marker(Queue::Events), marker(Queue::Heartbeats)];
        let id = self.database.number();
        self.send(Who::Orchestrator(number), Packet::Publish { id, messages });
    }

    /// When the broker came back without what it held, what it held is dispatched again.
    fn look_at_epoch(&mut self, number: u64) {
        let connected = self.processes.get(&Who::Orchestrator(number)).is_some_and(|process| process.conn.is_some());
        let epoch = self.broker.epoch;
        let Some(orchestrator) = self.orchestrators.get_mut(&number) else { return };
        if !connected {
            return;
        }
        orchestrator.epoch = Some(epoch);
        if orchestrator.recovered == Some(epoch) || self.broken == Some(Rule::LostBrokerIsRecovered) {
            return;
        }
        let lost = self.database.lost_dispatches(epoch, self.broken);
        if lost.is_empty() {
            orchestrator.recovered = Some(epoch);
        } else {
            self.orchestrate_soon(number, Step::Begin(Purpose::Recover(epoch), Work::Fold(lost)));
            // Should that fail.
            self.orchestrate_after(number, 2_000, Step::Tick(Duty::Epoch));
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
