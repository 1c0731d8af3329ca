//! What happened to a job, in few lines: for whoever has to find out why.

use std::fmt::Write as _;

use drover_tests::ledger::{Ledger, Line};

use crate::{
    evidence::{Happened, Tree},
    strike::{Struck, seconds},
    verdict::Violation,
};

/// Faults this long before the first and after the last line of the job are told.
const AROUND_NS: u64 = 6_000_000_000;
/// Most lines of one story.
const LINES: usize = 60;

/// The ledger, the history and the faults around it, in the order of time.
pub(crate) fn tell(violation: &Violation, tree: &Tree, ledger: &Ledger, struck: &[Struck], start_ns: u64) -> String {
    let own = |happened: &&Happened| happened.job == violation.job;
    let mut told: Vec<(u64, String)> = tree.history.iter().filter(own).map(of_history).collect();
    told.extend(ledger.get(&violation.job).into_iter().flatten().map(of_ledger));
    let from = told.iter().map(|(at, _)| *at).min().unwrap_or(0).saturating_sub(AROUND_NS);
    let until = told.iter().map(|(at, _)| *at).max().unwrap_or(0).saturating_add(AROUND_NS);
    for fault in struck.iter().filter(|fault| fault.from_ns <= until && fault.until_ns >= from) {
        let lasted = seconds(fault.until_ns, fault.from_ns);
        told.push((fault.from_ns, format!("  fault    {} for {lasted:.1} s", fault.what)));
    }
    told.sort();
    let job_type = tree.rows.iter().find(|row| row.id == violation.job).map_or("?", |row| &row.job_type);
    let mut story = format!(
        "{:?}: {}\n  {job_type} {} of root {}\n",
        violation.wrong, violation.said, violation.job, violation.root
    );
    let hidden = told.len().saturating_sub(LINES);
    for (at_ns, line) in told.iter().skip(hidden) {
        let _ = writeln!(story, "{:9.3} {line}", seconds(*at_ns, start_ns));
    }
    story
}

fn of_history(happened: &Happened) -> (u64, String) {
    let detail = if happened.detail.is_null() { String::new() } else { happened.detail.to_string() };
    (happened.at_ns, format!("  history  {} dispatch {} {detail}", happened.kind, happened.dispatch))
}

fn of_ledger(line: &Line) -> (u64, String) {
    (line.at_ns, format!("  ledger   {} dispatch {} {}", line.deed.name(), line.dispatch, line.call))
}
