use std::sync::Arc;

use serde_json::{Value, json};

use super::{compile, scope};
use crate::expression::{Expression, Scope, Template, limits};

fn with_list(items: usize) -> Scope {
    let list: Vec<Value> = (0..items).map(|n| json!({ "n": n, "name": format!("file {n}") })).collect();
    Scope { input: Arc::new(json!({ "list": list, "text": "x".repeat(1_000) })), ..scope() }
}

fn cause(source: &str, scope: &Scope) -> String {
    match compile(source).eval(scope) {
        Ok(value) => panic!("{source} came to {} bytes", value.to_string().len()),
        Err(error) => error.cause,
    }
}

#[test]
fn work_memory_and_results_are_bounded() {
    let scope = with_list(2_000);
    let work = "the expression does more than 4000000 units of work; do this in a job instead";
    assert_eq!(cause("input.list.map(a, input.list.filter(b, a.n == b.n))", &scope), work);
    // Nothing outweighs a limit.
    assert_eq!(cause("input.list.all(a, input.list.all(b, a.n + b.n >= 0)) || true", &scope), work);
    assert_eq!(cause("input.list.exists(a, input.list.all(b, b.n >= 0) && a.n < 0) || true", &scope), work);
    assert_eq!(cause("input.list.filter(a, input.list.map(b, b.n) == [a.n])", &scope), work);

    let text = "a text becomes longer than 1048576 bytes";
    let doubled = (0..12).fold("input.text".to_owned(), |source, _| format!("[{source}].map(t, t + t)[0]"));
    assert_eq!(cause(&doubled, &scope), text);
    assert_eq!(cause("input.list.map(x, input.text).join(input.text)", &scope), text);
    assert_eq!(cause("input.list.map(x, 'yy').join().replace('y', input.text)", &scope), text);

    let list = "is longer than an expression may work on (100000)";
    let grown = (0..8).fold("input.list".to_owned(), |source, _| format!("[{source}].map(l, l + l)[0]"));
    assert!(cause(&grown, &scope).ends_with(list));
    assert!(cause("input.list.map(x, 1)", &with_list(limits::LIST_ITEMS + 1)).ends_with(list));

    let result = "the result is larger than 1048576 bytes; hand over a reference to the data instead";
    assert_eq!(cause("input.list.map(x, input.text)", &scope), result);
    assert_eq!(cause("input.list.map(x, input.list)", &scope), result);
    assert_eq!(cause("input", &with_list(50_000)), result);
}

#[test]
fn a_long_list_within_the_limits_is_no_problem() {
    let scope = with_list(limits::LIST_ITEMS);
    let count = compile("size(input.list.filter(x, x.n % 2 == 0 && x.name != 'file 4'))").eval(&scope).unwrap();
    assert_eq!(count, json!(49_999));
    assert_eq!(compile("sum(input.list.map(x, x.n))").eval(&scope).unwrap(), json!(4_999_950_000_u64));
    assert_eq!(compile("size(input.list)").eval(&with_list(300_000)).unwrap(), json!(300_000), "size() walks nothing");
}

#[test]
fn a_template_counts_all_of_its_results_together() {
    let half = "x".repeat(600_000);
    let scope = Scope { input: Arc::new(json!({ "half": half })), ..scope() };
    let one = Template::compile(&json!(["${input.half}"]), "p").unwrap();
    assert!(one.eval(&scope).is_ok());
    let two = Template::compile(&json!(["${input.half}", "and ${input.half}"]), "p").unwrap();
    assert!(two.eval(&scope).unwrap_err().cause.starts_with("the result is larger"));
}

#[test]
fn sources_are_bounded_in_length_and_depth() {
    let deep = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    for source in [
        "1".repeat(limits::SOURCE_BYTES + 1),
        deep("(", ")", 2_000),
        deep("[", "]", 2_000),
        deep("{'a':", "}", 500),
        deep("-(", ")", 1_000),
        deep("size(", ")", 600),
        "(".repeat(4_000),
        "{".repeat(4_000),
        "[".repeat(4_000),
        "!".repeat(4_000) + "true",
        "-".repeat(4_000) + "1",
        "1".to_owned() + &"+1".repeat(2_000),
        "true".to_owned() + &"&&true".repeat(600),
        "[1]".to_owned() + &"[0]".repeat(1_000),
        "'a'".to_owned() + &".trim()".repeat(500),
        "true?1:".repeat(500) + "1",
        "1".to_owned() + &"+1".repeat(limits::DEPTH + 1),
    ] {
        let error = Expression::compile(&source, "p").unwrap_err();
        assert!(error.message.len() < 300, "{}", error.message);
    }
    // What people write is far below the limits.
    assert!(Expression::compile(&("1".to_owned() + &"+1".repeat(30)), "p").is_ok());
    assert!(Expression::compile(&deep("(", ")", 20), "p").is_ok());
    assert!(Expression::compile(&format!("[{}1]", "1,".repeat(400)), "p").is_ok());
    assert!(Expression::compile(&("true".to_owned() + &"&&true".repeat(200)), "p").is_ok());
}

#[test]
fn errors_that_something_outweighs_are_paid_for() {
    let scope = with_list(limits::LIST_ITEMS);
    let cause = cause("input.list.exists(x, x.nope == 1) || true", &scope);
    assert!(cause.starts_with("the expression does more than"));
    assert_eq!(
        compile("input.list.exists(x, has(x.nope))").eval(&scope).unwrap(),
        json!(false),
        "has() makes no errors"
    );
}

/// The deepest that compiles must also evaluate on a small stack, as a worker thread may have one.
#[test]
fn the_deepest_expression_needs_little_stack() {
    let run = || {
        let source = format!("{}input.n{}", "[".repeat(40), "]".repeat(40));
        let value = compile(&source).eval(&scope()).unwrap();
        assert!(value.to_string().starts_with("[[["));
        for source in ["(".repeat(4_000), "1".to_owned() + &"+1".repeat(450), "a".to_owned() + &".a".repeat(490)] {
            assert!(Expression::compile(&source, "p").is_err());
        }
    };
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(run).unwrap().join().unwrap();
}
