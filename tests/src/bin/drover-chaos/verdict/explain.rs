//! Which faults could have caused what happened twice or late.

use std::time::Duration;

use drover_tests::ledger::{Deed, Line};

use super::Case;
use crate::{
    evidence::Row,
    settings::LEASE,
    strike::{Kind, Struck},
};

/// How long a fault still tells after it is over: connections and leases end in their time.
pub(super) const AFTERMATH: Duration = LEASE.saturating_mul(3);
/// That a broker lost its data each orchestrator finds out for itself, within a minute, and then dispatches again what it
/// published under the old name of the data.
pub(super) const RECOVERY: Duration = Duration::from_secs(75);

/// A span of time, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
}

impl Case<'_> {
    /// Whether a fault that could have done it struck then, or its aftermath lasted until then.
    pub(super) fn was_struck(&self, span: Span, aftermath: Duration, could: impl Fn(&Struck) -> bool) -> bool {
        let aftermath_ns = u64::try_from(aftermath.as_nanos()).unwrap_or(u64::MAX);
        let at_the_time = |struck: &&Struck| {
            struck.from_ns <= span.until_ns && struck.until_ns.saturating_add(aftermath_ns) >= span.from_ns
        };
        self.struck.iter().filter(at_the_time).any(could)
    }

    /// Who began a dispatch of this range: not only who did it, for whoever was heard first has the lease.
    pub(super) fn parties(&self, row: &Row, older: u32, newer: u32) -> Vec<&Line> {
        let began = |line: &&Line| line.deed == Deed::Begin && (older..=newer).contains(&line.dispatch);
        self.lines(row).iter().filter(began).collect()
    }

    /// When the message of a dispatch was first owed to the broker. It may have lain in its queue for long, twice.
    pub(super) fn dispatched_ns(&self, row: &Row, dispatch: u32) -> Option<u64> {
        let own = |kind: &str, of: u32| kind == "dispatched" && of == dispatch;
        self.history(row).find(|happened| own(&happened.kind, happened.dispatch)).map(|happened| happened.at_ns)
    }
}

/// A server's fault is everybody's.
pub(super) fn server(struck: &Struck) -> bool {
    matches!(struck.kind, Kind::ServerKill | Kind::EmptyBroker)
}

/// What makes two messages of one dispatch, or lets one be delivered twice: a server's fault, an orchestrator's (a confirm
/// was lost), or that of a worker which had it.
pub(super) fn copies(struck: &Struck, parties: &[&Line]) -> bool {
    match &struck.who {
        Some(who) if who.starts_with("orchestrator") => true,
        Some(who) => parties.iter().any(|line| line.worker() == who),
        None => server(struck),
    }
}
