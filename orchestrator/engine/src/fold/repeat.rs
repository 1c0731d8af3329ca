//! A step that is repeated: when its sub-job has completed, `until` decides whether the same sub-job runs once more, as a new run of
//! it under a new dispatch.

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId};
use serde_json::{Value, json};

use super::{Fold, JobStatus, cancel::after, fanout::params_of, scope::expression_error};
use crate::{
    Trigger,
    definition::{Repeat, Step},
    expression::{RepeatScope, Scope},
};

/// The kind of error of a step whose rounds are spent.
pub(super) const MAX_ROUNDS: &str = "max_rounds";

/// What follows a round.
pub(super) enum Round {
    /// `until` holds: the step has ended.
    Last,
    /// Another one is begun, or waits for its time.
    Next,
    /// `until` does not hold, and nothing more of the step is begun.
    Cut,
}

impl Fold<'_> {
    /// What a step's expressions see of its rounds.
    pub(super) fn repeat_scope(&self, id: JobId, index: usize, step: &Step) -> Option<RepeatScope> {
        let repeat = step.repeat.as_ref()?;
        let state = self.tree.get(id)?.workflow.as_ref()?.state.steps.get(index)?;
        Some(RepeatScope { round: u64::from(state.rounds) + 1, max: repeat.max.into() })
    }

    /// A round has completed. `scope`: what `until` sees, and the parameters of the next round.
    pub(super) fn round_ended(
        &mut self,
        id: JobId,
        index: usize,
        step: &Step,
        repeat: &Repeat,
        mut scope: Scope,
    ) -> Result<Round, JobError> {
        scope.repeat = self.repeat_scope(id, index, step);
        if repeat.until.eval_bool(&scope).map_err(|error| expression_error(&error))? {
            return Ok(Round::Last);
        }
        let Some(workflow) = self.tree.get(id).and_then(|job| job.workflow.as_ref()) else { return Ok(Round::Cut) };
        let Some(state) = workflow.state.steps.get(index) else { return Ok(Round::Cut) };
        if state.stopped || workflow.skips() {
            return Ok(Round::Cut);
        }
        let (child, round) = (state.job_id, state.rounds.saturating_add(2));
        if round > repeat.max {
            let message = format!("after {} rounds `until` still does not hold: {}", repeat.max, repeat.until.source());
            return Err(JobError::permanent(MAX_ROUNDS, message));
        }
        let Some(child) = child else { return Ok(Round::Cut) };
        if let Some(repeat) = &mut scope.repeat {
            repeat.round = round.into();
        }
        let params = step.params.eval(&scope).map_err(|error| expression_error(&error))?;
        self.next_round(id, index, step, repeat, (child, round), params)?;
        Ok(Round::Next)
    }

    fn next_round(
        &mut self,
        id: JobId,
        index: usize,
        step: &Step,
        repeat: &Repeat,
        (child, round): (JobId, u32),
        params: Value,
    ) -> Result<(), JobError> {
        let Some(job) = self.tree.get(child) else { return Ok(()) };
        let params = params_of(step, job.workflow.as_ref(), params, None)?;
        let due_at = repeat.delay.and_then(|delay| after(self.now, delay));
        if let Some(state) = self.step_mut(id, index) {
            state.rounds = round.saturating_sub(1);
        }
        self.run_again(child, round, params, due_at);
        if let Some(job) = self.tree.jobs.get_mut(&id)
            && job.paused.is_none()
            && job.status == JobStatus::Running
        {
            job.message.value = Some(format!("{}: round {round} of {}", step.title, repeat.max));
        }
        Ok(())
    }

    /// Runs a completed sub-job once more, now or when its time has come.
    fn run_again(&mut self, id: JobId, round: u32, params: Value, due_at: Option<DateTime<Utc>>) {
        let seen = self.see(id);
        if self.renew(id, Trigger::Restart, Some(params)).is_err() {
            return;
        }
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            (job.round, job.due_at) = (round, due_at);
        }
        self.record(id, "repeated", json!({ "round": round, "due_at": due_at }));
        if self.tree.get(id).is_some_and(|job| job.workflow.is_some()) {
            self.rewind(id, true);
        }
        if due_at.is_none() {
            self.begin(id);
        }
        self.report(id, seen);
    }
}
