use serde_json::{Value, json};

use super::{compile, eval, scope};
use crate::expression::{References, StepUse, Template};

/// Expressions and what they come to.
#[test]
fn expressions_have_the_values_that_cel_gives_them() {
    let table: Vec<(&str, Value)> = vec![
        // Paths.
        ("input.path", json!("/in")),
        ("input['path']", json!("/in")),
        ("input.nested.a[0].b", json!(1)),
        ("steps.done.status", json!("completed")),
        ("steps.done.result.count", json!(3)),
        ("steps['done'].result['odd key']['x-y']", json!(1)),
        ("steps.done.error", Value::Null),
        ("steps.failed.error", json!({ "kind": "io", "message": "disk full", "retryable": true })),
        ("steps.failed.error.kind", json!("io")),
        ("steps.done.totals.failed", json!(2)),
        ("batch", json!({ "index": 2, "count": 5, "items": ["x", "y"] })),
        ("workflow.attempt", json!(1)),
        ("workflow.id", json!("00000000-0000-0000-0000-000000000000")),
        ("input.items[batch.index]", json!(3)),
        ("input.items[2.0]", json!(3)),
        // Kinds stay what they are.
        ("steps.done.result.share", json!(0.5)),
        ("steps.done.result.big", json!(u64::MAX)),
        ("steps.done.result.whole", json!(2.0)),
        // Numbers.
        ("1 + 2 * 3 - 4 / 2 % 2", json!(7)),
        ("7 / 2", json!(3)),
        ("-7 % 3", json!(-1)),
        ("7 / 2.0", json!(3.5)),
        ("steps.done.totals.failed * 100.0 / steps.done.totals.total", json!(20.0)),
        ("steps.done.result.whole == 2", json!(true)),
        ("2 == steps.done.result.whole && 1u == 1.0", json!(true)),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("9007199254740993 > 9007199254740992.0", json!(true)),
        ("1 < 1.5 && 2.5 >= 2 && -0.5 < 0", json!(true)),
        ("18446744073709551615u > -1", json!(true)),
        ("-(-5)", json!(5)),
        ("0.0 == -0.0", json!(true)),
        // Texts.
        ("'a' + \"b\" + r'\\n'", json!("ab\\n")),
        ("size(steps.done.result.name)", json!(7)),
        ("'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", json!(true)),
        ("'a' < 'b' && 'B' < 'a'", json!(true)),
        ("'run-12'.matches('^run-[0-9]+$')", json!(true)),
        ("' Ab '.trim().lowerAscii() + 'x'.upperAscii()", json!("abX")),
        ("'a,b,,c'.split(',')", json!(["a", "b", "", "c"])),
        ("'äb'.split('')", json!(["ä", "b"])),
        ("['a', 'b'].join('-') + ['a'].join()", json!("a-ba")),
        ("'aXbX'.replace('X', 'yy')", json!("ayybyy")),
        ("'häuser'.substring(1, 3) + 'ab'.substring(2)", json!("äu")),
        ("string(1) + string(1.5) + string(2.0) + string(true) + string(null)", json!("11.52truenull")),
        ("string([1, {'a': 'b'}])", json!("[1,{\"a\":\"b\"}]")),
        ("int('42') + int(1.9) + int(-1.9)", json!(42)),
        ("double('1.5') + double(1)", json!(2.5)),
        // Lists and objects.
        ("[1, 'a', null, [true]]", json!([1, "a", null, [true]])),
        ("{'a': input.n, 'b' + 'c': [1]}", json!({ "a": 7, "bc": [1] })),
        ("[1] + input.items", json!([1, 1, 2, 3])),
        ("'a' in steps.done.result.files && !('z' in steps.done.result.files)", json!(true)),
        ("2.0 in input.items", json!(true)),
        ("'path' in input", json!(true)),
        ("[1, [2, {'a': 1.0}]] == [1.0, [2, {'a': 1}]]", json!(true)),
        ("{'a': 1} == {'a': 1, 'b': 2} || [1] == [1, 2] || 'a' == 1 || null == false", json!(false)),
        ("input.items == [1, 2, 3] && [1, 2, 3] == input.items", json!(true)),
        ("size(input) + input.items.size() + size('ab') + size({'a': 1})", json!(11)),
        ("size(steps.done.result.list)", json!(100_000)),
        ("size(steps.done.result.list) > 0", json!(true)),
        // Macros.
        ("input.items.map(x, x * x)", json!([1, 4, 9])),
        ("input.items.map(x, x > 1, x * 10)", json!([20, 30])),
        ("input.items.filter(x, x % 2 == 1)", json!([1, 3])),
        ("input.items.all(x, x > 0) && input.items.exists(x, x == 2)", json!(true)),
        ("input.items.exists_one(x, x > 2) && !input.items.existsOne(x, x > 1)", json!(true)),
        ("[].all(x, false) && ![].exists(x, true)", json!(true)),
        ("input.items.map(x, input.items.map(y, x * y))", json!([[1, 2, 3], [2, 4, 6], [3, 6, 9]])),
        ("input.items.map(x, [x].map(x, x + 1))", json!([[2], [3], [4]])),
        ("{'b': 1, 'a': 2}.map(k, k)", json!(["a", "b"])),
        ("steps.done.result.rows.map(row, row.n).sum()", json!(3.5)),
        ("sum([]) + sum([1, 2]) + max([3, 1.5, 2]) + min([3, 1, 2])", json!(7)),
        ("max(steps.done.result.files)", json!("c")),
        ("[[1], 2, [3, [4]]].flatten()", json!([1, 2, 3, [4]])),
        // has()
        ("has(input.path) && !has(input.nope) && has(steps.done.result.nothing)", json!(true)),
        ("has(steps.done.result) && !has(steps.failed.result)", json!(true)),
        ("has(steps.failed.error) && !has(steps.done.error)", json!(true)),
        ("steps.done.result.rows.filter(row, has(row.n)).size()", json!(2)),
        ("has(input.nope) ? input.nope : 'default'", json!("default")),
        // The side that decides outweighs an error on the other one.
        ("true || input.nope && input.nope || true", json!(true)),
        ("input.nope == 1 || true", json!(true)),
        ("!(input.nope == 1 && false)", json!(true)),
        ("[1, 2].exists(x, x == 2 || input.nope)", json!(true)),
        ("[1, 0].all(x, 1 / x > 5)", json!(false)),
        ("true ? 1 : input.nope", json!(1)),
    ];
    for (source, expected) in table {
        assert_eq!(eval(source).unwrap_or_else(|error| panic!("{error}")), expected, "{source}");
    }
}

