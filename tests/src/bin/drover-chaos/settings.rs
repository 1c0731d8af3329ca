//! How the fleet is set up and how long things may take.

use std::time::Duration;

/// Orchestrators of the fleet.
pub(crate) const ORCHESTRATORS: u64 = 2;
/// Workers of the fleet.
pub(crate) const WORKERS: u64 = 4;
/// A worker that is silent for this long is lost. Short, so that it happens often.
pub(crate) const LEASE: Duration = Duration::from_millis(2_500);
/// What both kinds of processes are told.
pub(crate) const ORCHESTRATOR: &[(&str, &str)] = &[
    ("DROVER__ORCHESTRATOR__LEASE_SECONDS", "2.5"),
    ("DROVER__ORCHESTRATOR__CANCEL_TIMEOUT_SECONDS", "6"),
    ("DROVER__ORCHESTRATOR__TIMEOUT_GRACE_SECONDS", "3"),
    ("DROVER__ORCHESTRATOR__DRAIN_SECONDS", "5"),
];
/// See [`ORCHESTRATOR`].
pub(crate) const WORKER: &[(&str, &str)] = &[
    ("DROVER__WORKER__CONCURRENCY", "8"),
    ("DROVER__WORKER__DRAIN_SECONDS", "2"),
    ("DROVER__WORKER__GRACE_SECONDS", "1"),
    ("DROVER__WORKER__ISOLATION_SECONDS", "8"),
    ("DROVER__WORKER__ANNOUNCE_SECONDS", "1"),
    ("DROVER__WORKER__PROGRESS_INTERVAL_SECONDS", "0.1"),
];
/// From one submission to the next, on average.
pub(crate) const SUBMISSIONS_APART: Duration = Duration::from_millis(350);
/// Most submissions that have not ended; then nothing is submitted for a while.
pub(crate) const OPEN: usize = 60;
/// After the faults all must have ended within this time; what has not is stuck.
pub(crate) const REST: Duration = Duration::from_secs(120);
/// How long a request may take before it is made to another orchestrator.
pub(crate) const REQUEST: Duration = Duration::from_secs(8);
/// From one look at all bars to the next.
pub(crate) const LOOK: Duration = Duration::from_millis(150);
