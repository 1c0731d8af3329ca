//! What befalls a run from outside: users and faults, all decided before it begins, so that a failing run can be told in
//! fewer words by leaving some of it out.

use std::fmt;

use crate::{Millis, Who, rng::Rng};

/// After this nothing befalls the run any more: everything has to come to its end.
pub(crate) const CALM: Millis = 30_000;
/// The broker and its clients notice a dead connection within this time.
pub(crate) const NOTICED: Millis = 3_000;
/// Orchestrators and workers of a run.
pub(crate) const ORCHESTRATORS: u64 = 2;
pub(crate) const WORKERS: u64 = 3;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// What the workflows are made of.
    pub(crate) shape: Vec<u16>,
    pub(crate) entries: Vec<Entry>,
}

/// One thing that befalls a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry {
    User(Millis, Act),
    Fault(When, What),
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// Submits a workflow, or a job on its own; again and again until it is answered.
    Submit {
        key: u64,
        workflow: bool,
        later: bool,
    },
    /// `pick`: which of the jobs that there are.
    Cancel {
        pick: u64,
        now: bool,
    },
    Retry {
        pick: u64,
        from_start: bool,
    },
    Pause {
        pick: u64,
    },
    Resume {
        pick: u64,
    },
    /// Pauses job types: `work`, `clean`, both, or neither any more.
    PauseTypes {
        work: bool,
        clean: bool,
    },
    /// Resumes whatever somebody has paused, again and again.
    ResumeAll,
    /// Answers a job that waits for a signal; `pick`: which of those that wait.
    Answer {
        pick: u64,
        approved: bool,
    },
    /// Answers whatever waits, again and again.
    AnswerAll,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// At this time, this process.
    At(Millis, Who),
    /// When the point is reached for the n-th time, whoever reaches it.
    Nth(Point, u32),
}

/// Between two steps of a path: what has just been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    /// A transaction has begun.
    Begun,
    /// It is committed; whoever asked has not heard yet.
    Committed,
    /// Events were acknowledged.
    Acked,
    /// Messages were made of outbox rows and handed to the network.
    Published,
    /// The broker has a job message, or events; the confirm is on its way.
    Took,
    /// The confirm has arrived.
    Confirmed,
    /// Outbox rows were deleted.
    Forgotten,
    /// A worker has a job message.
    Delivered,
    /// A handler has begun.
    Began,
    /// A handler has ended.
    Ended,
}

const POINTS: [Point; 10] = [
    Point::Begun,
    Point::Committed,
    Point::Acked,
    Point::Published,
    Point::Took,
    Point::Confirmed,
    Point::Forgotten,
    Point::Delivered,
    Point::Began,
    Point::Ended,
];

/// What goes wrong. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    /// The process dies, and starts anew after `down`; the broker notices after `noticed`.
    Crash { down: Millis, noticed: Millis },
    /// It is told to end, and starts anew after that. Of an orchestrator: it dies.
    Terminate { down: Millis },
    /// It sleeps, and knows nothing of it.
    Pause { sleep: Millis },
    /// Its connection to the broker is cut; both sides notice in their time.
    Cut { heal: Millis, broker: Millis, client: Millis },
    /// The message that the broker just took is there twice.
    Duplicate,
    /// The database is away. A commit that had just succeeded looks failed.
    Outage { away: Millis },
    /// The broker loses all that it holds.
    BrokerLost,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed).apart(1);
        let length = rng.between(4, 70);
        let shape = (0..length).map(|_| u16::try_from(rng.below(1 << 16)).unwrap_or(0)).collect();
        let mut entries = Vec::new();
        for key in 0..rng.between(1, 3) {
            let (workflow, later) = (!rng.one_in(6), rng.one_in(8));
            entries.push(Entry::User(rng.below(6_000), Act::Submit { key, workflow, later }));
        }
        if rng.one_in(5) {
            burst(&mut rng, &mut entries);
        }
        for _ in 0..rng.below(5) {
            let pick = rng.number();
            let act = match rng.below(5) {
                0..3 => Act::Cancel { pick, now: rng.one_in(6) },
                _ => Act::Retry { pick, from_start: rng.one_in(3) },
            };
            entries.push(Entry::User(rng.between(100, CALM - 1), act));
        }
        pauses(&mut Rng::new(seed).apart(3), &mut entries);
        answers(&mut Rng::new(seed).apart(4), &mut entries);
        // Some runs are calm, most are not.
        for _ in 0..rng.below(14) {
            let when = when(&mut rng);
            entries.push(Entry::Fault(when, what(&mut rng, when)));
        }
        Self { seed, shape, entries }
    }
}