#[test]
fn a_template_keeps_kinds_and_joins_texts() {
    let raw = json!({
        "kept": "${input.items}", "joined": "n=${input.n}, list=${input.items}, none=${null}", "plain": [1, "x", null],
        "literal": "$${input.n} costs $5", "both": "$${a}${input.n}", "spaces": " ${input.n}", "list": ["${input.n}", { "a": "${1.5}" }]
    });
    let value = Template::compile(&raw, "step.params").unwrap().eval(&scope()).unwrap();
    let expected = json!({
        "kept": [1, 2, 3], "joined": "n=7, list=[1,2,3], none=null", "plain": [1, "x", null],
        "literal": "${input.n} costs $5", "both": "${a}7", "spaces": " 7", "list": [7, { "a": 1.5 }]
    });
    assert_eq!(value, expected);
}

#[test]
fn it_is_known_what_an_expression_reads() {
    let reads = |source: &str| compile(source).references().clone();
    let all =
        reads("steps.a.result.x + steps.a.status + [1].map(x, steps.b.error)[0] + input.x + string(workflow.attempt)");
    let expected = References {
        steps: [
            ("a".to_owned(), StepUse { result: true, status: true, ..StepUse::default() }),
            ("b".to_owned(), StepUse { error: true, ..StepUse::default() }),
        ]
        .into(),
        input: true,
        batch: false,
        repeat: false,
        workflow: true,
    };
    assert_eq!(all, expected);
    assert_eq!(reads("steps.a").steps["a"], StepUse::ALL);
    assert_eq!(reads("has(steps.a.totals)").steps["a"], StepUse { totals: true, ..StepUse::default() });
    assert!(reads("size(batch.items)").batch);
    assert_eq!(reads("[1].map(steps_, steps_)"), References::default());
}

#[test]
fn a_condition_must_be_true_or_false() {
    assert!(compile("input.n == 7").eval_bool(&scope()).unwrap());
    let error = compile("input.n").eval_bool(&scope()).unwrap_err();
    let text = "step.field: ${input.n} failed: the result must be true or false; it is the int 7";
    assert_eq!(error.to_string(), text);
}
