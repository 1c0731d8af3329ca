use std::fmt::Write;

use super::{eval, scope};
use crate::expression::{Expression, Template};

#[test]
fn an_evaluation_that_fails_says_what_is_missing() {
    let sources = [
        "input.pth",
        "input.nested.c.d",
        "input.path.x",
        "input.items.x",
        "input.items[3]",
        "input.items[-1]",
        "input.nested[0]",
        "steps.failed.result.files",
        "steps.unknown.result",
        "steps.done.result.fils",
        "steps.done.result.list[0]",
        "steps.done.result.list.map(x, x)",
        "sum(steps.done.result.list)",
        "steps.done.result.list.name",
        "input.n + 'x'",
        "input.n + input.items",
        "'a' * 2",
        "1 / 0",
        "1 % 0",
        "1.0 / 0.0",
        "9223372036854775807 * 9223372036854775807",
        "18446744073709551615u + 1",
        "input.n < 'x'",
        "1 in 2",
        "!input.n",
        "input.n ? 1 : 2",
        "input.n && true",
        "-input.path",
        "input.n.map(x, x)",
        "input.items.map(x, x.y)",
        "input.items.all(x, x)",
        "input.items.exists(x, input.nope)",
        "{1: 2}",
        "{'a': 1, 'a': 2}",
        "sum(['a'])",
        "max([])",
        "size(1)",
        "int('x')",
        "int(1e30)",
        "double('x')",
        "'abc'.substring(2, 1)",
        "'a'.replace('', 'b')",
        "[1].join()",
        "[1, 2][true]",
        "has(input.n.x)",
        "has(input.nope.x)",
    ];
    let mut golden = String::new();
    for source in sources {
        match eval(source) {
            Ok(value) => panic!("{source} came to {value}"),
            Err(error) => writeln!(golden, "{error}").unwrap(),
        }
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn a_source_that_does_not_compile_says_why() {
    let sources = [
        "",
        "  ",
        "1 +",
        "a b",
        "input.x ==",
        "'open",
        "foo",
        "Input.x",
        "steps",
        "steps[0].result",
        "steps[input.x]",
        "steps.a.rslt",
        "batch.item",
        "workflow.name",
        "[1].map(1, 2)",
        "[1].map(input, input)",
        "[1].map(x)",
        "[1].filter(x, 1, 2)",
        "b'bytes'",
        "Msg{a: 1}",
        "timestamp('2020')",
        "type(1)",
        "'a'.matches(input.x)",
        "'a'.matches('(')",
        "'a'.size(1)",
        "contains('a', 'b')",
        "'a'.string()",
        "has(input)",
        "has(1)",
        "input.?x",
        "input[?0]",
        "math.greatest(1, 2)",
        "a ? b",
        "{'a'}",
        "99999999999999999999",
        "x.y.z",
        "[1].all(x, [2].all(y, [3].all(z, true)))",
        "é",
        "a\0",
        "'\\u0000'",
    ];
    let mut golden = String::new();
    for source in sources {
        let error = Expression::compile(source, "place").unwrap_err();
        writeln!(golden, "{source:?}: {} {:?}", error.message, error.character).unwrap();
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn the_error_of_a_template_names_its_place() {
    let raw = serde_json::json!({ "a": [{ "b c": "x ${input.nope} y" }] });
    let error = Template::compile(&raw, "load.params").unwrap().eval(&scope()).unwrap_err();
    assert_eq!(error.place, "load.params.a[0][\"b c\"]");
    let job_error: drover_protocol::JobError = error.into();
    assert_eq!(job_error.kind, "expression");
    assert!(!job_error.retryable);

    let raw = serde_json::json!({ "a": [{ "b/c": "ab ${1 +}" }, "${2 +}"] });
    let errors = Template::compile(&raw, "load.params").unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), error.character)).collect();
    assert_eq!(places, [("/a/0/b~1c", Some(9)), ("/a/1", Some(6))]);
}
