//! Time, processes and connections: takes one step after the other, and lets befall them what the plan says.

mod faults;
mod net;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use drover_engine::{
    Answer, Input,
    fold::simulation::{shapes, tape::Tape},
};
use drover_protocol::{JobId, JobType};

use crate::{
    Millis, Rule, Run, Who,
    broker::{Body, Broker, Conn, Queue, Tag},
    database::{Database, Work},
    fleet::Fleet,
    ledger::Ledger,
    orchestrator::{self, Orchestrator, Purpose},
    plan::{Act, CALM, Entry, ORCHESTRATORS, Plan, Point, WORKERS, When},
    rng::Rng,
    worker::{self, Worker},
};

/// Everything has to come to its end by then: back-offs, time-outs, cancels that are abandoned.
const END: Millis = 20 * 60 * 1_000;
/// More steps than any run needs.
const MOST_STEPS: u64 = 400_000;

/// What a process has in common with the others.
pub(crate) struct Process {
    /// Rises with each start: what was meant for an earlier one is dropped.
    pub(crate) life: u32,
    pub(crate) up: bool,
    pub(crate) conn: Option<Conn>,
    asleep_until: Millis,
    cut_until: Millis,
    pub(crate) rng: Rng,
}

/// What is sent to the broker.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Publish { id: u64, messages: Vec<Message> },
    Ack(Vec<Tag>),
    GiveBack(Vec<Tag>),
    Consume { queue: Queue, prefetch: usize },
    StopConsuming,
}

/// A message, with the row of the outbox that owes it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) queue: Queue,
    pub(crate) body: Body,
    pub(crate) row: Option<u64>,
}

/// What comes from the broker.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    Delivery(Queue, Tag, Body),
    Confirm(u64),
}

/// A step that is to be taken.
pub(crate) enum Step {
    Plan(usize),
    Start(Who),
    Connect(Who, u32),
    ToBroker(Conn, Packet),
    ToClient(Who, u32, Conn, Arrival),
    BrokerNotices(Conn),
    ClientNotices(Who, u32, Conn),
    Orchestrator(u64, u32, orchestrator::Step),
    Worker(u64, u32, worker::Step),
    /// A user who waits for an answer asks again.
    Ask(Act),
}

/// See the module.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) broken: Option<Rule>,
    pub(crate) processes: BTreeMap<Who, Process>,
    pub(crate) orchestrators: BTreeMap<u64, Orchestrator>,
    pub(crate) workers: BTreeMap<u64, Worker>,
    pub(crate) broker: Broker,
    pub(crate) database: Database,
    pub(crate) fleet: Fleet,
    pub(crate) ledger: Ledger,
    pub(crate) rng: Rng,
    entries: Vec<Entry>,
    struck: Vec<bool>,
    counts: BTreeMap<Point, u32>,
    steps: BTreeMap<(Millis, u64), Step>,
    next: u64,
    taken: u64,
    /// When the last packet in each direction of a connection arrives: they do not overtake each other.
    order: BTreeMap<(Conn, u8), Millis>,
    cut: std::collections::BTreeSet<Conn>,
    /// Which session speaks on a connection.
    voices: BTreeMap<Conn, drover_protocol::WorkerSession>,
    trace: Option<Vec<String>>,
}

/// Runs a plan to its end, or to the first violation.
pub(crate) fn run(plan: &Plan, broken: Option<Rule>, tracing: bool) -> Run {
    let mut world = World::new(plan, broken, tracing);
    let violation = catch_unwind(AssertUnwindSafe(|| world.live())).err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
    });
    Run { steps: world.taken, violation, trace: world.trace.unwrap_or_default() }
}

