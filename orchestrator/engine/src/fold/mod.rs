//! The fold: (state, input, now) -> (state, commands). Live intake and replay call the same functions.
//!
//! ```text
//! apply(input) …            fold what happened into the jobs it touches, and up into their workflows
//! loop {
//!     plan()                what the touched workflows need next: data for an expression, the next batches
//!     <driver reads it>     one set-based query for each kind of request
//!     advance / expanded / dispatch_batches / assembled
//! }                         until plan() asks for nothing
//! effects()                 what to publish, record and tell, in the transaction of the changed rows
//! ```

mod advance;
mod cancel;
mod defer;
mod event;
mod fanout;
mod keep;
mod pause;
mod repeat;
mod report;
mod retry;
mod scope;
mod signal;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod start;
mod tree;
mod verdict;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, SubsecRound, Utc};
use drover_protocol::{JobError, JobId, JobStatus, JobType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use advance::Facts;
pub use defer::MAX_ROUNDS;
pub use fanout::BatchRow;
pub(crate) use keep::report_of;
pub use start::NewJob;
pub use tree::Tree;

use crate::{
    Command, Given, Ignored, Input, Job, Next, Outcome, PauseReason, Paused, Progress, Refusal, Trigger,
    definition::{Definition, RetryPolicy},
    transition::next,
};

/// Where ids and jitter come from. The simulation seeds it.
pub trait Entropy: Send {
    /// A new job id, above every earlier one.
    fn job_id(&mut self) -> JobId;
    /// A number from 0 (inclusive) to 1 (exclusive).
    fn jitter(&mut self) -> f64;
    /// How long to wait after the `failures`-th failed attempt. A replay knows it from the history.
    fn delay(&mut self, policy: &RetryPolicy, failures: u32) -> Duration {
        policy.delay(failures, self.jitter())
    }
}

/// The workflow definitions that are current.
pub trait Catalog: Send + Sync {
    /// The definition of that name, if there is one.
    fn current(&self, name: &JobType) -> Option<Arc<Definition>>;
}

/// The limits that a fold obeys. All but the last are configurable. The history names them only where they are not the defaults: another
/// default changes what older lines say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// How long a cancel waits before it reports stragglers as abandoned.
    #[serde(rename = "cancel_timeout_us", with = "microseconds")]
    pub cancel_timeout: Duration,
    /// How long after its own time-out a job's silence means that its worker will not stop it.
    #[serde(rename = "timeout_grace_us", with = "microseconds")]
    pub timeout_grace: Duration,
    /// A job that loses this many workers fails as `poison`.
    pub poison_losses: u32,
    /// Deepest nesting of workflows.
    pub depth: usize,
    /// Jobs made and questions asked for a tree in one fold, after which it begins no more in it. A round of questions counts as
    /// twenty.
    #[serde(default = "effort")]
    pub effort: u32,
}

/// What 500 events of a tree lead to, the most that is read at once, stays far below; a fold that reaches it takes some 100 ms.
const fn effort() -> u32 {
    4_000
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cancel_timeout: Duration::from_secs(300),
            timeout_grace: Duration::from_secs(30),
            poison_losses: 3,
            depth: 8,
            effort: effort(),
        }
    }
}

/// Durations as the history has them. What is shorter than a microsecond is no part of any time that is kept.
mod microseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

/// Times are kept to the microsecond, and whoever folds again from what is kept must come to the same times.
fn kept_time(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// One run of the fold over a tree.
pub struct Fold<'a> {
    /// The jobs.
    pub tree: Tree,
    now: DateTime<Utc>,
    entropy: &'a mut dyn Entropy,
    catalog: &'a dyn Catalog,
    limits: Limits,
    /// Workflows to look at in `plan`.
    touched: BTreeSet<JobId>,
    /// Requests that `advance` made and `plan` hands out.
    requests: Vec<Command>,
    effects: Vec<Command>,
    /// What was given for each tree that has records.
    given: BTreeMap<JobId, Given>,
    /// The workflows that were looked up by name: whoever asks twice gets the same answer.
    current: HashMap<JobType, Option<Arc<Definition>>>,
    /// Sub-jobs of earlier runs that were asked for.
    fetched: HashSet<JobId>,
    /// What was done for each tree, by root, as [`Limits::effort`] counts it.
    done: HashMap<JobId, u32>,
    /// The roots of the trees that begin no more in this fold.
    spent: HashSet<JobId>,
    /// The pauses, by themselves, of jobs that ended in this fold: should one of them run again in it, that is paused, too.
    held: HashMap<JobId, Paused>,
}

