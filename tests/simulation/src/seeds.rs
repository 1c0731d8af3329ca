//! Many seeds, on all cores.

use std::{
    cell::Cell,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{Rule, run};

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// A rule of the protocol that is broken.
    pub broken: Option<Rule>,
    /// Ends after so many violations.
    pub enough: usize,
}

/// What came of them.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many seeds were run.
    pub seeds: u64,
    /// Steps that they took.
    pub steps: u64,
    /// The seeds that failed, and why, in order.
    pub violations: Vec<(u64, String)>,
}

impl Seeds {
    /// Runs them.
    #[must_use]
    pub fn run(self) -> Outcome {
        let (next, all) = (AtomicU64::new(0), Mutex::new(Outcome::default()));
        let worker = || {
            let _quiet = Quiet::begin();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.count {
                    return;
                }
                let seed = self.from.wrapping_add(number);
                let run = run(seed, self.broken);
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                (all.seeds, all.steps) = (all.seeds + 1, all.steps + run.steps);
                all.violations.extend(run.violation.map(|violation| (seed, violation)));
                if all.violations.len() >= self.enough {
                    next.store(self.count, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(worker);
            }
        });
        let mut outcome = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.violations.sort();
        outcome
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, panics of this thread are not printed: they are caught, and told by who caught them.
pub(crate) struct Quiet;

impl Quiet {
    pub(crate) fn begin() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !QUIET.get() {
                    usual(info);
                }
            }));
        });
        QUIET.set(true);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(false);
    }
}
