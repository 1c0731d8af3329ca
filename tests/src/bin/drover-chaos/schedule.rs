//! Which fault strikes whom and when: all of it decided by the seed before the run begins.

use std::{fmt, time::Duration};

use drover_simulation::Rng;
use drover_tests::Mode;

use crate::settings::{LEASE, ORCHESTRATORS, WORKERS};

/// From one fault to the next, on average.
const APART_MS: u64 = 1_300;
/// Servers are struck far more rarely: each time all stands still for a while.
const SERVERS_APART_MS: u64 = 25_000;
/// Everything works first.
const CALM_START_MS: u64 = 3_000;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Since the start of the faults.
    pub(crate) at: Duration,
    pub(crate) strikes: Strikes,
    /// How long it lasts, as far as that is decided here.
    pub(crate) lasts: Duration,
}

/// Who is struck, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strikes {
    Process(Who, Blow),
    Wire(Who, Wire, Mode),
    Server(Server),
    /// The broker comes back without what it held.
    EmptyBroker,
}

/// A process of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Who {
    Orchestrator(usize),
    Worker(usize),
}

/// What befalls a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL; it is started again.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Stop,
    /// SIGTERM; when it has ended it is started again.
    Terminate,
}

/// Which connections of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Broker,
    Database,
}

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    RabbitMq,
    Postgres,
}

/// The faults of a seed, in the order of time.
pub(crate) fn draw(length: Duration, rng: &mut Rng) -> Vec<Fault> {
    let end = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut faults = Vec::new();
    let mut at = CALM_START_MS;
    while at < end {
        let (strikes, lasts) = small(rng);
        faults.push(Fault { at: Duration::from_millis(at), strikes, lasts });
        at += rng.between(APART_MS / 4, APART_MS * 7 / 4);
    }
    let mut at = CALM_START_MS + SERVERS_APART_MS / 2;
    let mut turn = rng.below(4);
    while at < end {
        // In turns, so that a short run meets most of them.
        let strikes = match turn % 4 {
            0 | 2 => Strikes::Server(Server::Postgres),
            1 => Strikes::Server(Server::RabbitMq),
            _ => Strikes::EmptyBroker,
        };
        faults.push(Fault { at: Duration::from_millis(at), strikes, lasts: span(rng, 200, 3_000) });
        at += rng.between(SERVERS_APART_MS / 2, SERVERS_APART_MS * 3 / 2);
        turn += 1;
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// A fault of one process.
fn small(rng: &mut Rng) -> (Strikes, Duration) {
    let who = if rng.one_in(3) {
        Who::Orchestrator(usize::try_from(rng.below(ORCHESTRATORS)).unwrap_or(0))
    } else {
        Who::Worker(usize::try_from(rng.below(WORKERS)).unwrap_or(0))
    };
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(0);
    match rng.below(12) {
        0..4 => (Strikes::Process(who, Blow::Kill), span(rng, 100, 2_500)),
        4 | 5 => (Strikes::Process(who, Blow::Stop), span(rng, 200, lease * 3)),
        6 => (Strikes::Process(who, Blow::Terminate), span(rng, 0, 500)),
        7 | 8 => (Strikes::Wire(who, wire(who, rng), Mode::Severed), span(rng, 100, 3_000)),
        9 | 10 => {
            let mode = rng.of(&[Mode::Muted, Mode::Deafened, Mode::Frozen, Mode::Frozen]).unwrap_or(Mode::Frozen);
            // Some so long that both ends give the connection up.
            let longest = if rng.one_in(4) { lease * 8 } else { lease * 3 };
            (Strikes::Wire(who, wire(who, rng), mode), span(rng, 200, longest))
        }
        _ => {
            let delay = Duration::from_millis(rng.between(20, 300));
            (Strikes::Wire(who, wire(who, rng), Mode::Slow(delay)), span(rng, 1_000, 6_000))
        }
    }
}

/// Only orchestrators know the database.
fn wire(who: Who, rng: &mut Rng) -> Wire {
    match who {
        Who::Orchestrator(_) if rng.one_in(2) => Wire::Database,
        Who::Orchestrator(_) | Who::Worker(_) => Wire::Broker,
    }
}

fn span(rng: &mut Rng, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(rng.between(least_ms, most_ms))
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orchestrator(index) => write!(f, "orchestrator-{}", index + 1),
            Self::Worker(index) => write!(f, "worker-{}", index + 1),
        }
    }
}

impl fmt::Display for Strikes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(who, Blow::Kill) => write!(f, "{who} killed"),
            Self::Process(who, Blow::Stop) => write!(f, "{who} stopped"),
            Self::Process(who, Blow::Terminate) => write!(f, "{who} told to end"),
            Self::Wire(who, wire, mode) => write!(f, "{who} to {wire}: {mode:?}"),
            Self::Server(server) => write!(f, "{server} killed"),
            Self::EmptyBroker => write!(f, "RabbitMQ emptied"),
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "RabbitMQ",
            Self::Database => "Postgres",
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RabbitMq => "RabbitMQ",
            Self::Postgres => "Postgres",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_strikes_the_same_again_and_two_minutes_meet_every_kind() {
        let length = Duration::from_secs(120);
        let faults = draw(length, &mut Rng::new(7));
        assert_eq!(faults, draw(length, &mut Rng::new(7)));
        assert!(faults.is_sorted_by_key(|fault| fault.at) && faults.iter().all(|fault| fault.at < length));
        let meets = |wanted: &dyn Fn(Strikes) -> bool| faults.iter().any(|fault| wanted(fault.strikes));
        assert!(meets(&|strikes| matches!(strikes, Strikes::Process(Who::Orchestrator(_), Blow::Kill))));
        assert!(meets(&|strikes| matches!(strikes, Strikes::Process(Who::Worker(_), Blow::Stop))));
        assert!(meets(&|strikes| matches!(strikes, Strikes::Process(_, Blow::Terminate))));
        assert!(meets(&|strikes| matches!(strikes, Strikes::Wire(_, Wire::Database, _))));
        assert!(meets(&|strikes| matches!(strikes, Strikes::Wire(Who::Worker(_), Wire::Broker, Mode::Frozen))));
        assert!(meets(&|strikes| strikes == Strikes::Server(Server::RabbitMq)));
        assert!(meets(&|strikes| strikes == Strikes::Server(Server::Postgres)));
        assert!(meets(&|strikes| strikes == Strikes::EmptyBroker));
    }

    #[test]
    fn some_workers_sleep_longer_than_their_lease() {
        let faults = draw(Duration::from_secs(600), &mut Rng::new(3));
        let sleeps = |fault: &&Fault| matches!(fault.strikes, Strikes::Process(Who::Worker(_), Blow::Stop));
        assert!(faults.iter().filter(sleeps).any(|fault| fault.lasts > LEASE));
        assert!(faults.iter().filter(sleeps).any(|fault| fault.lasts < LEASE));
    }
}
