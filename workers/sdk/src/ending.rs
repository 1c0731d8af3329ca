//! How a job ends: the one place that turns what a handler did into what is reported.

use std::{collections::BTreeMap, time::Duration};

use chrono::DateTime;
use drover_protocol::{DecodeError, JobError, JobEvent, JobEventKind, JobId, ProgressReport, WorkerSession, limits};
use serde_json::Value;
use uuid::Uuid;

use crate::{JobFailure, state::Stop, text};

/// Longest text of an error or warning that stands in a list, so that a full list is no reason to refuse a result.
const LISTED_BYTES: usize = 2 * 1024;

/// What came of calling a handler.
#[derive(Debug)]
pub(crate) enum Returned {
    /// It did its work.
    Done {
        /// What it produced.
        result: Value,
        /// What a person should know.
        warnings: Vec<String>,
        /// What failed beside it; not empty: completed with errors.
        errors: Option<Vec<JobError>>,
    },
    /// It returned a failure.
    Failure(JobFailure),
    /// It panicked.
    Panicked(String),
    /// It did not return within the grace period and was dropped, or was not called at all.
    Dropped,
}

/// What the job had reported by its end, and how long it was allowed to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) progress: Option<ProgressReport>,
    /// How many values it sent of each list.
    pub(crate) items: BTreeMap<String, u64>,
    pub(crate) timeout: Option<Duration>,
}

/// What is reported of a job's end. `None`: nothing is.
///
/// A handler that returned after it was told to stop is taken by its word: completed stays completed.
pub(crate) fn of(returned: Returned, stop: Option<Stop>, ran: Ran) -> Option<JobEventKind> {
    if stop == Some(Stop::Taken) {
        return None;
    }
    let Ran { progress, items, timeout } = ran;
    Some(match returned {
        Returned::Done { result, warnings, errors: None } => {
            JobEventKind::Completed { result, warnings: cut_warnings(warnings), items, progress }
        }
        Returned::Done { result, errors: Some(errors), .. } => {
            JobEventKind::CompletedWithErrors { result, errors: cut_errors(errors), items, progress }
        }
        Returned::Failure(JobFailure::Failed { error, partial }) => failed(error, partial, items, progress),
        Returned::Panicked(message) => failed(JobError::retryable("panic", message), None, items, progress),
        Returned::Failure(JobFailure::Cancelled { partial }) => {
            stopped(stop, partial, Ran { progress, items, timeout })
        }
        Returned::Dropped => stopped(stop, None, Ran { progress, items, timeout }),
    })
}

fn stopped(stop: Option<Stop>, partial: Option<Value>, ran: Ran) -> JobEventKind {
    let Ran { progress, items, timeout } = ran;
    match stop {
        Some(Stop::Timeout) => {
            let seconds = timeout.unwrap_or_default().as_secs_f64();
            let error = JobError::retryable("timeout", format!("it ran longer than its timeout of {seconds} s"));
            failed(error, partial, items, progress)
        }
        Some(Stop::Drain | Stop::Isolation) => JobEventKind::Released { progress },
        // A handler may also decide by itself to count as cancelled.
        Some(Stop::Cancel | Stop::Taken) | None => JobEventKind::Cancelled { result: partial, items, progress },
    }
}

fn failed(
    error: JobError,
    result: Option<Value>,
    items: BTreeMap<String, u64>,
    progress: Option<ProgressReport>,
) -> JobEventKind {
    JobEventKind::Failed { error: clean(error), result, items, progress }
}

/// A failure of which nothing but the reason is to be told.
pub(crate) fn failure(error: JobError) -> JobEventKind {
    failed(error, None, BTreeMap::new(), None)
}

fn clean(error: JobError) -> JobError {
    JobError {
        kind: text::clean(error.kind, limits::ERROR_KIND_BYTES),
        message: text::clean(error.message, limits::ERROR_MESSAGE_BYTES),
        retryable: error.retryable,
    }
}

fn cut_warnings(warnings: Vec<String>) -> Vec<String> {
    let cut = |warning| text::clean(warning, LISTED_BYTES);
    cut_list(warnings, |more| format!("and {more} more warnings")).into_iter().map(cut).collect()
}

fn cut_errors(errors: Vec<JobError>) -> Vec<JobError> {
    let more = |more| JobError::permanent("more", format!("and {more} more errors"));
    let cut = |error: JobError| clean(JobError { message: text::clean(error.message, LISTED_BYTES), ..error });
    cut_list(errors, more).into_iter().map(cut).collect()
}

/// The list within its limit; the last entry then counts what was left out.
fn cut_list<T>(mut list: Vec<T>, last: impl FnOnce(usize) -> T) -> Vec<T> {
    if list.len() > limits::ERRORS_PER_RESULT {
        let kept = limits::ERRORS_PER_RESULT - 1;
        let more = list.len() - kept;
        list.truncate(kept);
        list.push(last(more));
    }
    list
}

