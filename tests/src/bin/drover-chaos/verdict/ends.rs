//! Ends: each run has one, its result is what a handler returned, and the workflows' counters are sums of them.

use drover_engine::{StepState, workflow::WorkflowState};
use drover_tests::ledger::Deed;

use super::{Case, Found};
use crate::{bars::is_terminal, evidence::Row};

/// What the history calls an end, with the status that follows.
const ENDS: [(&str, &str); 5] = [
    ("completed", "completed"),
    ("completed_with_errors", "completed_with_errors"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
    ("abandoned", "cancelled"),
];

impl Case<'_> {
    /// Each run has exactly one end, and the last one is that of the row.
    pub(super) fn check_history(&self, row: &Row, found: &mut Found) {
        let mut end: Option<&str> = None;
        for happened in self.history(row) {
            if matches!(happened.kind.as_str(), "retried" | "repeated") {
                end = None;
                continue;
            }
            let Some((kind, status)) = ENDS.iter().find(|(kind, _)| *kind == happened.kind) else { continue };
            if let Some(first) = end.replace(status) {
                self.untrue(row, format!("one run ended as {first}, and again: {kind}"), found);
            }
        }
        if end != Some(row.status.as_str()) {
            let said = format!("it is {}, and its history ends with {}", row.status, end.unwrap_or("no end"));
            self.untrue(row, said, found);
        }
    }

    /// What is said of a worker's job is what a handler did.
    pub(super) fn check_end(&self, row: &Row, found: &mut Found) {
        let call = row.result["call"].as_str();
        let did = |deed: Deed, call: Option<&str>| {
            let mut lines = self.lines(row).iter();
            lines.any(|line| {
                line.deed == deed && line.dispatch == row.dispatch && call.is_none_or(|call| call == line.call)
            })
        };
        let kind = row.error.as_ref().and_then(|error| error["kind"].as_str()).unwrap_or_default();
        let losses = || self.history(row).filter(|happened| happened.kind == "worker_lost").count();
        let untrue = match row.status.as_str() {
            "completed" | "completed_with_errors" => call.is_none() || !did(Deed::Completed, call),
            "failed" => match kind {
                "told" => call.is_none() || !did(Deed::Failed, call),
                "panic" => !did(Deed::Dropped, None),
                // The last of the losses is told as the end.
                "poison" => losses() < 2,
                _ => false,
            },
            // What it stopped with, if anything.
            _ => call.is_some_and(|call| self.lines(row).iter().all(|line| line.call != call)),
        };
        if untrue {
            let said = format!("it is {} {kind}, and no handler did that: call {call:?}", row.status);
            self.untrue(row, said, found);
        }
    }

    /// Counters are those of the sub-jobs.
    pub(super) fn check_counters(&self, row: &Row, state: &WorkflowState, found: &mut Found) {
        for (index, step) in state.steps.iter().enumerate() {
            let own = |child: &&Row| child.parent == Some(row.id) && child.step == Some(index) && counts(step, child);
            let children: Vec<&Row> = self.tree.rows.iter().filter(own).collect();
            let of =
                |statuses: &[&str]| children.iter().filter(|child| statuses.contains(&child.status.as_str())).count();
            let real = [of(&["completed", "completed_with_errors"]), of(&["failed", "cancelled"])];
            let told = [step.done, step.failed].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            if real != told {
                let said = format!("step {index} counts {told:?} done and failed; its sub-jobs are {real:?}");
                self.untrue(row, said, found);
            }
            let total = step.total.unwrap_or(0);
            if step.done + step.failed > total {
                let said = format!("step {index} has {total} sub-jobs, and counts {told:?}");
                self.untrue(row, said, found);
            }
        }
        let open = self.tree.rows.iter().filter(|child| child.parent == Some(row.id) && !is_terminal(&child.status));
        if let Some(child) = open.into_iter().next() {
            let said = format!("it is {}, and its sub-job {} is {}", row.status, child.id, child.status);
            self.untrue(row, said, found);
        }
        if row.result["status"] != row.status.as_str() && row.dispatch > 0 {
            let said = format!("it is {}, and its result says {}", row.status, row.result["status"]);
            self.untrue(row, said, found);
        }
        if (row.progress == FULL) != row.status.starts_with("completed") {
            let said = format!("it is {} at {} of {FULL}", row.status, row.progress);
            self.untrue(row, said, found);
        }
    }
}

/// The whole bar.
const FULL: u32 = 10_000;

/// Whether this run of the step has come to the sub-job, or keeps what an earlier one completed.
fn counts(step: &StepState, child: &Row) -> bool {
    let Some(batch) = child.batch else {
        return step.job_id.is_some_and(|id| id.0 == child.id) && step.total.is_some();
    };
    let kept = batch < step.redo_from() && child.status.starts_with("completed");
    step.total.is_some_and(|total| batch < total) && (batch < step.cursor || kept)
}
