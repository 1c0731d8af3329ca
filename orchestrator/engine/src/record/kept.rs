//! Inputs as the history keeps them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobEvent, JobEventKind, ProgressReport, WorkerSession};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::object;
use crate::{Answer, Input};

/// An input as the history keeps it. What the job itself says is left out: the dispatch that counts, the session that holds
/// the lease, the time that is up. The tag is the line's `input`, the fields are in its `detail`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub(crate) enum Kept {
    /// A root was submitted. Its row has the rest.
    Created {
        /// Not before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_at: Option<DateTime<Utc>>,
    },
    /// A worker took it up, be it by a report of its progress.
    Started {
        /// The worker.
        worker_session: WorkerSession,
    },
    /// A chunk of an items list, which is a row of its own.
    Items {
        /// The list.
        name: String,
        /// How many values the chunk has.
        count: u64,
        /// The worker.
        worker_session: WorkerSession,
        /// With job and dispatch the key of the chunk's row.
        seq: u64,
    },
    /// See [`JobEventKind::Completed`].
    Completed {
        /// What it produced.
        result: Value,
        /// What a person should know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
        /// How many values each items list has.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
        /// Where the end waits for its items: the rest of the event, which its row keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parked: Option<Envelope>,
    },
    /// See [`JobEventKind::CompletedWithErrors`].
    CompletedWithErrors {
        /// What it produced.
        result: Value,
        /// What failed.
        errors: Vec<JobError>,
        /// How many values each items list has.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
        /// Where the end waits for its items: the rest of the event, which its row keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parked: Option<Envelope>,
    },
    /// See [`JobEventKind::Failed`].
    Failed {
        /// Why.
        error: JobError,
        /// What it had produced by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// How many values each items list has.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
        /// Where the end waits for its items: the rest of the event, which its row keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parked: Option<Envelope>,
    },
    /// See [`JobEventKind::Cancelled`].
    Cancelled {
        /// What it had produced by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// How many values each items list has.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        items: BTreeMap<String, u64>,
        /// The progress it ended at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
        /// Where the end waits for its items: the rest of the event, which its row keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parked: Option<Envelope>,
    },
    /// See [`JobEventKind::Released`].
    Released {
        /// The progress it was given back at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<ProgressReport>,
    },
    /// See [`Input::LeaseLost`].
    WorkerLost,
    /// See [`Input::Due`].
    Due,
    /// See [`Input::TimedOut`].
    TimedOut,
    /// See [`Input::Undeliverable`].
    Undeliverable {
        /// Why.
        error: JobError,
    },
    /// See [`Input::Cancel`].
    Cancel {
        /// Wait for nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        now: bool,
    },
    /// See [`Input::Pause`].
    Pause,
    /// See [`Input::Resume`].
    Resume,
    /// See [`Input::NeverStarted`].
    NeverStarted,
    /// See [`Input::Retry`].
    Retry {
        /// Do everything again.
        from_start: bool,
    },
    /// See [`Input::Republish`].
    Republish,
    /// See [`Input::Answer`].
    Answer(Answer),
}

/// What an event is beside its kind and its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// The attempt that the worker named.
    pub(crate) attempt: u32,
    /// The worker.
    pub(crate) worker_session: WorkerSession,
    /// The event's number.
    pub(crate) seq: u64,
    /// When, by the worker's clock.
    pub(crate) at: DateTime<Utc>,
}

/// Whose progress reports an input makes final, beside those of its own job's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reports {
    /// Nobody's.
    None,
    /// Those of everything unfinished below its job: the bar stops where they have brought it.
    Below,
    /// Those of everything unfinished below its job's workflow: the step's bar stays where they have brought it, although
    /// this job's own part of it is taken away.
    Beside,
}

impl Kept {
    /// What of an input is kept if it changes something, and whose reports with it. Every kind of input says so here: one
    /// that could not be made again would be missed by a replay.
    pub(crate) fn of(input: &Input) -> Option<(Self, Reports)> {
        let kept = match input {
            Input::Event(event) => Self::of_event(event)?,
            Input::LeaseLost { job_id: _, dispatch: _, session: _ } => Self::WorkerLost,
            Input::Due { job_id: _ } => Self::Due,
            Input::TimedOut { job_id: _, timeout_at: _ } => return Some((Self::TimedOut, Reports::Below)),
            Input::Undeliverable { job_id: _, dispatch: _, error } => Self::Undeliverable { error: error.clone() },
            Input::Cancel { job_id: _, now } => return Some((Self::Cancel { now: *now }, Reports::Below)),
            Input::Pause { job_id: _ } => Self::Pause,
            Input::Resume { job_id: _ } => Self::Resume,
            Input::NeverStarted { job_id: _, dispatch: _ } => Self::NeverStarted,
            Input::Retry { job_id: _, from_start } => {
                return Some((Self::Retry { from_start: *from_start }, Reports::Beside));
            }
            Input::Republish { job_id: _, dispatch: _ } => Self::Republish,
            Input::Answer { job_id: _, dispatch: _, answer } => Self::Answer(answer.clone()),
        };
        Some((kept, Reports::None))
    }

