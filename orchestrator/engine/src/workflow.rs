//! What a workflow remembers of its steps: counters, never lists that grow with a fan-out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, StepStatus};
use serde::{Deserialize, Serialize};

use crate::{
    Progress,
    definition::{Definition, Repeat, Step},
    progress::{span, within},
};

/// A workflow's state. The row keeps it as JSON, without the definition.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// The definition it runs by.
    pub definition: Arc<Definition>,
    /// What it remembers.
    pub state: WorkflowState,
}

/// What a workflow remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowState {
    /// Index of the step whose turn it is; the number of steps when all are done. Never goes back within a run.
    pub current: usize,
    /// The steps, then the clean-up steps.
    pub steps: Vec<StepState>,
    /// Why it does not go through all of its steps, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

/// Why a workflow does not go through all of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ending {
    /// A step's `finish_if` was true: nothing is wrong.
    Early {
        /// What it said.
        message: String,
        /// There was nothing to do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        skip: bool,
    },
    /// A step failed whose `on_failure` is `finish`.
    Finish,
    /// A step failed whose `on_failure` is `fail`, or the workflow itself could not go on.
    Fail {
        /// Why.
        error: JobError,
    },
    /// It is being cancelled.
    Cancel,
}

/// What a workflow remembers of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// Where it stands.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: StepStatus,
    /// Its sub-job, unless it fans out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// How its single sub-job ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<JobStatus>,
    /// Why its single sub-job, a workflow that completed, had nothing to do, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How many sub-jobs it has; `None` until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// Index of the first batch that was not looked at yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cursor: u32,
    /// Sub-jobs made and not finished: they fill the window.
    #[serde(default, skip_serializing_if = "is_default")]
    pub open: u32,
    /// Sub-jobs that completed, with errors or without.
    #[serde(default, skip_serializing_if = "is_default")]
    pub done: u32,
    /// Of those done, how many with errors.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with_errors: u32,
    /// Sub-jobs that failed or were cancelled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failed: u32,
    /// Errors of its sub-jobs and its own, for `total_errors`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub error_count: u64,
    /// Of those errors, how many are of sub-jobs that completed: a retry keeps them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub done_errors: u64,
    /// Sum of its sub-jobs' progress, in hundredths of a percent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub progress_sum: i64,
    /// Its high-water mark.
    #[serde(default, skip_serializing_if = "is_default")]
    pub progress: Progress,
    /// Sums of the numeric top-level fields of its sub-jobs' results.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, serde_json::Number>,
    /// The sub-jobs at work, by batch (0 for a single one), with their progress. Never more than the window.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub running: BTreeMap<u32, (JobId, Progress)>,
    /// Of those at work, the paused workflows of which nothing runs any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resting: BTreeSet<u32>,
    /// Rounds that ended before the one that is under way, if it is repeated.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds: u32,
    /// No more batches and rounds are begun.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stopped: bool,
    /// A retry: its sub-jobs that completed are kept, and the others go on from where they failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resume: bool,
    /// Of a retry: from this batch on nothing is kept, since the run that is gone on with had not come to it; what
    /// completed there did so in a run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redo_from: Option<u32>,
    /// When its turn came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it failed, or why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// What a step that has not begun has, and most that have: not written, for the state is written with every step.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Workflow {
    /// A workflow that has not begun.
    #[must_use]
    pub fn new(definition: Arc<Definition>) -> Self {
        let count = definition.steps.len() + definition.cleanup.len();
        let steps = (0..count).map(|_| StepState::default()).collect();
        Self { definition, state: WorkflowState { current: 0, steps, ending: None } }
    }

    /// The definition of a step; clean-up steps follow the others.
    #[must_use]
    pub fn step(&self, index: usize) -> Option<&Step> {
        let regular = self.definition.steps.len();
        if index < regular { self.definition.steps.get(index) } else { self.definition.cleanup.get(index - regular) }
    }

    /// A step by its key, with its index.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<(usize, &Step)> {
        let mut steps = self.definition.steps.iter().chain(&self.definition.cleanup).enumerate();
        steps.find(|(_, step)| step.key == key)
    }

    /// The step whose turn it is.
    #[must_use]
    pub fn current(&self) -> Option<(&Step, &StepState)> {
        let index = self.state.current;
        (index < self.end()).then(|| self.step(index).zip(self.state.steps.get(index))).flatten()
    }

    /// Goes past every step, clean-up too: it is ended before it began.
    pub(crate) fn skip_all(&mut self) {
        self.state.current = self.state.steps.len();
        for step in &mut self.state.steps {
            step.status = StepStatus::Skipped;
        }
    }

    /// Whether clean-up steps are to run: something kept the workflow from going through its own.
    #[must_use]
    pub const fn needs_cleanup(&self) -> bool {
        matches!(self.state.ending, Some(Ending::Finish | Ending::Fail { .. } | Ending::Cancel))
    }

    /// Whether it is past its own steps.
    #[must_use]
    pub fn in_cleanup(&self) -> bool {
        self.state.current >= self.definition.steps.len()
    }

    /// Whether the steps that have not begun are left out: something ends it before them.
    #[must_use]
    pub fn skips(&self) -> bool {
        self.state.ending.is_some() && !self.in_cleanup()
    }

    /// Whether no sub-job of it, at any depth, is at work.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state.steps.iter().all(|step| step.at_work() == 0)
    }

    /// Index after the last step that is to run.
    #[must_use]
    pub fn end(&self) -> usize {
        let regular = self.definition.steps.len();
        if self.needs_cleanup() { regular + self.definition.cleanup.len() } else { regular }
    }

    /// Where the bar stands now, before high-water mark and end are applied. `None` where it has to stay: what a failure
    /// or a cancel leaves out is no progress.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        if matches!(self.state.ending, Some(Ending::Fail { .. } | Ending::Cancel)) {
            return None;
        }
        let weights: Vec<u32> = self.definition.steps.iter().map(|step| step.weight).collect();
        let index = self.state.current;
        Some(match self.state.steps.get(index) {
            Some(step) if index < weights.len() => within(span(&weights, index), step.progress),
            _ => Progress::FULL,
        })
    }

    /// Errors of all steps, for `total_errors`.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.state.steps.iter().map(|step| step.error_count).sum()
    }

    /// Whether anything went wrong that `completed` must not hide.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
            || self
                .state
                .steps
                .iter()
                .any(|step| matches!(step.status, StepStatus::Failed | StepStatus::CompletedWithErrors))
    }
}

