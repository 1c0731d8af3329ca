//! What the shape of a message does not say: lengths of texts and lists, ranges of numbers and times. Whatever passes
//! can be stored: numbers fit the database's signed types, times its range.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Datelike, Utc};

use crate::{
    Control, DecodeError, JobError, JobEvent, JobEventKind, JobMessage, JobTypeInfo, ProgressReport, RunningJob,
    Submission, WorkerEvent, WorkerEventKind, limits, message::pointer_part,
};

type Checked = Result<(), DecodeError>;

/// Refuses with a field and a problem; the field is formatted here only, since nearly every message passes.
fn refuse(field: fmt::Arguments<'_>, problem: impl Into<String>) -> Checked {
    Err(DecodeError::Limit { field: field.to_string(), problem: problem.into() })
}

fn at_most(field: fmt::Arguments<'_>, length: usize, limit: usize, unit: &str) -> Checked {
    if length > limit { refuse(field, format!("has {length} {unit}; the limit is {limit}")) } else { Ok(()) }
}

/// The limit on the length of one body's array of events.
pub(crate) fn array(length: usize) -> Checked {
    at_most(format_args!("the array"), length, limits::EVENTS_PER_MESSAGE, "entries")
}

fn text(field: fmt::Arguments<'_>, text: &str, limit_bytes: usize) -> Checked {
    at_most(field, text.len(), limit_bytes, "bytes")
}

fn name(field: fmt::Arguments<'_>, name: &str) -> Checked {
    if name.is_empty() { refuse(field, "is empty") } else { text(field, name, limits::NAME_BYTES) }
}

/// Attempts, dispatches and slots count from 1 and are stored as `integer`.
fn count(field: fmt::Arguments<'_>, value: u32) -> Checked {
    match i32::try_from(value) {
        Ok(1..) => Ok(()),
        _ => refuse(field, format!("is {value}; it must be from 1 to {}", i32::MAX)),
    }
}

/// Sequence numbers and amounts of work are stored as `bigint`.
fn amount(field: fmt::Arguments<'_>, value: u64) -> Checked {
    if i64::try_from(value).is_err() {
        return refuse(field, format!("is {value}; the limit is {}", i64::MAX));
    }
    Ok(())
}

/// Years that every database, language and person can read.
fn time(field: fmt::Arguments<'_>, at: DateTime<Utc>) -> Checked {
    let year = at.year();
    if (1970..=9999).contains(&year) {
        return Ok(());
    }
    refuse(field, format!("is in the year {year}; it must be from 1970 to 9999"))
}

fn seconds(field: fmt::Arguments<'_>, value: f64, limit: f64) -> Checked {
    if value > 0.0 && value <= limit {
        return Ok(());
    }
    refuse(field, format!("is {value}; it must be above 0 and at most {limit} seconds"))
}

fn running(list: &str, jobs: &[RunningJob]) -> Checked {
    jobs.iter().enumerate().try_for_each(|(index, job)| count(format_args!("/{list}/{index}/dispatch"), job.dispatch))
}

fn progress(prefix: &str, report: &ProgressReport) -> Checked {
    if let Some(percent) = report.percent
        && !(0.0..=100.0).contains(&percent)
    {
        return refuse(format_args!("{prefix}/percent"), format!("is {percent}; it must be from 0 to 100"));
    }
    report.processed.map_or(Ok(()), |value| amount(format_args!("{prefix}/processed"), value))?;
    report.total.map_or(Ok(()), |value| amount(format_args!("{prefix}/total"), value))?;
    let message = report.message.as_deref().unwrap_or_default();
    text(format_args!("{prefix}/message"), message, limits::PROGRESS_MESSAGE_BYTES)
}

fn error(field: fmt::Arguments<'_>, error: &JobError) -> Checked {
    text(format_args!("{field}/kind"), &error.kind, limits::ERROR_KIND_BYTES)?;
    text(format_args!("{field}/message"), &error.message, limits::ERROR_MESSAGE_BYTES)
}

pub(crate) fn job(job: &JobMessage) -> Checked {
    count(format_args!("/attempt"), job.attempt)?;
    count(format_args!("/dispatch"), job.dispatch)?;
    job.step.as_deref().map_or(Ok(()), |step| text(format_args!("/step"), step, limits::KEY_BYTES))?;
    job.timeout_seconds
        .map_or(Ok(()), |value| seconds(format_args!("/timeout_seconds"), value, limits::TIMEOUT_SECONDS))?;
    job.deadline.map_or(Ok(()), |at| time(format_args!("/deadline"), at))?;
    text(format_args!("/idempotency_key"), &job.idempotency_key, limits::KEY_BYTES)
}

pub(crate) fn event(event: &JobEvent) -> Checked {
    count(format_args!("/attempt"), event.attempt)?;
    count(format_args!("/dispatch"), event.dispatch)?;
    amount(format_args!("/seq"), event.seq)?;
    time(format_args!("/at"), event.at)?;
    if let Some(report) = event.kind.progress() {
        progress(if event.kind.is_terminal() { "/progress" } else { "" }, report)?;
    }
    event_kind(&event.kind)
}

