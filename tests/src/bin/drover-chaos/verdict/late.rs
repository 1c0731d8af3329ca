//! Nothing begins, and nothing takes effect, after a cancel has settled.

use drover_tests::ledger::{Deed, Line};

use super::{
    Case, Found, Wrong,
    explain::{AFTERMATH, Span, copies},
};
use crate::evidence::{Happened, Row};

impl Case<'_> {
    /// Every settled cancel of the job against every later line of a dispatch that it settled.
    pub(super) fn check_cancels(&self, row: &Row, found: &mut Found) {
        let settled: Vec<&Happened> =
            self.history(row).filter(|happened| matches!(happened.kind.as_str(), "cancelled" | "abandoned")).collect();
        for line in self.lines(row).iter().filter(|line| matches!(line.deed, Deed::Begin | Deed::Effect)) {
            let late = |cancel: &&&Happened| cancel.at_ns < line.at_ns && line.dispatch <= cancel.dispatch;
            let Some(cancel) = settled.iter().find(late) else { continue };
            match self.excuse(row, cancel, line) {
                Some(Excuse::Abandoned) => found.after_abandoned += 1,
                Some(Excuse::Lost) => found.after_lost += 1,
                Some(Excuse::Copy) => found.late_copies += 1,
                None => {
                    let late_ms = (line.at_ns - cancel.at_ns) / 1_000_000;
                    let said = format!(
                        "{} of dispatch {} on {} {late_ms} ms after its cancel had settled",
                        line.deed.name(),
                        line.dispatch,
                        line.worker()
                    );
                    found.add(Wrong::Late, self.tree.root, row.id, said);
                }
            }
        }
    }

    fn excuse(&self, row: &Row, cancel: &Happened, line: &Line) -> Option<Excuse> {
        // Nobody waited for it, and its end says so by name.
        if cancel.kind == "abandoned" {
            return Some(Excuse::Abandoned);
        }
        // It had begun before on a worker that was given up since: nobody can stop what cannot be reached.
        let began = self
            .lines(row)
            .iter()
            .any(|other| other.call == line.call && other.deed == Deed::Begin && other.at_ns < cancel.at_ns);
        let given_up = self.history(row).any(|happened| {
            let lost = happened.kind == "worker_lost" || happened.detail["cause"] == "worker_lost";
            // A timeout that its worker did not keep gives the dispatch up, too.
            let timed_out = happened.detail["error"]["kind"] == "timeout";
            (lost || timed_out) && happened.dispatch >= line.dispatch && happened.at_ns <= cancel.at_ns
        });
        if began && line.deed == Deed::Effect && given_up {
            return Some(Excuse::Lost);
        }
        self.is_copy(row, cancel, line).then_some(Excuse::Copy)
    }

    /// The dispatch had run on another worker, by whose word the cancel settled, and a fault made a second message of it.
    fn is_copy(&self, row: &Row, cancel: &Happened, line: &Line) -> bool {
        let parties = self.parties(row, line.dispatch, line.dispatch);
        let own = parties.iter().find(|party| party.call == line.call);
        let first = parties.iter().find(|party| party.call != line.call && party.at_ns < cancel.at_ns);
        let (Some(first), Some(own)) = (first, own) else { return false };
        let from_ns = self.dispatched_ns(row, line.dispatch).unwrap_or(first.at_ns);
        let span = Span { from_ns, until_ns: own.at_ns };
        own.at_ns > cancel.at_ns && self.was_struck(span, AFTERMATH, |struck| copies(struck, &parties))
    }
}

/// Why a late line is nobody's fault.
enum Excuse {
    Abandoned,
    Lost,
    Copy,
}