/// More jobs at once than the workers can take, and cancels while they wait.
fn burst(rng: &mut Rng, entries: &mut Vec<Entry>) {
    let at = rng.below(8_000);
    for key in 10..10 + rng.between(8, 24) {
        entries.push(Entry::User(at + rng.below(20), Act::Submit { key, workflow: false, later: false }));
    }
    for _ in 0..rng.between(1, 6) {
        let pick = rng.number();
        entries.push(Entry::User(at + rng.between(20, 1_500), Act::Cancel { pick, now: false }));
    }
}

/// Now and then somebody pauses and resumes jobs and job types. What is still paused in the end is resumed then.
fn pauses(rng: &mut Rng, entries: &mut Vec<Entry>) {
    if !rng.one_in(3) {
        return;
    }
    for _ in 0..rng.between(1, 5) {
        let pick = rng.number();
        let at = rng.between(20, CALM - 1);
        if rng.one_in(3) {
            let (work, clean) = (rng.one_in(2), rng.one_in(3));
            entries.push(Entry::User(at, Act::PauseTypes { work, clean }));
            continue;
        }
        entries.push(Entry::User(at, Act::Pause { pick }));
        if rng.one_in(2) {
            let again = (at + rng.below(4_000)).min(CALM - 1);
            let pick = if rng.one_in(4) { rng.number() } else { pick };
            entries.push(Entry::User(again, Act::Resume { pick }));
        }
    }
}

/// Somebody answers what waits for a signal. What waits still in the end is answered then.
fn answers(rng: &mut Rng, entries: &mut Vec<Entry>) {
    for _ in 0..rng.below(5) {
        let (pick, approved) = (rng.number(), !rng.one_in(4));
        entries.push(Entry::User(rng.between(200, CALM - 1), Act::Answer { pick, approved }));
    }
}

fn when(rng: &mut Rng) -> When {
    if rng.one_in(3) {
        let who =
            if rng.one_in(2) { Who::Orchestrator(rng.below(ORCHESTRATORS)) } else { Who::Worker(rng.below(WORKERS)) };
        return When::At(rng.below(CALM / 2), who);
    }
    let point = rng.of(&POINTS).unwrap_or(Point::Begun);
    let most = if rng.one_in(2) { 5 } else { 60 };
    When::Nth(point, u32::try_from(rng.between(1, most)).unwrap_or(1))
}

fn what(rng: &mut Rng, when: When) -> What {
    // Mostly short; sometimes longer than a lease.
    let mut time = |most: Millis| if rng.one_in(3) { rng.between(1, most) } else { rng.between(1, most / 10) };
    let (down, sleep, heal, away) = (time(15_000), time(15_000), time(15_000), time(8_000));
    let (broker, client) = (rng.between(1, NOTICED), rng.between(1, NOTICED));
    match rng.below(14) {
        0..4 => What::Crash { down, noticed: if rng.one_in(3) { broker } else { 1 } },
        4 | 5 => What::Pause { sleep },
        6..9 => What::Cut { heal, broker, client },
        9 | 10 if matches!(when, When::Nth(Point::Took, _)) => What::Duplicate,
        9 | 10 => What::Terminate { down },
        11 | 12 => What::Outage { away },
        _ => What::BrokerLost,
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(at, act) => write!(f, "at {at} ms a user: {act:?}"),
            Self::Fault(When::At(at, who), what) => write!(f, "at {at} ms {who}: {what:?}"),
            Self::Fault(When::Nth(point, nth), what) => write!(f, "after {point:?} no. {nth}: {what:?}"),
        }
    }
}
