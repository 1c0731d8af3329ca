//! Why an action was not done, in words for whoever asked.

use std::collections::BTreeSet;

use drover_engine::{
    Refusal,
    definition::{DefinitionError, FieldError},
};
use drover_protocol::{JobId, JobStatus, JobType, WorkerSession};

use crate::store::{StoreError, WaitingSignal};

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Nothing is registered under this name.
    #[error(
        "unknown type {0:?}: no workflow of this name is registered and no worker has announced it. Register the workflow with `drover apply`, or start a worker that takes it"
    )]
    UnknownType(JobType),
    /// The parameters do not fit.
    #[error("the parameters do not fit {job_type}: {}", list(.errors))]
    InvalidParams {
        /// The type.
        job_type: JobType,
        /// One entry for each parameter that does not fit.
        errors: Vec<FieldError>,
    },
    /// The key was used before for something else.
    #[error("the idempotency key was used before for another submission, which made job {0}; use a new key")]
    KeyConflict(JobId),
    /// The definition is not valid.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// No workflow of this name has a schedule.
    #[error(
        "there is no schedule {0:?}; `drover schedules` lists them. A workflow has one by `schedule:` in its definition"
    )]
    UnknownSchedule(String),
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// The job's state does not allow it.
    #[error("{0}")]
    Refused(Refusal),
    /// It is not clear what is answered.
    #[error("several sub-jobs of {id} wait for an answer; name one by the key of its step or by its own id: {}", several(.waiting))]
    SeveralWait {
        /// The workflow.
        id: JobId,
        /// What waits, or the first of it.
        waiting: Vec<WaitingSignal>,
    },
    /// Only whole trees are deleted.
    #[error("job {id} belongs to workflow {root}, which is deleted as a whole: delete that one")]
    SubJob {
        /// The job.
        id: JobId,
        /// Its root.
        root: JobId,
        /// Where the job stands.
        status: JobStatus,
    },
    /// Only finished trees are deleted.
    #[error("job {id} is {status}; cancel it and wait for its end, then delete it")]
    NotFinished {
        /// The job.
        id: JobId,
        /// Where it stands.
        status: JobStatus,
    },
    /// No worker has announced the job type.
    #[error("there is no job type {0}: no worker has announced it. `drover types` lists those that there are")]
    NotAnnounced(JobType),
    /// It is a workflow's name, and workers take no workflows.
    #[error(
        "{name} is a workflow, and workers take jobs: pause its runs one by one (`drover list --type {name} --status \
         pending,running`, `drover pause ID`), or the job types that it runs: {}", names(.jobs)
    )]
    IsWorkflow {
        /// The workflow.
        name: JobType,
        /// What its steps run.
        jobs: BTreeSet<JobType>,
    },
    /// Nobody knows of such a worker.
    #[error("there is no worker {0}; `drover workers` lists those that there are")]
    UnknownWorker(WorkerSession),
    /// It cannot be told anything.
    #[error("worker {session} is {status}: it takes no jobs any more")]
    WorkerGone {
        /// The worker.
        session: WorkerSession,
        /// What became of it.
        status: String,
    },
    /// The type is paused as one of all.
    #[error("{0} is paused with every job type; resume them all with `drover resume --all`")]
    AllPaused(JobType),
    /// Too many wait to be accepted.
    #[error(
        "{0} submissions wait to be accepted; try again in a moment, or submit over AMQP, where a queue holds them"
    )]
    Busy(usize),
    /// What accepts broke off.
    #[error("the submission was not answered; see the orchestrator's log. It may have been accepted")]
    Unanswered,
    /// The database is away, or worse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn names(names: &BTreeSet<JobType>) -> String {
    names.iter().map(JobType::as_str).collect::<Vec<_>>().join(", ")
}

fn several(waiting: &[WaitingSignal]) -> String {
    let named = |signal: &WaitingSignal| format!("{} ({})", signal.step.as_deref().unwrap_or("signal"), signal.id);
    waiting.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}", error.pointer, error.message)).collect::<Vec<_>>().join("; ")
}
