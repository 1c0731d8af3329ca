//! Reading one step.

use super::{
    Backoff, FanOut, OnFailure, RetryPolicy, Step,
    document::{Content, Node},
    limits,
    parse::{Chain, Document},
    report::{Field, Fields, Report},
    work::Reading,
};
use crate::expression::{Expression, References, shorten};

const KEYS: [&str; 18] = [
    "key",
    "title",
    "job",
    "workflow",
    "steps",
    "wait_for",
    "weight",
    "if",
    "params",
    "for_each",
    "batch_size",
    "max_parallel",
    "tolerate",
    "on_failure",
    "finish_if",
    "retry",
    "repeat",
    "timeout",
];

/// Where a step stands.
pub(super) struct Place<'a> {
    pub(super) chain: &'a Chain<'a>,
    /// The keys of the list it stands in.
    pub(super) keys: &'a [String],
    pub(super) index: usize,
    pub(super) is_cleanup: bool,
    /// For a cleanup step: the keys of the definition's steps.
    pub(super) main: &'a [String],
}

/// The keys of a list of steps, as far as they can be read; an unreadable one is empty.
pub(super) fn keys(list: &Field<'_>) -> Vec<String> {
    let Content::List(nodes) = &list.node.content else { return Vec::new() };
    nodes.iter().map(|node| key_of(node).unwrap_or_default()).collect()
}

fn key_of(node: &Node) -> Option<String> {
    let Content::Map(entries) = &node.content else { return None };
    match &entries.iter().find(|entry| entry.key == "key")?.value.content {
        Content::Text(key) => Some(key.clone()),
        _ => None,
    }
}

/// Reads a step. `taken` are the keys that stand before it.
pub(super) fn read(
    field: &Field<'_>,
    place: &Place<'_>,
    taken: &mut Vec<String>,
    document: &mut Document<'_>,
) -> Option<Step> {
    document.count_step(field.node.at, &field.path);
    let fields = Fields::of(field, &KEYS, document.report)?;
    let key = fields.require("key", "a short name for expressions, e.g. `validation`", document.report);
    let key = key.and_then(|field| step_key(&field, taken, document.report)).unwrap_or_default();
    let title = fields.get("title").and_then(|field| field.title(document.report)).unwrap_or_else(|| key.clone());
    if place.is_cleanup {
        refuse_in_cleanup(&fields, document.report);
    } else if place.chain.in_cleanup {
        fields.refuse("wait_for", NO_SIGNAL, document.report);
    }
    let step = Reading { fields: &fields, place, key: &key };
    let condition = step.expression("if", document.report);
    let for_each = step.fan_out(document.report);
    let params = step.params(document.report);
    let work = step.work(&title, document);
    let finish_if = step.finish_if(document.report);
    let repeat = step.repeat(document.report);
    let retry = fields.get("retry").map(|field| retry(&field, document.report)).unwrap_or_default();
    let timeout = fields.get("timeout").and_then(|field| timeout(&field, document.report));
    let (params, work) = (params?, work?);
    Some(Step {
        title,
        weight: weight(&fields, place.is_cleanup, document.report),
        start_references: merged(
            condition.iter().chain(for_each.iter().flat_map(FanOut::expressions)).map(Expression::references),
        ),
        params_references: params.references().clone(),
        finish_references: merged(
            finish_if
                .iter()
                .flat_map(|entry| [entry.when.references(), entry.message.references()])
                .chain(repeat.iter().flat_map(|repeat| [repeat.until.references(), params.references()])),
        ),
        on_failure: on_failure(&fields, document.report),
        key,
        work,
        condition,
        params,
        for_each,
        finish_if,
        retry,
        repeat,
        timeout,
    })
}

fn merged<'a>(all: impl Iterator<Item = &'a References>) -> References {
    all.fold(References::default(), |mut merged, references| {
        merged.merge(references);
        merged
    })
}

fn step_key(field: &Field<'_>, taken: &mut Vec<String>, report: &mut Report) -> Option<String> {
    let key = field.text("a name", report)?;
    let valid = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.len() <= limits::KEY_BYTES
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !valid {
        let message = format!(
            "{:?} is not a valid key: a lower-case letter, then lower-case letters, digits and '_', at most {} in all \
             (it stands in expressions as steps.<key>)",
            shorten(key, 80),
            limits::KEY_BYTES
        );
        field.add(report, message);
        return None;
    }
    if ["in", "true", "false", "null"].contains(&key) {
        field.add(report, format!("`{key}` is a word of the expression language; call the step something else"));
        return None;
    }
    if taken.iter().any(|other| other == key) {
        field.add(report, format!("there is a step `{key}` already; keys are unique within a workflow"));
        return None;
    }
    taken.push(key.to_owned());
    Some(key.to_owned())
}

/// Why clean-up does not wait.
const NO_SIGNAL: &str = "cleanup waits for nobody: a cancel would wait with it; remove it";

fn refuse_in_cleanup(fields: &Fields<'_>, report: &mut Report) {
    fields.refuse("weight", "a cleanup step has no share of the progress bar; remove it", report);
    fields.refuse("finish_if", "a cleanup step runs when the workflow has ended; remove it", report);
    fields.refuse("wait_for", NO_SIGNAL, report);
    fields.refuse("on_failure", "cleanup always goes on with its next step; remove it", report);
}

fn weight(fields: &Fields<'_>, is_cleanup: bool, report: &mut Report) -> u32 {
    if is_cleanup {
        return 0;
    }
    fields.get("weight").and_then(|field| field.number(0..=limits::WEIGHT, report)).unwrap_or(1)
}

fn on_failure(fields: &Fields<'_>, report: &mut Report) -> OnFailure {
    let words = [("continue", OnFailure::Continue), ("finish", OnFailure::Finish), ("fail", OnFailure::Fail)];
    fields.get("on_failure").and_then(|field| field.word(&words, report)).unwrap_or_default()
}

fn timeout(field: &Field<'_>, report: &mut Report) -> Option<std::time::Duration> {
    let timeout = field.duration(report)?;
    if timeout.is_zero() {
        field.add(report, "must be longer than 0; leave it out for no timeout");
        return None;
    }
    Some(timeout)
}

fn retry(field: &Field<'_>, report: &mut Report) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let Some(fields) = Fields::of(field, &["attempts", "backoff", "initial", "max", "jitter"], report) else {
        return policy;
    };
    if let Some(attempts) = fields.get("attempts").and_then(|field| field.number(1..=limits::ATTEMPTS, report)) {
        policy.attempts = attempts;
    }
    let words = [("exponential", Backoff::Exponential), ("fixed", Backoff::Fixed)];
    if let Some(backoff) = fields.get("backoff").and_then(|field| field.word(&words, report)) {
        policy.backoff = backoff;
    }
    let initial = fields.get("initial").and_then(|field| field.duration(report));
    let max = fields.get("max").and_then(|field| field.duration(report));
    policy.initial = initial.unwrap_or(policy.initial);
    // A longer first wait than the default maximum is meant as it stands.
    policy.max = max.unwrap_or_else(|| policy.max.max(policy.initial));
    if policy.initial > policy.max {
        field.add(report, "`initial` is longer than `max`");
    }
    if let Some(jitter) = fields.get("jitter").and_then(|field| field.bool(report)) {
        policy.jitter = jitter;
    }
    policy
}