/// The end itself, or what is reported in its place when its result breaks a limit of the wire.
pub(crate) fn checked(kind: JobEventKind, limit_bytes: usize) -> JobEventKind {
    let event = JobEvent {
        job_id: JobId(Uuid::nil()),
        attempt: 1,
        dispatch: 1,
        worker_session: WorkerSession(Uuid::nil()),
        seq: 0,
        at: DateTime::UNIX_EPOCH,
        kind,
    };
    match drover_protocol::encode(&event, limit_bytes) {
        Ok(_) => event.kind,
        Err(error) => instead_of(event.kind, &problem(&error)),
    }
}

/// What is wrong with an end that breaks a limit of the wire, for a person.
pub(crate) fn problem(why: &DecodeError) -> String {
    match why {
        DecodeError::Nul { field } => {
            format!(
                "{} holds a NUL character (U+0000), which cannot be stored; remove it",
                field.trim_start_matches('/')
            )
        }
        DecodeError::TooLarge { size_bytes, limit_bytes } => format!(
            "with its result the message has {size_bytes} bytes; the limit is {limit_bytes}. Send long lists by \
             JobContext::items"
        ),
        other => other.to_string(),
    }
}

/// What is reported in place of an end that cannot be sent.
pub(crate) fn instead_of(kind: JobEventKind, problem: &str) -> JobEventKind {
    let progress = kind.progress().cloned();
    match kind {
        // The error that the job failed with is worth more than its partial result.
        JobEventKind::Failed { error, items, .. } => {
            let message = format!("{} (the partial result was left out: {problem})", error.message);
            failed(JobError { message, ..error }, None, items, progress)
        }
        JobEventKind::Cancelled { items, .. } => JobEventKind::Cancelled { result: None, items, progress },
        JobEventKind::Completed { items, .. } | JobEventKind::CompletedWithErrors { items, .. } => {
            failed(JobError::permanent("invalid_result", problem), None, items, progress)
        }
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn done() -> Returned {
        Returned::Done { result: 1.into(), warnings: Vec::new(), errors: None }
    }

    fn name(returned: Returned, stop: Option<Stop>) -> Option<&'static str> {
        of(returned, stop, Ran { timeout: Some(Duration::from_secs(3)), ..Ran::default() }).map(|kind| kind.name())
    }

    #[test]
    fn what_a_handler_returned_after_a_stop_counts() {
        for stop in [None, Some(Stop::Drain), Some(Stop::Isolation), Some(Stop::Timeout), Some(Stop::Cancel)] {
            assert_eq!(name(done(), stop), Some("completed"));
            assert_eq!(name(Returned::Failure(JobFailure::retryable("io", "x")), stop), Some("failed"));
            assert_eq!(name(Returned::Panicked("x".into()), stop), Some("failed"));
        }
    }

    #[test]
    fn a_handler_that_stopped_is_reported_by_the_reason() {
        let cases = [
            (None, "cancelled"),
            (Some(Stop::Cancel), "cancelled"),
            (Some(Stop::Timeout), "failed"),
            (Some(Stop::Drain), "released"),
            (Some(Stop::Isolation), "released"),
        ];
        for (stop, expected) in cases {
            assert_eq!(name(Returned::Failure(JobFailure::cancelled()), stop), Some(expected));
            assert_eq!(name(Returned::Dropped, stop), Some(expected));
        }
    }

    #[test]
    fn nothing_is_reported_of_a_job_that_was_taken() {
        assert_eq!(name(done(), Some(Stop::Taken)), None);
        assert_eq!(name(Returned::Dropped, Some(Stop::Taken)), None);
    }

    #[test]
    fn a_timeout_says_how_long_and_keeps_the_partial_result() {
        let failure = JobFailure::cancelled().with_partial(7);
        let ran = Ran { timeout: Some(Duration::from_secs(3)), ..Ran::default() };
        let kind = of(Returned::Failure(failure), Some(Stop::Timeout), ran);
        let error = JobError::retryable("timeout", "it ran longer than its timeout of 3 s");
        assert_eq!(
            kind,
            Some(JobEventKind::Failed { error, result: Some(7.into()), items: BTreeMap::new(), progress: None })
        );
    }

    #[test]
    fn long_lists_of_errors_end_with_a_count() {
        let errors = (0..150).map(|index| JobError::permanent("row", format!("row {index}"))).collect();
        let returned = Returned::Done { result: 1.into(), warnings: Vec::new(), errors: Some(errors) };
        let Some(JobEventKind::CompletedWithErrors { errors, .. }) = of(returned, None, Ran::default()) else {
            panic!("completed with errors");
        };
        assert_eq!(errors.len(), limits::ERRORS_PER_RESULT);
        assert_eq!(errors.last().unwrap().message, "and 51 more errors");
    }
}
