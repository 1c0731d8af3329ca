//! What was done twice in one run, and whether a fault explains it.

use std::collections::BTreeMap;

use drover_tests::ledger::{Deed, Line};

use super::{
    Case, Found, Wrong,
    explain::{AFTERMATH, RECOVERY, Span, copies, server},
};
use crate::{
    evidence::{Happened, Row},
    strike::Struck,
};

impl Case<'_> {
    /// Every effect beyond the first of a run.
    pub(super) fn check_doubles(&self, row: &Row, found: &mut Found) {
        let mut runs: BTreeMap<usize, Vec<&Line>> = BTreeMap::new();
        for line in self.lines(row).iter().filter(|line| line.deed == Deed::Effect) {
            runs.entry(self.run_of(row, line.dispatch)).or_default().push(line);
        }
        for effects in runs.values() {
            for pair in effects.windows(2) {
                found.double_effects += 1;
                if let [first, second] = pair
                    && !self.is_explained(row, first, second)
                {
                    let said = format!(
                        "its effect by {} (dispatch {}) and again by {} (dispatch {}), and no fault explains it",
                        first.call, first.dispatch, second.call, second.dispatch
                    );
                    found.add(Wrong::Double, self.tree.root, row.id, said);
                }
            }
        }
    }

    /// A lost worker, a cut connection or a lost confirm, of one of those who had to do with it and at that time.
    fn is_explained(&self, row: &Row, first: &Line, second: &Line) -> bool {
        let (older, newer) = (first.dispatch.min(second.dispatch), first.dispatch.max(second.dispatch));
        let parties = self.parties(row, older, newer);
        let begun_ns = parties.iter().map(|line| line.at_ns).min().unwrap_or(first.at_ns);
        let until_ns = first.at_ns.max(second.at_ns);
        if older == newer {
            let from_ns = self.dispatched_ns(row, older).map_or(begun_ns, |dispatched_ns| dispatched_ns.min(begun_ns));
            return self.was_struck(Span { from_ns, until_ns }, AFTERMATH, |struck| copies(struck, &parties));
        }
        let span = Span { from_ns: begun_ns, until_ns };
        let happened = |kind: &str| {
            let mut own = self.history(row).filter(|happened| (older..newer).contains(&happened.dispatch));
            // A timeout that its worker did not keep gives the dispatch up, too.
            own.any(|happened| happened.kind == kind && (kind != "retry_scheduled" || is_timeout(happened)))
        };
        if happened("republished") {
            return self.was_struck(span, RECOVERY, server);
        }
        // What happens to an orchestrator loses nobody.
        let theirs = |struck: &Struck| match &struck.who {
            Some(who) => parties.iter().any(|line| line.worker() == who),
            None => server(struck),
        };
        let given_up = ["worker_lost", "released", "retry_scheduled", "withdrawn"].into_iter().any(happened);
        (given_up && self.was_struck(span, AFTERMATH, theirs)) || self.is_late_copy(row, older, until_ns)
    }

    /// The older dispatch had run and failed, or was given back before it began; a fault brought its message a second time, and
    /// that ran beside its successor.
    fn is_late_copy(&self, row: &Row, older: u32, until_ns: u64) -> bool {
        let parties = self.parties(row, older, older);
        let Some(from_ns) = self.dispatched_ns(row, older) else { return false };
        let given_back = |happened: &Happened| happened.dispatch == older && happened.kind == "released";
        (parties.len() > 1 || self.history(row).any(given_back))
            && self.was_struck(Span { from_ns, until_ns }, AFTERMATH, |struck| copies(struck, &parties))
    }
}

fn is_timeout(happened: &Happened) -> bool {
    happened.detail["error"]["kind"] == "timeout"
}
