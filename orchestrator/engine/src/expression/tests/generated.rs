//! Expressions nobody wrote.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::scope;
use crate::expression::{Expression, Template};

/// Words that expressions are made of.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "input",
        "steps",
        "batch",
        "workflow",
        ".",
        ".path",
        ".items",
        ".done",
        ".result",
        ".files",
        ".index",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        " in ",
        "1",
        "0",
        "2.5",
        "1u",
        "'a'",
        "\"b\"",
        "true",
        "null",
        "x",
        "size(",
        "has(",
        ".map(x,",
        ".filter(x,",
        ".all(x,",
        "sum(",
        "string(",
        "int(",
        ".split(",
        ".matches('a')",
        "r'",
        "'''",
        "\\",
        "//",
        "\n",
        "é",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "$",
        "`",
        ";",
    ]);
    prop::collection::vec(word, 0..25).prop_map(|words| words.concat())
}

/// Expressions that compile.
fn valid() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "input.n",
        "input.items",
        "input.path",
        "input.nested",
        "input.nope",
        "steps.done.result.files",
        "steps.done.result.rows",
        "steps.done.result.share",
        "steps.failed.error",
        "steps.done.result.list",
        "batch.index",
        "batch.items",
        "batch",
        "1",
        "-3",
        "2.5",
        "'text'",
        "''",
        "true",
        "null",
        "[]",
        "has(input.n)",
        "has(input.nope)",
        "has(steps.failed.result)",
        "workflow.attempt",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let sign =
            prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", " in "]);
        let function = prop::sample::select(vec!["size", "sum", "min", "max", "flatten", "string", "int", "double"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a}{sign}{b})")),
            (function, inner.clone()).prop_map(|(name, a)| format!("{name}({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            inner.clone().prop_map(|a| format!("{{'k': {a}}}")),
            inner.clone().prop_map(|a| format!("input.items.map(x, [x, {a}])")),
            inner.clone().prop_map(|a| format!("steps.done.result.files.exists(f, f == {a})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_panics(source in prop_oneof![words(), "\\PC{0,40}"]) {
        if let Ok(expression) = Expression::compile(&source, "p") {
            let _ = expression.eval(&scope());
        }
        let _ = Template::compile(&Value::String(source.clone()), "p");
        let _ = Template::compile(&json!([format!("${{{source}}}")]), "p").map(|template| template.eval(&scope()));
    }

    #[test]
    fn bound_and_then_evaluated_is_evaluated(a in valid(), b in valid()) {
        let raw = json!({ "whole": format!("${{{a}}}"), "mixed": format!("${{{b}}} and ${{{a}}}"), "list": [format!("${{{b}}}")] });
        let template = match Template::compile(&raw, "p") {
            Ok(template) => template,
            // Loops too deep in each other, and the like.
            Err(_) => return Ok(()),
        };
        let direct = template.eval(&scope());
        let bound = template.bind(&scope());
        match (direct, bound) {
            (Ok(value), bound) => {
                let bound = bound.unwrap_or_else(|error| panic!("{error}"));
                prop_assert_eq!(bound.eval(&scope()), Ok(value.clone()));
                let stored: Value = serde_json::from_str(&bound.to_json().to_string()).unwrap();
                let read = Template::from_json(&stored).unwrap();
                let mut later = scope();
                later.steps.clear();
                later.input = std::sync::Arc::new(Value::Null);
                prop_assert_eq!(read.eval(&later), Ok(value));
            }
            (Err(_), Ok(bound)) => prop_assert!(bound.eval(&scope()).is_err()),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn an_unbound_template_is_read_back(source in valid()) {
        if let Ok(template) = Template::compile(&json!({ "a": format!("${{{source}}} $${{x}}") }), "p") {
            prop_assert_eq!(Template::from_json(&template.to_json()).unwrap(), template);
        }
    }
}
