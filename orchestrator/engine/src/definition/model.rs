//! What a loaded definition consists of.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use drover_protocol::JobType;
use serde_json::Value;

use super::{InputSchema, RetryPolicy, Schedule};
use crate::expression::{Expression, References, Template};

/// A workflow: what it takes, which steps it runs, what it reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name, by which it is submitted. That of a nested chain is its parent's name, `.` and the step's key.
    pub name: JobType,
    /// What a person calls it.
    pub title: String,
    /// What it accepts as parameters; everything when absent.
    pub input: Option<InputSchema>,
    /// The steps, in the order in which they run; never empty.
    pub steps: Vec<Step>,
    /// Steps that run, in order, after a failure or a cancel. They may look at every step.
    pub cleanup: Vec<Step>,
    /// The result's `summary`, by key.
    pub summary: BTreeMap<String, Template>,
    /// When it is submitted by itself. A nested chain never is.
    pub schedule: Option<Schedule>,
    /// SHA-256 of the whole document's canonical JSON, in hex. Nested chains carry the hash of the document they stand in.
    pub hash: String,
    /// The step keys that lead from the document's outermost definition to this one; empty for the outermost.
    pub path: Vec<String>,
    pub(super) document: Arc<Value>,
}

/// A named stage of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its key: unique in its definition, cleanup included.
    pub key: String,
    /// What a person calls it; the key when the definition does not say.
    pub title: String,
    /// Its share of the bar, relative to the other steps' weights. 0 for a cleanup step, which has no share.
    pub weight: u32,
    /// What it runs.
    pub work: Work,
    /// `if`: when false the step is skipped.
    pub condition: Option<Expression>,
    /// The parameters of its sub-jobs. Where the definition gives none: `{}`, and `${input}` for nested steps.
    pub params: Template,
    /// Present when the step fans out into batches.
    pub for_each: Option<FanOut>,
    /// What the workflow does when the step failed.
    pub on_failure: OnFailure,
    /// Looked at in order when the step has ended without failing: the first that holds ends the workflow.
    pub finish_if: Vec<FinishIf>,
    /// How often and when its sub-jobs are tried.
    pub retry: RetryPolicy,
    /// Present when its sub-job may run more than once.
    pub repeat: Option<Repeat>,
    /// How long one attempt of a sub-job may run; for `workflow` and nested steps, the whole child workflow; for what waits for a
    /// signal, how long it waits.
    pub timeout: Option<Duration>,
    /// What `if`, `for_each` and `batch_size` read.
    pub start_references: References,
    /// What `params` reads.
    pub params_references: References,
    /// What is read when a sub-job has ended: by `finish_if`, messages included, and where the step is repeated by `until` and by
    /// the next round's `params`.
    pub finish_references: References,
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A job of this type, run by a worker.
    Job(JobType),
    /// Another registered workflow.
    Workflow(JobType),
    /// Nested steps: a child workflow of their own, one per batch where the step fans out. They see `input` (the step's
    /// `params`), the nested steps before them, and `batch` where the step fans out.
    Steps(Arc<Definition>),
    /// Nothing: it waits for somebody's answer.
    Signal,
    /// Nothing: it has completed as soon as its turn comes.
    Milestone,
}

/// What the sub-job of a step that waits for a signal is called.
const SIGNAL: &str = "signal";
/// What the sub-job of a milestone would be called, if it had one.
const MILESTONE: &str = "milestone";

impl Work {
    /// What a sub-job is called: a job's type, a workflow's name, `signal`.
    #[must_use]
    pub fn job_type(&self) -> JobType {
        match self {
            Self::Job(name) | Self::Workflow(name) => name.clone(),
            Self::Steps(nested) => nested.name.clone(),
            // A constant; every test of a signal comes by here.
            Self::Signal => JobType::new(SIGNAL).expect("a valid name"),
            // A constant, too; nothing asks for it.
            Self::Milestone => JobType::new(MILESTONE).expect("a valid name"),
        }
    }
}

/// How a step is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// Evaluated when a round has completed: where it holds, that was the last one.
    pub until: Expression,
    /// Most rounds. When they are spent and `until` does not hold, the step has failed. At least 1.
    pub max: u32,
    /// How long the next round waits.
    pub delay: Option<Duration>,
}

/// How a step fans out.
#[derive(Clone, Debug, PartialEq)]
pub struct FanOut {
    /// Evaluates to the list that is cut into batches, or to an `$items` object.
    pub items: Expression,
    /// How many items a batch has; the last one may have fewer.
    pub batch_size: BatchSize,
    /// How many batches run at once. At least 1.
    pub max_parallel: u32,
    /// How many batches may fail before the step has failed; none when absent.
    pub tolerate: Option<Tolerate>,
}

/// How many items a batch has.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchSize {
    /// So many, from 1 to [`super::limits::BATCH_SIZE`].
    Fixed(u32),
    /// What this evaluates to when the step begins.
    Of(Expression),
}

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Of(expression) => write!(f, "${{{}}}", expression.source()),
        }
    }
}

impl FanOut {
    /// The expressions that are evaluated when the step begins.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let size = match &self.batch_size {
            BatchSize::Fixed(_) => None,
            BatchSize::Of(expression) => Some(expression),
        };
        std::iter::once(&self.items).chain(size)
    }
}

/// The failure budget of a fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerate {
    /// At most this many batches.
    Count(u32),
    /// At most this share of the batches, in hundredths of a percent: 0 to 10,000.
    Percent(u32),
}

impl Tolerate {
    /// Whether `failed` of `total` batches are within the budget.
    #[must_use]
    pub fn allows(self, failed: u64, total: u64) -> bool {
        match self {
            Self::Count(limit) => failed <= u64::from(limit),
            Self::Percent(points) => u128::from(failed) * 10_000 <= u128::from(total) * u128::from(points),
        }
    }
}

/// What a workflow does when a step failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Goes on with the next step; the workflow can at best complete with errors.
    #[default]
    Continue,
    /// Skips the remaining steps and ends with what it has.
    Finish,
    /// Skips the remaining steps and fails.
    Fail,
}

/// An early end without failure.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishIf {
    /// When it holds.
    pub when: Expression,
    /// What people are told; evaluates to a text.
    pub message: Template,
    /// Whether there was nothing to do: where what ends is the sub-workflow of a step, that step is skipped.
    pub skip: bool,
}
