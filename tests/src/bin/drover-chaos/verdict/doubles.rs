//! What was done twice in one run, and whether a fault explains it.

use std::{collections::BTreeMap, time::Duration};

use drover_tests::ledger::{Deed, Line};

use super::{Case, Found, Wrong};
use crate::{
    evidence::{Happened, Row},
    settings::LEASE,
    strike::{Kind, Struck},
};

/// How long a fault still tells after it is over: connections and leases end in their time.
const AFTERMATH: Duration = LEASE.saturating_mul(3);
/// That a broker lost its data each orchestrator finds out for itself, within a minute, and then dispatches again what it
/// published under the old name of the data.
const RECOVERY: Duration = Duration::from_secs(75);

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
        let older = first.dispatch.min(second.dispatch);
        let newer = first.dispatch.max(second.dispatch);
        // All who began it, not only those who did it: whoever was heard first has the lease.
        let parties: Vec<&Line> = self
            .lines(row)
            .iter()
            .filter(|line| line.deed == Deed::Begin && (older..=newer).contains(&line.dispatch))
            .collect();
        // The message may have lain in its queue for long, twice since then.
        let dispatched = self.history(row).find(|happened| happened.kind == "dispatched" && happened.dispatch == older);
        let begun = parties.iter().map(|line| line.at_ns).min().unwrap_or(first.at_ns);
        let from = dispatched.filter(|_| older == newer).map_or(begun, |happened| happened.at_ns.min(begun));
        let until = first.at_ns.max(second.at_ns);
        let happened = |kind: &str| {
            let mut own = self.history(row).filter(|happened| (older..newer).contains(&happened.dispatch));
            // A timeout that its worker did not keep gives the dispatch up, too.
            own.any(|happened| happened.kind == kind && (kind != "retry_scheduled" || is_timeout(happened)))
        };
        let struck = |aftermath: Duration, could: &dyn Fn(&Struck) -> bool| {
            let aftermath_ns = u64::try_from(aftermath.as_nanos()).unwrap_or(u64::MAX);
            let at_the_time =
                |struck: &&Struck| struck.from_ns <= until && struck.until_ns.saturating_add(aftermath_ns) >= from;
            self.struck.iter().filter(at_the_time).any(could)
        };
        let server = |struck: &Struck| matches!(struck.kind, Kind::ServerKill | Kind::EmptyBroker);
        if happened("republished") {
            return struck(RECOVERY, &server);
        }
        let party = |struck: &Struck| match &struck.who {
            // Of the orchestrators only what loses a confirm, and so publishes one dispatch twice.
            Some(who) if who.starts_with("orchestrator") => older == newer,
            Some(who) => parties.iter().any(|line| line.worker() == who),
            None => server(struck),
        };
        let given_up = ["worker_lost", "released", "retry_scheduled", "withdrawn"].into_iter().any(happened);
        (older == newer || given_up) && struck(AFTERMATH, &party)
    }
}

fn is_timeout(happened: &Happened) -> bool {
    happened.detail["error"]["kind"] == "timeout"
}