fn event_kind(kind: &JobEventKind) -> Checked {
    match kind {
        JobEventKind::Items { name: list, values } => {
            name(format_args!("/name"), list)?;
            at_most(format_args!("/values"), values.len(), limits::ITEMS_PER_EVENT, "entries")
        }
        JobEventKind::Log { message, .. } => text(format_args!("/message"), message, limits::LOG_MESSAGE_BYTES),
        JobEventKind::Completed { warnings, items, .. } => {
            lists(items)?;
            at_most(format_args!("/warnings"), warnings.len(), limits::ERRORS_PER_RESULT, "entries")?;
            warnings.iter().enumerate().try_for_each(|(index, warning)| {
                text(format_args!("/warnings/{index}"), warning, limits::ERROR_MESSAGE_BYTES)
            })
        }
        JobEventKind::CompletedWithErrors { errors, items, .. } => {
            lists(items)?;
            at_most(format_args!("/errors"), errors.len(), limits::ERRORS_PER_RESULT, "entries")?;
            errors.iter().enumerate().try_for_each(|(index, entry)| error(format_args!("/errors/{index}"), entry))
        }
        JobEventKind::Failed { error: cause, items, .. } => {
            lists(items)?;
            error(format_args!("/error"), cause)
        }
        JobEventKind::Cancelled { items, .. } => lists(items),
        JobEventKind::Started | JobEventKind::Progress(_) | JobEventKind::Released { .. } => Ok(()),
    }
}

/// How many values each `items` list of a result has.
fn lists(items: &BTreeMap<String, u64>) -> Checked {
    at_most(format_args!("/items"), items.len(), limits::ITEM_LISTS, "entries")?;
    items.iter().try_for_each(|(list, length)| {
        let part = pointer_part(list);
        name(format_args!("the name of the list /items/{part}"), list)?;
        amount(format_args!("/items/{part}"), *length)
    })
}

pub(crate) fn worker(event: &WorkerEvent) -> Checked {
    amount(format_args!("/seq"), event.seq)?;
    time(format_args!("/at"), event.at)?;
    match &event.kind {
        WorkerEventKind::WorkerUp { types, version, host, concurrency } => {
            text(format_args!("/version"), version, limits::KEY_BYTES)?;
            text(format_args!("/host"), host, limits::KEY_BYTES)?;
            count(format_args!("/concurrency"), *concurrency)?;
            types.iter().enumerate().try_for_each(|(index, info)| job_type(index, info))
        }
        WorkerEventKind::WorkerHeartbeat { running: jobs, paused_version, .. } => {
            amount(format_args!("/paused_version"), paused_version.unwrap_or(0))?;
            running("running", jobs)
        }
        WorkerEventKind::WorkerDown => Ok(()),
    }
}

fn job_type(index: usize, info: &JobTypeInfo) -> Checked {
    text(format_args!("/types/{index}/title"), &info.title, limits::KEY_BYTES)?;
    let unit = info.unit.as_deref().unwrap_or_default();
    text(format_args!("/types/{index}/unit"), unit, limits::NAME_BYTES)?;
    for (field, schema) in [("params_schema", &info.params_schema), ("result_schema", &info.result_schema)] {
        if !(schema.is_object() || schema.is_boolean()) {
            return refuse(format_args!("/types/{index}/{field}"), "is no JSON Schema: an object, true or false");
        }
    }
    info.concurrency.map_or(Ok(()), |value| count(format_args!("/types/{index}/concurrency"), value))
}

pub(crate) fn control(control: &Control) -> Checked {
    match control {
        Control::Welcome { cancelled, paused, lease_seconds, .. } => {
            amount(format_args!("/paused/version"), paused.as_ref().map_or(0, |paused| paused.version))?;
            seconds(format_args!("/lease_seconds"), *lease_seconds, limits::TIMEOUT_SECONDS)?;
            running("cancelled", cancelled)
        }
        Control::Cancel { jobs, .. } | Control::Withdraw { jobs, .. } | Control::Stop { jobs, .. } => {
            running("jobs", jobs)
        }
        Control::PausedTypes(paused) => amount(format_args!("/version"), paused.version),
        Control::Drain { .. } => Ok(()),
    }
}

pub(crate) fn submission(submission: &Submission) -> Checked {
    at_most(format_args!("/labels"), submission.labels.len(), limits::LABELS, "entries")?;
    submission.run_at.map_or(Ok(()), |at| time(format_args!("/run_at"), at))?;
    if let Some(key) = &submission.idempotency_key {
        if key.is_empty() {
            return refuse(format_args!("/idempotency_key"), "is empty");
        }
        text(format_args!("/idempotency_key"), key, limits::KEY_BYTES)?;
    }
    submission.labels.iter().try_for_each(|(key, value)| {
        let part = pointer_part(key);
        if key.is_empty() {
            return refuse(format_args!("/labels"), "has a label without a name");
        }
        if key.contains(':') {
            return refuse(
                format_args!("/labels/{part}"),
                "has a name with a colon, which ends it where jobs are looked for",
            );
        }
        at_most(format_args!("the name of the label /labels/{part}"), key.len(), limits::NAME_BYTES, "bytes")?;
        text(format_args!("/labels/{part}"), value, limits::KEY_BYTES)
    })
}
