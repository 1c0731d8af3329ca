//! A job that waits for a signal: no worker takes it. The orchestrator is its worker, as it is a workflow's, and what ends it is
//! an answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus};
use serde_json::{Value, json};

use super::{Fold, Seen};
use crate::{Answer, Ignored, Outcome, Refusal, Trigger};

/// The kind of error of a refusal.
pub(super) const REFUSED: &str = "refused";

impl Fold<'_> {
    /// Its turn has come: it says what it waits for.
    pub(super) fn wait_for_answer(&mut self, id: JobId) {
        let since = time(self.now);
        self.say(id, format!("waiting for approval since {since}; drover approve {id}"));
    }

    /// Somebody answers.
    pub(super) fn answer(&mut self, id: JobId, dispatch: Option<u32>, answer: Answer) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if !job.is_signal() {
            return Outcome::Illegal(Refusal::NoSignal);
        }
        let status = job.status;
        match status {
            JobStatus::Running if dispatch.is_none_or(|seen| seen == job.dispatch) => {}
            JobStatus::Running => return Outcome::Illegal(Refusal::WaitsAnew),
            JobStatus::Pending | JobStatus::Cancelling => return Outcome::Illegal(Refusal::NotWaiting),
            _ => {
                let said = job.message.value.clone().unwrap_or_else(|| format!("it is {status}"));
                return Outcome::Illegal(Refusal::Answered { status, said });
            }
        }
        let (seen, said) = (Seen::of(job), told(&answer, self.now));
        let approved = answer.approved;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.result = Some(result(answer, self.now));
        }
        self.say(id, said.clone());
        if !approved {
            return self.fail(id, JobError::permanent(REFUSED, said));
        }
        if let Err(outcome) = self.transit(id, Trigger::Complete) {
            return outcome;
        }
        self.record(id, "approved", Value::Null);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Its time is up.
    pub(super) fn unanswered(&mut self, id: JobId, allowed: Duration) -> Outcome {
        let said = format!("nobody answered within its timeout of {allowed:?}");
        self.say(id, said.clone());
        self.fail(id, JobError::retryable("timeout", said))
    }

    /// What a job says to people.
    pub(super) fn say(&mut self, id: JobId, said: impl Into<String>) {
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.message.value = Some(said.into());
        }
    }
}

/// The step's result, as expressions read it.
fn result(answer: Answer, at: DateTime<Utc>) -> Value {
    let Answer { approved, by, reason, data } = answer;
    let mut result = json!({ "approved": approved, "by": by, "at": at });
    if let Some(fields) = result.as_object_mut() {
        fields.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
        fields.extend(data.map(|data| ("data".to_owned(), data)));
    }
    result
}

/// An answer for people: `approved by ops at 2026-01-05 08:00:00 UTC: it is Monday`.
fn told(answer: &Answer, at: DateTime<Utc>) -> String {
    let what = if answer.approved { "approved" } else { "refused" };
    let by = answer.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let reason = answer.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{what}{by} at {}{reason}", time(at))
}

fn time(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}