impl<'a> Fold<'a> {
    /// A fold over what was loaded.
    pub fn new(
        tree: Tree,
        now: DateTime<Utc>,
        entropy: &'a mut dyn Entropy,
        catalog: &'a dyn Catalog,
        limits: Limits,
    ) -> Self {
        Self {
            tree,
            now: kept_time(now),
            entropy,
            catalog,
            limits,
            touched: BTreeSet::new(),
            requests: Vec::new(),
            effects: Vec::new(),
            given: BTreeMap::new(),
            current: HashMap::new(),
            fetched: HashSet::new(),
            done: HashMap::new(),
            spent: HashSet::new(),
            held: HashMap::new(),
        }
    }

    /// Folds one input.
    pub fn apply(&mut self, input: Input) -> Outcome {
        let Some(job) = self.tree.jobs.get(&input.job_id()) else {
            return Outcome::Ignored(Ignored::UnknownJob);
        };
        if job.is_ours() && input.is_of_worker() {
            // The orchestrator is its worker: nobody else can speak of it.
            return Outcome::Ignored(Ignored::OtherSession);
        }
        let (keep, first) = (self.keep(&input), self.effects.len());
        let outcome = self.folded(input);
        if let (Outcome::Applied, Some(keep)) = (&outcome, keep) {
            self.kept(keep, first);
        }
        outcome
    }

    fn folded(&mut self, input: Input) -> Outcome {
        match input {
            Input::Event(event) => self.event(event),
            Input::LeaseLost { job_id, dispatch, session } => self.lease_lost(job_id, dispatch, session),
            Input::Due { job_id } => self.due(job_id),
            Input::TimedOut { job_id, timeout_at } => self.timed_out(job_id, timeout_at),
            Input::Undeliverable { job_id, dispatch, error } => self.undeliverable(job_id, dispatch, error),
            Input::Cancel { job_id, now } => self.cancel(job_id, now),
            Input::Pause { job_id } => self.pause(job_id),
            Input::Resume { job_id } => self.resume(job_id),
            Input::NeverStarted { job_id, dispatch } => self.never_started(job_id, dispatch),
            Input::Retry { job_id, from_start } => self.retry(job_id, from_start),
            Input::Republish { job_id, dispatch } => self.republish(job_id, dispatch),
            Input::Answer { job_id, dispatch, answer } => self.answer(job_id, dispatch, answer),
        }
    }

    /// What the touched workflows need next. Empty: the fold is done.
    pub fn plan(&mut self) -> Vec<Command> {
        self.note_spent();
        let mut plan = std::mem::take(&mut self.requests);
        if plan.is_empty() {
            for id in std::mem::take(&mut self.touched) {
                match self.need(id) {
                    Some(Command::Window { .. }) if self.is_spent(id) => {
                        self.defer(id);
                    }
                    need => {
                        if let Some(Command::Load { jobs, .. }) = &need {
                            self.fetched.extend(jobs);
                        }
                        plan.extend(need);
                    }
                }
            }
        }
        // Else: a result must be put together, a list cut into batches, before anything above reads of it.
        self.note_asked(&plan);
        plan
    }

    /// What is to be carried out with the changed rows.
    pub fn effects(&mut self) -> Vec<Command> {
        keep::briefly(std::mem::take(&mut self.effects))
    }

    /// The result of a workflow that ended, put together.
    pub fn assembled(&mut self, workflow: JobId, result: Value) {
        if let Some(job) = self.tree.jobs.get_mut(&workflow) {
            job.result = Some(result);
            self.tree.changed.insert(workflow);
        }
    }

    /// A job about to change: what its workflow will compare with.
    fn see(&self, id: JobId) -> Seen {
        self.tree.jobs.get(&id).map_or_else(Seen::default, Seen::of)
    }

