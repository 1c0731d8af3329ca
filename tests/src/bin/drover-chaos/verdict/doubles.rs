//! What was done twice in one run, and whether a fault explains it.

use std::{collections::BTreeMap, time::Duration};

use drover_tests::ledger::{Deed, Line};

use super::{Case, Found, Wrong};
use crate::{
    evidence::Row,
    settings::LEASE,
    strike::{Kind, Struck},
};

/// How long a fault still tells after it is over: connections and leases end in their time.
fn aftermath_ns() -> u64 {
    let aftermath: Duration = LEASE * 3;
    u64::try_from(aftermath.as_nanos()).unwrap_or(u64::MAX)
}

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
        let begun = |line: &Line| {
            let own = |other: &&Line| other.call == line.call && other.deed == Deed::Begin;
            self.lines(row).iter().find(own).map_or(line.at_ns, |begin| begin.at_ns)
        };
        let (from, until) = (begun(first).min(begun(second)), first.at_ns.max(second.at_ns));
        let same_dispatch = first.dispatch == second.dispatch;
        let newer = first.dispatch.max(second.dispatch);
        let older = first.dispatch.min(second.dispatch);
        let given_up = self.history(row).any(|happened| {
            // A timeout that its worker did not keep gives the dispatch up, too.
            let timed_out = happened.kind == "retry_scheduled" && happened.detail["error"]["kind"] == "timeout";
            (timed_out || matches!(happened.kind.as_str(), "worker_lost" | "released" | "republished"))
                && (older..newer).contains(&happened.dispatch)
        });
        let could = |struck: &Struck| match (&struck.who, struck.kind) {
            // A server's fault is everybody's.
            (None, Kind::ServerKill | Kind::EmptyBroker) => true,
            // Of the orchestrators only what loses a confirm, and so publishes one dispatch twice.
            (Some(who), _) if who.starts_with("orchestrator") => same_dispatch,
            (Some(who), _) => who == first.worker() || who == second.worker(),
            (None, _) => false,
        };
        let at_the_time =
            |struck: &&Struck| struck.from_ns <= until && struck.until_ns.saturating_add(aftermath_ns()) >= from;
        (same_dispatch || given_up) && self.struck.iter().filter(at_the_time).any(could)
    }
}
