//! What workers are told.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ControlId, JobId, JobType, RunningJob, WorkerSession, limits};

/// A control message. `type` property: `drover.control.v1`. Broadcast on the control exchange, or sent to one worker's
/// control queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Control {
    /// The answer to `worker_up`: the worker may consume now.
    Welcome {
        /// The worker that asked.
        worker_session: WorkerSession,
        /// Cancelled jobs of which a message may still lie in a queue: never to be started.
        cancelled: Vec<RunningJob>,
        /// The broadcasts that told of them; to be acknowledged like the broadcasts themselves.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        controls: BTreeSet<ControlId>,
        /// Which job types are paused; absent: none, as far as the orchestrator knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paused: Option<PausedTypes>,
        /// How long the worker may be silent, in seconds, before its jobs are given to others.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = limits::TIMEOUT_SECONDS))]
        lease_seconds: f64,
    },
    /// Stop these jobs wherever they run, and never start them. Acknowledged in the next heartbeat.
    Cancel {
        /// What the acknowledgement names.
        control_id: ControlId,
        /// The jobs, each with the dispatch that is cancelled; a later dispatch is not meant.
        jobs: Vec<RunningJob>,
    },
    /// Do not start these jobs: they are paused, or dispatched anew. Those that run go on. A message that comes is
    /// acknowledged, and nothing is reported of it. A worker that arrives is told before its `welcome` what is withdrawn.
    Withdraw {
        /// What the acknowledgement names, as that of a cancel; absent: nobody waits for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control_id: Option<ControlId>,
        /// The jobs, each with the dispatch that is withdrawn; a later dispatch is not meant.
        jobs: Vec<RunningJob>,
    },
    /// Take no jobs of these types, and jobs of all others. The whole set, each time.
    PausedTypes(PausedTypes),
    /// Stop these jobs and report nothing of them: they were taken from this worker.
    Stop {
        /// The worker that is meant.
        worker_session: WorkerSession,
        /// The jobs that it runs and must not.
        jobs: Vec<RunningJob>,
    },
    /// Take no new jobs, finish what runs, end.
    Drain {
        /// The worker that is meant; absent: every worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker_session: Option<WorkerSession>,
    },
}

/// Which job types are paused: workers take no jobs of them. What runs goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PausedTypes {
    /// Rises with every change. A set of a lower version than the last one that was obeyed changes nothing.
    #[schemars(range(max = i64::MAX))]
    pub version: u64,
    /// Every type is paused.
    #[serde(default)]
    pub all: bool,
    /// These types are paused.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub types: BTreeSet<JobType>,
}

impl PausedTypes {
    /// Whether jobs of this type are not to be taken.
    #[must_use]
    pub fn covers(&self, job_type: &JobType) -> bool {
        self.all || self.types.contains(job_type)
    }
}

/// A cancelled dispatch, by name: what a tombstone keeps.
#[must_use]
pub const fn tombstone(job_id: JobId, dispatch: u32) -> RunningJob {
    RunningJob { job_id, dispatch }
}