    /// Takes a job along one arrow of the transition table, with all that belongs to the new status. The caller sets what
    /// else the trigger brought, then calls `report`.
    fn transit(&mut self, id: JobId, trigger: Trigger) -> Result<(), Outcome> {
        let now = self.now;
        let inherited = self.pause_above(id);
        let Some(job) = self.tree.jobs.get_mut(&id) else {
            return Err(Outcome::Ignored(Ignored::UnknownJob));
        };
        let next = next(job.status, trigger);
        if matches!(next, Next::To(_) | Next::Stay) && job.paused.as_ref().is_some_and(|paused| paused.reason.is_over())
        {
            // Somebody had begun it after all: there is no message to wait for.
            job.paused = None;
        }
        let to = match next {
            Next::To(to) => to,
            Next::Stay => return Ok(()),
            Next::Ignore if job.is_terminal() => return Err(Outcome::Ignored(Ignored::Finished)),
            Next::Ignore => return Err(Outcome::Ignored(Ignored::Repeat)),
            Next::Illegal => return Err(Outcome::Illegal(Refusal::Transition { status: job.status, trigger })),
        };
        job.status = to;
        match to {
            // A worker may begin a paused job before it hears of the pause. It goes on, and is held back should it come back.
            JobStatus::Running => job.started_at = job.started_at.or(Some(now)),
            JobStatus::Pending => {
                job.lease = None;
                job.paused = job.paused.take().map(|paused| Paused { time_left_ms: None, ..paused }).or(inherited);
            }
            // What ends is not held back.
            _ => {
                if let Some(paused) = job.paused.take().filter(|paused| paused.reason == PauseReason::Asked) {
                    self.held.insert(id, Paused { time_left_ms: None, ..paused });
                }
            }
        }
        if to.is_terminal() {
            job.finished_at = Some(now);
            (job.lease, job.due_at, job.timeout_at) = (None, None, None);
            (job.parked, job.items) = (None, BTreeMap::new());
            if matches!(to, JobStatus::Completed | JobStatus::CompletedWithErrors) {
                job.progress = Progress::FULL;
            }
            self.effects.push(Command::Notify { job_id: id });
        }
        Ok(())
    }

    /// Marks a job changed.
    fn touch(&mut self, id: JobId) {
        self.tree.changed.insert(id);
    }

    /// A failure for which the job's retry policy is asked.
    fn fail(&mut self, id: JobId, error: JobError) -> Outcome {
        self.fail_with(id, error, 1)
    }

    /// The same for a job that stands for `errors` errors if this is its end.
    fn fail_with(&mut self, id: JobId, error: JobError, errors: u64) -> Outcome {
        let Some(job) = self.tree.jobs.get(&id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        let seen = Seen::of(job);
        let failures = job.failures + 1;
        let policy = job.policy.retry;
        let again = error.retryable && failures < policy.attempts;
        if let Err(outcome) = self.transit(id, if again { Trigger::FailAndRetry } else { Trigger::Fail }) {
            return outcome;
        }
        let Some(job) = self.tree.jobs.get_mut(&id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        job.error = Some(error.clone());
        job.failures = failures;
        if job.status == JobStatus::Pending {
            let due_at = kept_time(self.now + self.entropy.delay(&policy, failures));
            job.attempt += 1;
            job.due_at = Some(due_at);
            job.timeout_at = None;
            self.record(id, "retry_scheduled", json!({ "error": error, "due_at": due_at }));
        } else {
            job.error_count = errors.max(1);
            self.record(id, "failed", json!({ "error": error }));
        }
        self.report(id, seen);
        Outcome::Applied
    }
}

/// What a workflow compares a sub-job's new state with.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    status: Option<JobStatus>,
    progress: Progress,
    error_count: u64,
}

impl Seen {
    const fn of(job: &Job) -> Self {
        Self { status: Some(job.status), progress: job.progress, error_count: job.error_count }
    }

    /// Whether the job had ended.
    fn terminal(self) -> bool {
        self.status.is_some_and(JobStatus::is_terminal)
    }
}
