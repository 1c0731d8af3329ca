use std::sync::Arc;

use serde_json::{Value, json};

use super::scope;
use crate::expression::{BatchScope, References, Scope, Template};

/// Nothing but a batch, as a fan-out has it later.
fn later(index: u64) -> Scope {
    let batch = BatchScope { index, count: 5, items: json!([index, "x"]) };
    Scope { input: Arc::new(Value::Null), steps: std::collections::BTreeMap::new(), batch: Some(batch), ..scope() }
}

fn bound(raw: &Value) -> Template {
    let bound = Template::compile(raw, "step.params").unwrap().bind(&scope()).unwrap();
    let stored: Value = serde_json::from_str(&bound.to_json().to_string()).unwrap();
    let read = Template::from_json(&stored).unwrap();
    assert_eq!(read, bound);
    assert_eq!(read.references(), bound.references());
    read
}

#[test]
fn what_the_batches_share_is_evaluated_once() {
    let raw = json!({
        "shared": "${steps.done.result.rows}", "text": "from ${input.path}", "own": "${batch.items}",
        "both": "${input.items[batch.index] + steps.done.result.count}", "label": "${input.path} ${batch.index}/${batch.count}"
    });
    let bound = bound(&raw);
    assert_eq!(bound.references(), &References { batch: true, ..References::default() });
    let stored = bound.to_json();
    assert_eq!(stored["template"]["shared"], json!([{ "n": 1 }, { "n": 2.5 }]));
    assert_eq!(stored["template"]["label"], json!("/in ${batch.index}/${batch.count}"));
    let captured = json!({ "input.items": { "value": [1, 2, 3] }, "steps.done.result.count": { "value": 3 } });
    assert_eq!(stored["captured"], captured, "no more than is still needed");
    let expected = json!({
        "shared": [{ "n": 1 }, { "n": 2.5 }], "text": "from /in", "own": [1, "x"], "both": 5, "label": "/in 1/5"
    });
    assert_eq!(bound.eval(&later(1)).unwrap(), expected);
}

#[test]
fn values_that_look_like_expressions_stay_values() {
    let mut scope = scope();
    scope.input = Arc::new(json!({ "evil": "${batch.count} $${x}", "map": { "${key}": "${value" } }));
    let raw =
        json!({ "a": "${input.evil}", "b": "${input.evil}|${batch.index}", "c": "${input.map}", "d": "$${literal}" });
    let bound = Template::compile(&raw, "p").unwrap().bind(&scope).unwrap();
    let read = Template::from_json(&bound.to_json()).unwrap();
    let expected = json!({
        "a": "${batch.count} $${x}", "b": "${batch.count} $${x}|4", "c": { "${key}": "${value" }, "d": "${literal}"
    });
    assert_eq!(bound.eval(&later(4)).unwrap(), expected);
    assert_eq!(read.eval(&later(4)).unwrap(), expected);
}

#[test]
fn mixed_text_stays_text_when_all_else_around_it_is_empty() {
    let bound = bound(&json!({ "a": "${''}${batch.index}", "b": "${batch.index}" }));
    assert_eq!(bound.eval(&later(3)).unwrap(), json!({ "a": "3", "b": 3 }));
}

#[test]
fn what_is_missing_is_an_error_only_for_those_who_look_at_it() {
    let raw = json!("${batch.index == 0 ? input.nope : has(input.path) && !has(input.other) ? 'fine' : 'no'}");
    let bound = bound(&raw);
    assert_eq!(bound.eval(&later(1)).unwrap(), json!("fine"));
    let error = bound.eval(&later(0)).unwrap_err();
    assert!(error.cause.starts_with("input has no key `nope`"), "{error}");
    assert_eq!(error.place, "step.params");
}

#[test]
fn a_shared_part_that_fails_fails_at_once() {
    let error = Template::compile(&json!({ "a": "${input.nope}" }), "p").unwrap().bind(&scope()).unwrap_err();
    assert_eq!(error.place, "p.a");
}

#[test]
fn more_than_can_be_kept_is_refused() {
    let mut scope = scope();
    scope.input = Arc::new(json!({ "big": vec!["x".repeat(1_000); 2_000] }));
    let error = Template::compile(&json!("${input.big[batch.index]}"), "p").unwrap().bind(&scope).unwrap_err();
    assert!(error.cause.contains("put what the batches need into the items"), "{error}");
}

#[test]
fn a_stored_template_that_is_none_is_refused() {
    for stored in [json!(1), json!({}), json!({ "place": "p", "template": 1, "bound": true, "captured": { "a": {} } })]
    {
        assert!(Template::from_json(&stored).is_err());
    }
}