impl World {
    fn new(plan: &Plan, broken: Option<Rule>, tracing: bool) -> Self {
        let rng = Rng::new(plan.seed);
        let mut tape = Tape::from(plan.shape.clone());
        let database = Database::default();
        let workflows = shapes::workflows(&mut tape, 1);
        workflows.iter().for_each(|text| database.store.definitions.apply(text));
        let mut world = Self {
            now: 1,
            broken,
            processes: BTreeMap::new(),
            orchestrators: BTreeMap::new(),
            workers: BTreeMap::new(),
            broker: Broker::default(),
            database,
            fleet: Fleet::default(),
            ledger: Ledger::default(),
            rng: rng.apart(2),
            entries: plan.entries.clone(),
            struck: vec![false; plan.entries.len()],
            counts: BTreeMap::new(),
            steps: BTreeMap::new(),
            next: 0,
            taken: 0,
            order: BTreeMap::new(),
            cut: std::collections::BTreeSet::new(),
            voices: BTreeMap::new(),
            trace: tracing.then(Vec::new),
        };
        let orchestrators = (0..ORCHESTRATORS).map(Who::Orchestrator);
        for (who, name) in orchestrators.chain((0..WORKERS).map(Who::Worker)).zip(10..) {
            let process =
                Process { life: 0, up: false, conn: None, asleep_until: 0, cut_until: 0, rng: rng.apart(name) };
            world.processes.insert(who, process);
            let delay = world.rng.below(50);
            world.after(delay, Step::Start(who));
        }
        for (index, entry) in plan.entries.iter().enumerate() {
            if let Entry::User(at, _) | Entry::Fault(When::At(at, _), _) = entry {
                world.after(*at, Step::Plan(index));
            }
        }
        if plan.entries.iter().any(|entry| matches!(entry, Entry::User(_, Act::Pause { .. } | Act::PauseTypes { .. })))
        {
            world.after(CALM, Step::Ask(Act::ResumeAll));
        }
        if workflows.iter().any(|text| text.contains("wait_for")) {
            world.after(CALM, Step::Ask(Act::AnswerAll));
        }
        world
    }

    fn live(&mut self) {
        while let Some(((at, _), step)) = self.steps.pop_first() {
            self.now = self.now.max(at);
            self.taken += 1;
            assert!(self.taken < MOST_STEPS, "I1: no end after {} steps", self.taken);
            self.take(step);
            if self.now > CALM && self.taken.is_multiple_of(16) && self.is_at_rest() {
                break;
            }
            if self.now > END {
                panic!("I1: no end: {}", self.unfinished());
            }
        }
        self.reckon();
    }

    /// A step for later.
    pub(crate) fn after(&mut self, delay: Millis, step: Step) {
        self.next += 1;
        self.steps.insert((self.now + delay, self.next), step);
    }

