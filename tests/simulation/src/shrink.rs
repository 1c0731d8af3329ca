//! A failing plan without what it does not need to fail.

use std::fmt;

use crate::{
    Rule, Run,
    plan::{Entry, Plan},
    world,
};

/// A failing seed, told in as few words as were found.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: String,
    /// What befell the run.
    plan: Vec<Entry>,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

/// Runs the plan; if it fails, leaves out whatever it fails without.
pub(crate) fn explain(plan: &Plan, broken: Option<Rule>) -> Option<Failure> {
    let wanted = invariant(&world::run(plan, broken, false))?;
    let fails = |plan: &Plan| invariant(&world::run(plan, broken, false)).as_ref() == Some(&wanted);
    let mut least = plan.clone();
    let mut size = least.entries.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < least.entries.len() {
            let mut fewer = least.clone();
            fewer.entries.drain(at..(at + size).min(fewer.entries.len()));
            if fails(&fewer) {
                least = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    // Smaller workflows: a shorter tape.
    while !least.shape.is_empty() {
        let mut smaller = least.clone();
        smaller.shape.truncate(least.shape.len() / 2);
        if !fails(&smaller) {
            break;
        }
        least = smaller;
    }
    let run = world::run(&least, broken, true);
    Some(Failure {
        seed: plan.seed,
        violation: run.violation.unwrap_or_default(),
        plan: least.entries,
        trace: run.trace,
    })
}

/// The part of a violation that names what was broken: two runs that differ in it fail for different reasons.
fn invariant(run: &Run) -> Option<String> {
    let text = run.violation.as_ref()?;
    let named = (1..=6).map(|number| format!("I{number}:")).find(|name| text.contains(name));
    // Of the others the first words, without what differs from run to run.
    Some(named.unwrap_or_else(|| text.chars().take(40).filter(|c| !c.is_ascii_digit()).collect()))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        writeln!(f, "what befell it:")?;
        self.plan.iter().try_for_each(|entry| writeln!(f, "  {entry}"))?;
        writeln!(f, "what happened:")?;
        self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "again: scripts/simulate --from {} --seeds 1", self.seed)
    }
}