impl StepState {
    /// Whether every sub-job that will ever be of it has ended.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.total {
            Some(total) => self.open == 0 && (self.stopped || self.done + self.failed >= total),
            None => self.stopped && self.open == 0,
        }
    }

    /// How many sub-jobs run, not counting paused workflows of which nothing runs.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.running.len().saturating_sub(self.resting.len())
    }

    /// Counts a sub-job that ended.
    pub(crate) fn count_end(&mut self, status: JobStatus, errors: u64) {
        self.error_count += errors;
        match status {
            JobStatus::Completed => self.done += 1,
            JobStatus::CompletedWithErrors => {
                (self.done, self.with_errors) = (self.done + 1, self.with_errors + 1);
                self.done_errors += errors;
            }
            _ => self.failed += 1,
        }
    }

    /// The reverse: a sub-job that had ended goes on.
    pub(crate) fn uncount_end(&mut self, status: JobStatus, errors: u64) {
        self.error_count = self.error_count.saturating_sub(errors);
        match status {
            JobStatus::Completed => self.done = self.done.saturating_sub(1),
            JobStatus::CompletedWithErrors => {
                (self.done, self.with_errors) = (self.done.saturating_sub(1), self.with_errors.saturating_sub(1));
                self.done_errors = self.done_errors.saturating_sub(errors);
            }
            _ => self.failed = self.failed.saturating_sub(1),
        }
    }

    /// From which batch on all are begun, whatever an earlier run completed.
    #[must_use]
    pub const fn redo_from(&self) -> u32 {
        match (self.resume, self.redo_from) {
            (false, _) => 0,
            (true, Some(from)) => from,
            (true, None) => u32::MAX,
        }
    }

    /// How many batches may be begun now.
    #[must_use]
    pub fn room(&self, max_parallel: u32) -> u32 {
        let Some(total) = self.total else { return 0 };
        if self.stopped || self.cursor >= total {
            return 0;
        }
        let waiting = total.saturating_sub(self.done + self.failed + self.open);
        waiting.min(max_parallel.saturating_sub(self.open))
    }

    /// Recomputes the high-water mark from the sub-jobs' progress; of a step that is repeated, over all of its rounds.
    pub fn raise_progress(&mut self, repeat: Option<&Repeat>) {
        let mean = match repeat {
            Some(repeat) => {
                let ended = i64::from(self.rounds) * i64::from(Progress::FULL.hundredths());
                Progress::mean(self.progress_sum + ended, repeat.max)
            }
            None => Progress::mean(self.progress_sum, self.total.unwrap_or(0)),
        };
        self.progress = self.progress.max(mean.min(Progress::ALMOST));
    }

    /// Adds the numeric top-level fields of a sub-job's result.
    pub fn add_totals(&mut self, result: &serde_json::Value) {
        let Some(fields) = result.as_object() else { return };
        for (name, value) in fields {
            let Some(number) = value.as_number() else { continue };
            if !self.totals.contains_key(name) && self.totals.len() >= TOTALS {
                continue;
            }
            let sum = match self.totals.get(name) {
                Some(sum) => add(sum, number),
                None => Some(number.clone()),
            };
            if let Some(sum) = sum {
                self.totals.insert(name.clone(), sum);
            }
        }
    }
}

/// Most fields that are summed up over a fan-out: the state stays small whatever a result holds.
const TOTALS: usize = 32;

fn add(left: &serde_json::Number, right: &serde_json::Number) -> Option<serde_json::Number> {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return Some(left.saturating_add(right).into());
    }
    serde_json::Number::from_f64(left.as_f64()? + right.as_f64()?)
}
