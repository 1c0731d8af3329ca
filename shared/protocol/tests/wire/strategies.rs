//! Arbitrary messages within the limits.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use drover_protocol::{
    JobError, JobEvent, JobEventKind, JobId, JobMessage, JobType, LogLevel, ProgressReport, WorkerSession,
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;
use uuid::Uuid;

pub(crate) fn job_id() -> impl Strategy<Value = JobId> {
    any::<u128>().prop_map(|bits| JobId(Uuid::from_u128(bits)))
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (0..253_402_300_000_i64, 0..1_000_000_000_i64)
        .prop_map(|(seconds, nanos)| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos))
}

/// Any text that may be sent: everything but NUL, with quotes, backslashes and emoji among it.
fn text(longest: usize) -> impl Strategy<Value = String> {
    let char = prop_oneof![4 => any::<char>(), 1 => prop::char::ranges(vec!['"'..='"', '\\'..='\\', 'u'..='u', '0'..='0'].into())];
    vec(char, 0..longest).prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect())
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinity", |value| value.is_finite()).prop_map(Value::from),
        text(12).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(6), inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn present_json() -> impl Strategy<Value = Option<Value>> {
    // A null and an absent optional value mean the same, so only one of the two can come back.
    option::of(json()).prop_map(|value| value.filter(|value| !value.is_null()))
}

fn amount() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

fn count() -> impl Strategy<Value = u32> {
    1..=i32::MAX.unsigned_abs()
}

fn progress() -> impl Strategy<Value = ProgressReport> {
    (option::of(0.0..=100.0), option::of(text(20)), option::of(amount()), option::of(amount()))
        .prop_map(|(percent, message, processed, total)| ProgressReport { percent, message, processed, total })
}

fn error() -> impl Strategy<Value = JobError> {
    (text(10), text(30), any::<bool>()).prop_map(|(kind, message, retryable)| JobError { kind, message, retryable })
}

fn lists() -> impl Strategy<Value = BTreeMap<String, u64>> {
    prop::collection::btree_map("[a-z_]{1,8}", amount(), 0..3)
}

fn event_kind() -> impl Strategy<Value = JobEventKind> {
    let fields = prop::collection::btree_map(text(6), json(), 0..3).prop_map(|fields| fields.into_iter().collect());
    let level = prop_oneof![Just(LogLevel::Trace), Just(LogLevel::Info), Just(LogLevel::Error)];
    prop_oneof![
        Just(JobEventKind::Started),
        option::of(progress()).prop_map(|progress| JobEventKind::Released { progress }),
        progress().prop_map(JobEventKind::Progress),
        ("[a-z]{1,8}", vec(json(), 0..4)).prop_map(|(name, values)| JobEventKind::Items { name, values }),
        (level, text(30), fields).prop_map(|(level, message, fields)| JobEventKind::Log { level, message, fields }),
        (json(), vec(text(20), 0..3), lists(), option::of(progress())).prop_map(
            |(result, warnings, items, progress)| { JobEventKind::Completed { result, warnings, items, progress } }
        ),
        (json(), vec(error(), 0..3), lists(), option::of(progress())).prop_map(|(result, errors, items, progress)| {
            JobEventKind::CompletedWithErrors { result, errors, items, progress }
        }),
        (error(), present_json(), lists(), option::of(progress()))
            .prop_map(|(error, result, items, progress)| { JobEventKind::Failed { error, result, items, progress } }),
        (present_json(), lists(), option::of(progress()))
            .prop_map(|(result, items, progress)| JobEventKind::Cancelled { result, items, progress }),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = JobEvent> {
    (job_id(), count(), count(), any::<u128>(), amount(), time(), event_kind()).prop_map(
        |(job_id, attempt, dispatch, session, seq, at, kind)| JobEvent {
            job_id,
            attempt,
            dispatch,
            worker_session: WorkerSession(Uuid::from_u128(session)),
            seq,
            at,
            kind,
        },
    )
}

pub(crate) fn job() -> impl Strategy<Value = JobMessage> {
    let optional = (option::of(job_id()), option::of(text(10)), option::of(0.001..86_400.0), option::of(time()));
    (job_id(), JobType::PATTERN.trim_matches(['^', '$']), count(), count(), job_id(), json(), text(20), optional)
        .prop_map(
            |(
                id,
                job_type,
                attempt,
                dispatch,
                root_id,
                params,
                idempotency_key,
                (parent_id, step, timeout, deadline),
            )| {
                let job_type = JobType::new(job_type).unwrap();
                let timeout_seconds = timeout;
                JobMessage {
                    id,
                    job_type,
                    attempt,
                    dispatch,
                    parent_id,
                    root_id,
                    step,
                    params,
                    timeout_seconds,
                    deadline,
                    idempotency_key,
                }
            },
        )
}