    /// A line of the trace.
    pub(crate) fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>7} ms  {}", self.now, line(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    pub(crate) fn life(&self, who: Who) -> Option<u32> {
        self.processes.get(&who).filter(|process| process.up).map(|process| process.life)
    }

    /// Whether a step of this life of a process may be taken now; one of a sleeping process waits for its waking.
    fn awake(&mut self, who: Who, life: u32, step: Step) -> Option<Step> {
        let process = self.processes.get(&who)?;
        if !process.up || process.life != life {
            return None;
        }
        if process.asleep_until > self.now {
            let wait = process.asleep_until - self.now;
            self.after(wait, step);
            return None;
        }
        Some(step)
    }

    fn take(&mut self, step: Step) {
        let step = match &step {
            Step::Connect(who, life) | Step::ToClient(who, life, ..) | Step::ClientNotices(who, life, _) => {
                self.awake(*who, *life, step)
            }
            Step::Orchestrator(number, life, _) => self.awake(Who::Orchestrator(*number), *life, step),
            Step::Worker(number, life, _) => self.awake(Who::Worker(*number), *life, step),
            _ => Some(step),
        };
        match step {
            None => {}
            Some(Step::Plan(index)) => self.strike_planned(index),
            Some(Step::Start(who)) => self.start(who),
            Some(Step::Connect(who, _)) => self.connect(who),
            Some(Step::ToBroker(conn, packet)) => self.at_broker(conn, packet),
            Some(Step::ToClient(who, _, conn, arrival)) => self.at_client(who, conn, arrival),
            Some(Step::BrokerNotices(conn)) => {
                self.broker.close(conn);
                self.serve();
            }
            Some(Step::ClientNotices(who, _, conn)) => self.disconnected(who, conn),
            Some(Step::Orchestrator(number, _, step)) => self.orchestrate(number, step),
            Some(Step::Worker(number, _, step)) => self.work(number, step),
            Some(Step::Ask(act)) => self.ask(act),
        }
    }

    fn start(&mut self, who: Who) {
        let Some(process) = self.processes.get_mut(&who).filter(|process| !process.up) else { return };
        process.life += 1;
        (process.up, process.conn, process.asleep_until) = (true, None, 0);
        let life = process.life;
        self.tell(|_| format!("{who} starts"));
        match who {
            Who::Orchestrator(number) => self.start_orchestrator(number),
            Who::Worker(number) => self.start_worker(number),
        }
        self.after(5, Step::Connect(who, life));
    }

    /// A user asks one of the orchestrators that are there; a submission is repeated until it is answered.
    fn ask(&mut self, act: Act) {
        if matches!(act, Act::Answer { .. }) && self.database.waiting().is_empty() {
            return;
        }
        let up: Vec<u64> =
            (0..ORCHESTRATORS).filter(|number| self.life(Who::Orchestrator(*number)).is_some()).collect();
        let orchestrator = self.rng.of(&up);
        let (purpose, work) = match act {
            Act::Submit { key, workflow, later } => {
                if self.ledger.is_answered(key) {
                    return;
                }
                let again = self.rng.between(1_000, 4_000);
                self.after(again, Step::Ask(act));
                (Purpose::Submit(key), Work::Submit { key, workflow, later })
            }
            Act::Cancel { pick, now } => {
                let Some(job_id) = self.job(pick) else { return };
                (Purpose::User, Work::Fold(vec![Input::Cancel { job_id, now }]))
            }
            Act::Pause { pick } => {
                let Some(job_id) = self.job(pick) else { return };
                (Purpose::User, Work::Fold(vec![Input::Pause { job_id }]))
            }
            Act::PauseTypes { work, clean } => {
                let named = [("work", work), ("clean", clean)].into_iter().filter(|(_, paused)| *paused);
                let types = named.filter_map(|(name, _)| JobType::new(name).ok()).collect();
                (Purpose::User, Work::PauseTypes(types))
            }
            Act::Resume { pick } => {
                let Some(job_id) = self.job(pick) else { return };
                (Purpose::User, Work::Fold(vec![Input::Resume { job_id }]))
            }
            Act::ResumeAll => {
                self.after(1_000, Step::Ask(act));
                let resumes = self.database.resumes();
                match (resumes.is_empty(), self.database.pauses.types.is_empty()) {
                    (true, true) => return,
                    (true, false) => (Purpose::User, Work::PauseTypes(BTreeSet::new())),
                    (false, _) => (Purpose::User, Work::Fold(resumes)),
                }
            }
            Act::Answer { pick, approved } => {
                let waiting = self.database.waiting();
                let count = u64::try_from(waiting.len()).unwrap_or(1).max(1);
                let Some(job_id) = waiting.get(usize::try_from(pick % count).unwrap_or(0)).copied() else { return };
                (Purpose::User, Work::Fold(vec![answer(job_id, approved)]))
            }
            Act::AnswerAll => {
                self.after(1_000, Step::Ask(act));
                let waiting = self.database.waiting();
                if waiting.is_empty() {
                    return;
                }
                (Purpose::User, Work::Fold(waiting.into_iter().map(|id| answer(id, true)).collect()))
            }
            Act::Retry { pick, from_start } => {
                let Some(job_id) = self.job(pick) else { return };
                (Purpose::User, Work::Fold(vec![Input::Retry { job_id, from_start }]))
            }
        };
        if let Some(number) = orchestrator {
            self.tell(|_| format!("a user asks orchestrator {number}: {act:?}"));
            self.orchestrate_soon(number, orchestrator::Step::Begin(purpose, work));
        }
    }

    /// The keys of what is submitted.
    pub(crate) fn submissions(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::User(_, Act::Submit { key, .. }) => Some(*key),
            _ => None,
        })
    }

    /// Roots more often than sub-jobs.
    fn job(&self, pick: u64) -> Option<JobId> {
        let rows = self.database.store.rows.values();
        let jobs: Vec<JobId> =
            rows.filter(|row| pick.is_multiple_of(2) || row.job.parent.is_none()).map(|row| row.job.id).collect();
        let count = u64::try_from(jobs.len()).unwrap_or(0);
        jobs.get(usize::try_from((pick / 2).checked_rem(count)?).ok()?).copied()
    }
}

fn answer(job_id: JobId, approved: bool) -> Input {
    Input::Answer { job_id, dispatch: None, answer: Answer { approved, by: None, reason: None, data: None } }
}