    fn of_event(event: &JobEvent) -> Option<Self> {
        let JobEvent { job_id: _, attempt, dispatch: _, worker_session, seq, at, kind } = event;
        let worker_session = *worker_session;
        let envelope = Envelope { attempt: *attempt, worker_session, seq: *seq, at: *at };
        Some(match kind.clone() {
            JobEventKind::Started | JobEventKind::Progress(_) => Self::Started { worker_session },
            JobEventKind::Items { name, values } => {
                Self::Items { name, count: values.len().try_into().unwrap_or(u64::MAX), worker_session, seq: *seq }
            }
            JobEventKind::Log { .. } => return None,
            JobEventKind::Completed { result, warnings, items, progress } => {
                Self::Completed { result, warnings, items, progress, parked: Some(envelope) }
            }
            JobEventKind::CompletedWithErrors { result, errors, items, progress } => {
                Self::CompletedWithErrors { result, errors, items, progress, parked: Some(envelope) }
            }
            JobEventKind::Failed { error, result, items, progress } => {
                Self::Failed { error, result, items, progress, parked: Some(envelope) }
            }
            JobEventKind::Cancelled { result, items, progress } => {
                Self::Cancelled { result, items, progress, parked: Some(envelope) }
            }
            JobEventKind::Released { progress } => Self::Released { progress },
        })
    }

    /// The name, as it stands in a line's `input`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Started { .. } => "started",
            Self::Items { .. } => "items",
            Self::Completed { .. } => "completed",
            Self::CompletedWithErrors { .. } => "completed_with_errors",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Released { .. } => "released",
            Self::WorkerLost => "worker_lost",
            Self::Due => "due",
            Self::TimedOut => "timed_out",
            Self::Undeliverable { .. } => "undeliverable",
            Self::Cancel { .. } => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::NeverStarted => "never_started",
            Self::Retry { .. } => "retry",
            Self::Republish => "republish",
            Self::Answer(_) => "answer",
        }
    }

    /// The progress that the input itself says its job ended at.
    pub(crate) const fn progress(&self) -> Option<&ProgressReport> {
        match self {
            Self::Completed { progress, .. }
            | Self::CompletedWithErrors { progress, .. }
            | Self::Failed { progress, .. }
            | Self::Cancelled { progress, .. }
            | Self::Released { progress } => progress.as_ref(),
            _ => None,
        }
    }

    /// An end that is folded at once needs no more than what it says.
    pub(crate) fn not_parked(&mut self) {
        if let Self::Completed { parked, .. }
        | Self::CompletedWithErrors { parked, .. }
        | Self::Failed { parked, .. }
        | Self::Cancelled { parked, .. } = self
        {
            *parked = None;
        }
    }

    /// The fields, for a line's `detail`.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let mut fields = object(self);
        fields.remove("input");
        fields
    }

    /// Reads what a line keeps.
    ///
    /// # Errors
    /// When there is no such input, or its fields are not there.
    pub(crate) fn read(name: &str, detail: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut fields = detail.clone();
        fields.insert("input".into(), name.into());
        serde_json::from_value(Value::Object(fields))
    }
}

/// Whether the input of that name is an event that ends a dispatch.
pub(crate) fn is_end(input: &str) -> bool {
    matches!(input, "completed" | "completed_with_errors" | "failed" | "cancelled" | "released")
}

/// Whether the input of that name is an event of a worker.
pub(crate) fn is_of_worker(input: &str) -> bool {
    is_end(input) || matches!(input, "started" | "items")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_kept_is_read_back_by_its_name() {
        let worker_session = WorkerSession(Uuid::from_u128(1));
        let parked = Some(Envelope { attempt: 2, worker_session, seq: u64::MAX, at: DateTime::UNIX_EPOCH });
        let error = JobError::retryable("io", "the disk hiccuped");
        let progress = Some(ProgressReport { percent: Some(12.34), ..ProgressReport::default() });
        let (result, items) = (json!({ "n": 0.1 }), BTreeMap::from([("list".to_owned(), 3)]));
        let all = [
            Kept::Created { run_at: Some(DateTime::UNIX_EPOCH) },
            Kept::Started { worker_session },
            Kept::Items { name: "list".into(), count: 3, worker_session, seq: 9 },
            Kept::Completed {
                result: result.clone(),
                warnings: vec!["odd".into()],
                items: items.clone(),
                progress: progress.clone(),
                parked: parked.clone(),
            },
            Kept::CompletedWithErrors {
                result,
                errors: vec![error.clone()],
                items: items.clone(),
                progress: progress.clone(),
                parked: parked.clone(),
            },
            Kept::Failed { error: error.clone(), result: None, items: items.clone(), progress: None, parked: None },
            Kept::Cancelled { result: Some(json!([])), items, progress: progress.clone(), parked },
            Kept::Released { progress },
            Kept::WorkerLost,
            Kept::Due,
            Kept::TimedOut,
            Kept::Undeliverable { error },
            Kept::Cancel { now: true },
            Kept::Pause,
            Kept::Resume,
            Kept::NeverStarted,
            Kept::Retry { from_start: false },
            Kept::Republish,
            Kept::Answer(Answer {
                approved: false,
                by: Some("ops".into()),
                reason: Some("not on a Friday".into()),
                data: Some(json!({ "ticket": 7 })),
            }),
        ];
        for kept in all {
            let mut detail = kept.fields();
            // Other things that a line tells do not disturb.
            detail.insert("losses".into(), 3.into());
            assert_eq!(Kept::read(kept.name(), &detail).unwrap(), kept);
        }
        assert!(Kept::read("unheard_of", &Map::new()).unwrap_err().to_string().contains("unheard_of"));
    }
}
