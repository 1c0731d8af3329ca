//! Finding a place in the scope.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use drover_protocol::JobError;

use super::{
    Scope, StepScope,
    error::shorten,
    fault::Fault,
    program::{Key, Path, Root},
    suggest,
    value::Val,
};

/// The value at a path.
pub(super) fn resolve<'a>(path: &Path, scope: &'a Scope) -> Result<Val<'a>, Fault> {
    let (mut value, taken) = root(path, scope)?;
    for (at, key) in path.keys.iter().enumerate().skip(taken) {
        value = match key {
            Key::Field(name) => select(&value, name, || path.parent_text(at))?,
            Key::Index(index) => element(&value, i128::try_from(*index).unwrap_or(i128::MAX), || path.parent_text(at))?,
        };
    }
    Ok(value)
}

/// Whether something is at a path: a step's `result` and `error` are there when they are not null. Where the path's
/// parent is missing, that is an error, as in CEL.
pub(super) fn exists(path: &Path, scope: &Scope) -> Result<bool, Fault> {
    let Some((last, above)) = path.keys.split_last() else { return Ok(true) };
    if above.is_empty() && path.root != Root::Input {
        // The compiler lets only fields through that there are.
        return resolve(path, scope).map(|value| !matches!(value, Val::Null));
    }
    let parent = Path::new(path.root.clone(), above.to_vec());
    has(&resolve(&parent, scope)?, last, || parent.text.clone())
}

/// Whether a value has a key.
pub(super) fn has(value: &Val<'_>, key: &Key, place: impl Fn() -> String) -> Result<bool, Fault> {
    match key {
        Key::Field(name) if value.is_map() => Ok(value.field(name).is_some()),
        Key::Field(name) => select(value, name, place).map(|_| true),
        Key::Index(index) => match value.as_list() {
            Some(list) => Ok(*index < list.len()),
            None => element(value, i128::MAX, place).map(|_| true),
        },
    }
}

/// The value a path begins with, and how many of its keys led there.
fn root<'a>(path: &Path, scope: &'a Scope) -> Result<(Val<'a>, usize), Fault> {
    let field = match path.keys.first() {
        Some(Key::Field(name)) => Some(name.as_str()),
        _ => None,
    };
    match &path.root {
        Root::Input => Ok((Val::of(&scope.input), 0)),
        Root::Step(key) => {
            let step = scope.steps.get(key).ok_or_else(|| Fault::Failed(format!("step `{key}` has not run")))?;
            Ok(field.map_or_else(|| (whole_step(step), 0), |field| (step_field(step, field), 1)))
        }
        Root::Batch => {
            let batch = scope.batch.as_ref().ok_or_else(|| Fault::Failed("there is no batch here".into()))?;
            let get = |field: &str| match field {
                "index" => Val::Int(batch.index.into()),
                "count" => Val::Int(batch.count.into()),
                _ => Val::of(&batch.items),
            };
            Ok(field.map_or_else(|| (map(&["index", "count", "items"], get), 0), |field| (get(field), 1)))
        }
        Root::Repeat => {
            let repeat = scope.repeat.as_ref().ok_or_else(|| Fault::Failed("there are no rounds here".into()))?;
            let get = |field: &str| Val::Int(if field == "round" { repeat.round } else { repeat.max }.into());
            Ok(field.map_or_else(|| (map(&["round", "max"], get), 0), |field| (get(field), 1)))
        }
        Root::Workflow => {
            let get = |field: &str| match field {
                "id" => Val::Owned(scope.workflow.id.to_string().into()),
                _ => Val::Int(scope.workflow.attempt.into()),
            };
            Ok(field.map_or_else(|| (map(&["id", "attempt"], get), 0), |field| (get(field), 1)))
        }
    }
}

fn whole_step(step: &StepScope) -> Val<'_> {
    map(&["status", "result", "error", "totals"], |field| step_field(step, field))
}

/// The compiler lets no other names through.
fn step_field<'a>(step: &'a StepScope, field: &str) -> Val<'a> {
    match field {
        "status" => Val::Text(step.status.as_str()),
        "result" => Val::of(&step.result),
        "error" => step.error.as_ref().map_or(Val::Null, error_value),
        _ => Val::of(&step.totals),
    }
}

fn error_value(error: &JobError) -> Val<'_> {
    map(&["kind", "message", "retryable"], |field| match field {
        "kind" => Val::Text(&error.kind),
        "message" => Val::Text(&error.message),
        _ => Val::Bool(error.retryable),
    })
}

fn map<'a>(fields: &[&'static str], get: impl Fn(&str) -> Val<'a>) -> Val<'a> {
    let entries: BTreeMap<Cow<'a, str>, Val<'a>> =
        fields.iter().map(|field| (Cow::Borrowed(*field), get(field))).collect();
    Val::Map(Rc::new(entries))
}

/// Most keys that a missing one is compared with.
const COMPARED: usize = 50;

/// `value.name`
pub(super) fn select<'a>(value: &Val<'a>, name: &str, place: impl Fn() -> String) -> Result<Val<'a>, Fault> {
    if let Some(found) = value.field(name) {
        return Ok(found);
    }
    if let Some(count) = value.items_count() {
        return Fault::failed(format!("{} {}", place(), kept_apart(count)));
    }
    let Some(keys) = value.keys(COMPARED) else {
        return Fault::failed(match value {
            Val::Null => format!("{} is null: it has no `{name}`", place()),
            other => format!("{} is {}: it has no `{name}`", place(), other.describe()),
        });
    };
    Err(Fault::Failed(missing_key(name, &keys, &place())))
}

/// `value[index]`
pub(super) fn element<'a>(value: &Val<'a>, index: i128, place: impl Fn() -> String) -> Result<Val<'a>, Fault> {
    if let Some(list) = value.as_list() {
        let found = usize::try_from(index).ok().and_then(|index| list.get(index));
        return found
            .ok_or_else(|| Fault::Failed(format!("{} has {} elements: there is no [{index}]", place(), list.len())));
    }
    if let Some(count) = value.items_count() {
        return Fault::failed(format!("{} {}", place(), kept_apart(count)));
    }
    Fault::failed(format!("{} is {}: it has no element [{index}]", place(), value.describe()))
}

/// Why a list that was delivered as items cannot be looked into.
pub(super) fn kept_apart(count: u64) -> String {
    format!("is a list of {count} items that is kept apart: only size() and for_each work on it")
}

fn missing_key(name: &str, keys: &[Val<'_>], place: &str) -> String {
    const SHOWN: usize = 10;
    let name = shorten(name, 80);
    let names: Vec<&str> = keys.iter().filter_map(Val::as_text).collect();
    if let Some(near) = suggest::nearest(&name, &names) {
        return format!("{place} has no key `{name}` (did you mean `{near}`?)");
    }
    if names.is_empty() {
        return format!("{place} has no key `{name}`: it is empty");
    }
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| shorten(name, 40)).collect();
    if names.len() > SHOWN {
        shown.push("…".into());
    }
    format!("{place} has no key `{name}`; it has: {}", shown.join(", "))
}
