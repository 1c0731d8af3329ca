//! The whole system in one deterministic process: orchestrators, workers, the broker and the database are simulated, the
//! engine is the real one. A seed decides everything: what is submitted, cancelled and retried, which process dies between
//! which two steps, which connection breaks, which message comes twice.
//!
//! ```text
//! plan      what befalls the run from outside
//! world     time, processes, connections; one step after the other
//!   orchestrator  intake, relay and duties, each a sequence of steps
//!   worker        lane, reporter, heartbeats and handlers, as the SDK does it
//!   broker        at least once; database: transactions, locks, rollback
//!   fence, ledger what must hold after each step; the engine's own audit looks over each commit
//! shrink    a failing plan without what it does not need
//! ```
//!
//! An invariant that is broken panics; [`run`] catches that and says which seed and why.

mod broker;
mod database;
mod fence;
mod fleet;
mod handler;
mod ledger;
mod orchestrator;
mod plan;
mod rehearsal;
mod rng;
mod rules;
mod seeds;
mod shrink;
mod worker;
mod world;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use drover_protocol::{JobId, WorkerSession};

pub use rng::Rng;
pub use rules::Rule;
pub use seeds::{Outcome, Seeds};
pub use shrink::Failure;

/// Virtual time since a run began.
type Millis = u64;

/// A worker that is silent for so long is lost.
const LEASE: Millis = 6_000;
/// How often a replica beats.
const BEAT: Millis = LEASE / 8;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Orchestrator(u64),
    Worker(u64),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orchestrator(number) => write!(f, "orchestrator {number}"),
            Self::Worker(number) => write!(f, "worker {number}"),
        }
    }
}

/// A point of virtual time as the engine knows it.
fn instant(at: Millis) -> DateTime<Utc> {
    let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    start + TimeDelta::milliseconds(i64::try_from(at).unwrap_or(0))
}

/// The end of a job's id, which tells it from the others of a run.
fn short(id: JobId) -> String {
    format!("job {}", id.0.as_u128() & 0xffff_ffff)
}

fn short_session(session: WorkerSession) -> String {
    format!("session {}", session.0.as_u128())
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Steps that were taken.
    pub steps: u64,
    /// What did not hold.
    pub violation: Option<String>,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// Runs the plan of a seed; `broken`: with one rule of the protocol broken.
#[must_use]
pub fn run(seed: u64, broken: Option<Rule>) -> Run {
    world::run(&plan::Plan::of(seed), broken, false)
}

/// Finds what a failing seed needs to fail, and tells it. `None`: it does not fail.
#[must_use]
pub fn explain(seed: u64, broken: Option<Rule>) -> Option<Failure> {
    let _quiet = seeds::Quiet::begin();
    shrink::explain(&plan::Plan::of(seed), broken)
}
