//! What people read when a definition is wrong.

use std::fmt::Write;

use crate::definition::{Definition, limits};

/// Documents and what each is about.
const BAD: &[(&str, &str)] = &[
    ("no YAML", "name: w\nsteps: [{key: a, job: j}\n"),
    ("tab as indentation", "name: w\nsteps:\n\t- key: a\n"),
    ("a list, no mapping", "- a\n- b\n"),
    ("empty", ""),
    ("two documents", "name: w\n---\nname: v\n"),
    ("nothing that is needed", "title: x\n"),
    ("a bad name", "name: My Workflow\nsteps: [{key: a, job: j}]\n"),
    ("no steps in it", "name: w\nsteps: []\n"),
    ("slips in keys", "name: w\nstepps: []\nsteps:\n  - key: a\n    jop: j\n    max_paralel: 3\n    job: j\n"),
    ("a repeated key", "name: w\nsteps:\n  - key: a\n    job: j\n    job: k\n"),
    ("keys of the future", "name: w\nsteps:\n  - {key: a, job: j, needs: [b]}\n"),
    (
        "waiting for what there is not",
        "name: w\nsteps:\n  - {key: a, wait_for: approval}\n  - {key: b, wait_for: {signal: x}}\n",
    ),
    ("a job that waits", "name: w\nsteps:\n  - {key: a, job: j, wait_for: signal}\n"),
    (
        "what waiting has no use for",
        "name: w\nsteps:\n  - {key: a, wait_for: signal, for_each: '${input.x}', retry: {attempts: 2}, repeat: {until: '${true}', max: 2}}\n",
    ),
    (
        "waiting in the clean-up",
        "name: w\nsteps: [{key: a, job: j}]\ncleanup:\n  - {key: b, wait_for: signal}\n  - {key: c, steps: [{key: d, wait_for: signal}]}\n",
    ),
    ("an empty repeat", "name: w\nsteps:\n  - {key: a, job: j, repeat: {}}\n"),
    (
        "repeat",
        "name: w\nsteps:\n  - {key: a, job: j, repeat: {until: true, max: 0, delay: 5}}\n  - {key: b, job: j, repeat: {until: '${steps.c.result}', max: 10001, every: 5s}}\n  - {key: c, job: j, repeat: 3}\n",
    ),
    (
        "rounds where there are none",
        "name: w\nsteps:\n  - {key: a, job: j, params: {n: '${repeat.round}'}}\n  - {key: b, job: j, if: '${repeat.round > 1}', repeat: {until: '${repeat.rounds > 1}', max: 2}}\n",
    ),
    (
        "repeat beside for_each",
        "name: w\nsteps:\n  - {key: a, job: j, for_each: '${input.x}', repeat: {until: '${true}', max: 2}}\n",
    ),
    ("two things to run", "name: w\nsteps:\n  - {key: b, job: j, workflow: v}\n"),
    (
        "what a milestone has no use for",
        "name: w\nsteps:\n  - {key: a, params: {x: 1}, for_each: '${input.x}', batch_size: 2, retry: {attempts: 2}, timeout: 1s}\n  - {key: b, on_failure: fail, repeat: {until: '${true}', max: 2}}\n  - {key: c, max_parallel: 3, weight: 5, if: '${steps.a.status == 1}', finish_if: [{when: '${input.x}', message: m}]}\n",
    ),
    ("a milestone in the clean-up", "name: w\nsteps: [{key: a, job: j}]\ncleanup:\n  - {key: b, title: B}\n"),
    ("a workflow that runs itself", "name: w\nsteps:\n  - {key: a, workflow: w}\n"),
    (
        "bad step keys",
        "name: w\nsteps:\n  - {key: A-b, job: j}\n  - {key: true, job: j}\n  - {key: in, job: j}\n  - {job: j}\n",
    ),
    (
        "a step key twice",
        "name: w\nsteps:\n  - {key: a, job: j}\n  - {key: a, job: j}\ncleanup:\n  - {key: a, job: j}\n",
    ),
    (
        "wrong kinds",
        "name: w\nsteps:\n  - {key: a, job: 3, weight: heavy, title: [x], retry: 3, timeout: 30, params: [1]}\n",
    ),
    ("weights", "name: w\nsteps:\n  - {key: a, job: j, weight: -1}\n  - {key: b, job: j, weight: 1.5}\n"),
    ("no weight at all", "name: w\nsteps:\n  - {key: a, job: j, weight: 0}\n"),
    (
        "durations",
        "name: w\nsteps:\n  - {key: a, job: j, timeout: 30 seconds}\n  - {key: b, job: j, timeout: 31d}\n  - {key: c, job: j, timeout: 0s}\n",
    ),
    (
        "retry",
        "name: w\nsteps:\n  - key: a\n    job: j\n    retry: {attempts: 101, backoff: exponental, initial: 2m, max: 1m, jitter: 1, tries: 3}\n",
    ),
    (
        "fan-out limits",
        "name: w\nsteps:\n  - {key: a, job: j, for_each: '${input.x}', batch_size: 0, max_parallel: 1001, tolerate: 101%}\n",
    ),
    (
        "sizes of batches",
        "name: w\nsteps:\n  - {key: a, job: j, for_each: '${input.x}', batch_size: '100'}\n  - {key: b, job: j, for_each: '${input.x}', batch_size: '${batch.index}'}\n  - {key: c, job: j, for_each: '${input.x}', batch_size: '${steps.d.result.n}'}\n  - {key: d, job: j, for_each: '${input.x}', batch_size: '${input.n +}'}\n  - {key: e, job: j, for_each: '${input.x}', batch_size: 'up to ${input.n}'}\n  - {key: f, job: j, for_each: '${input.x}', batch_size: [1]}\n",
    ),
    ("fan-out keys alone", "name: w\nsteps:\n  - {key: a, job: j, batch_size: 10, tolerate: 5}\n"),
    ("no expression", "name: w\nsteps:\n  - {key: a, job: j, if: input.x, for_each: [1, 2]}\n"),
    (
        "invalid CEL",
        "name: w\nsteps:\n  - {key: a, job: j, if: '${input.x ==}'}\n  - key: b\n    job: j\n    params:\n      deep:\n        - x\n        - 'no ${1 +} end'\n        - '${open'\n",
    ),
    (
        "unknown names",
        "name: w\nsteps:\n  - {key: a, job: j, if: '${inputs.x}', params: {n: '${length(input.x)}', k: '${input.x.startswith(1)}'}}\n",
    ),
    (
        "steps that are not there",
        "name: w\nsteps:\n  - {key: first, job: j, params: {x: '${steps.first.result}'}}\n  - {key: second, job: j, params: {x: '${steps.frist.result}', y: '${steps.third.status}'}}\n  - {key: third, job: j, params: {x: '${steps.second.reslt}', y: '${steps}'}}\nsummary: {x: '${steps.fourth.result}'}\n",
    ),
    (
        "batch where there is none",
        "name: w\nsteps:\n  - {key: a, job: j, params: {x: '${batch.index}'}}\n  - {key: b, job: j, for_each: '${batch.items}', finish_if: [{when: '${batch.index == 1}', message: x}]}\n",
    ),
    (
        "batch two levels up",
        "name: w\nsteps:\n  - key: a\n    for_each: '${input.x}'\n    steps:\n      - key: b\n        steps: [{key: c, job: j, params: {x: '${batch.index}'}}]\n",
    ),
    (
        "a step of the workflow around",
        "name: w\nsteps:\n  - {key: a, job: j}\n  - key: b\n    steps:\n      - {key: c, job: j, params: {x: '${steps.a.result}'}}\n",
    ),
    (
        "input that the schema does not have",
        "name: w\ninput: {properties: {path: {}}, additionalProperties: false}\nsteps:\n  - {key: a, job: j, params: {x: '${input.pth}'}}\n",
    ),
    (
        "no schema",
        "name: w\ninput:\n  type: objekt\n  properties:\n    a: {minimum: x, pattern: '('}\nsteps: [{key: a, job: j}]\n",
    ),
    (
        "a schema that refers elsewhere",
        "name: w\ninput:\n  properties:\n    a: {$ref: 'https://example.com/a.json'}\n    b: {$ref: 'file:///etc/passwd'}\nsteps: [{key: a, job: j}]\n",
    ),
    ("a schema that refers to nothing", "name: w\ninput: {$ref: '#/$defs/x'}\nsteps: [{key: a, job: j}]\n"),
    (
        "cleanup",
        "name: w\nsteps: [{key: a, job: j}]\ncleanup:\n  - {key: b, job: j, weight: 1, on_failure: fail, finish_if: []}\n",
    ),
    ("finish_if", "name: w\nsteps:\n  - {key: a, job: j, finish_if: [{when: true, mesage: x}, {message: [x]}]}\n"),
    (
        "skip",
        "name: w\nsteps:\n  - {key: a, finish_if: [{when: '${true}', message: x, skip: yes}, {when: '${true}', skip: true}]}\n",
    ),
    ("on_failure", "name: w\nsteps:\n  - {key: a, job: j, on_failure: stop}\n"),
    ("an expression as a key", "name: w\nsteps:\n  - {key: a, job: j, params: {'${input.x}': 1}}\n"),
    (
        "loops in loops in loops",
        "name: w\nsteps:\n  - {key: a, job: j, if: '${input.x.all(a, a.all(b, b.all(c, c)))}'}\n",
    ),
    (
        "repeated keys and NUL in parameters",
        "name: w\nsteps:\n  - key: a\n    job: j\n    params: {x: 1, y: {z: 1, z: 2}, x: [\"a\\0\"]}\n",
    ),
    ("a schedule without a time", "name: w\nsteps: [{key: a, job: j}]\nschedule: {time_zone: UTC}\n"),
    ("a schedule that is no mapping", "name: w\nsteps: [{key: a, job: j}]\nschedule: '0 3 * * *'\n"),
    (
        "slips in a schedule",
        "name: w\nsteps: [{key: a, job: j}]\nschedule:\n  cron: 61 3 * * *\n  time_zone: Europe/Berln\n  overlap: skp\n  catch_up: yes\n  enabled: on\n  timezone: UTC\n",
    ),
    ("too many fields of a cron text", "name: w\nsteps: [{key: a, job: j}]\nschedule: {cron: '0 0 3 * * * 2026'}\n"),
    (
        "a day that never comes",
        "name: w\nsteps: [{key: a, job: j}]\nschedule: {cron: '0 0 30 2 *', time_zone: CET+1}\n",
    ),
    (
        "the input of a schedule",
        "name: w\ninput: {type: object, required: [path], properties: {path: {type: string}}, additionalProperties: false}\nsteps: [{key: a, job: j}]\nschedule:\n  cron: '@daily'\n  input:\n    path: 7\n    pth: x\n",
    ),
    (
        "a schedule without the input that is needed",
        "name: w\ninput: {type: object, required: [path]}\nsteps: [{key: a, job: j}]\nschedule: {cron: '@daily'}\n",
    ),
    (
        "a schedule in nested steps",
        "name: w\nsteps:\n  - {key: a, schedule: {cron: '@daily'}, steps: [{key: b, job: j}]}\n",
    ),
    ("two bad names in many", "nmae: w\nsteps: [{key: a, job: j}]\n"),
    (
        "an alias bomb",
        "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
    ),
];

fn refusal(text: &str) -> String {
    match Definition::parse("w.yaml", text) {
        Ok(definition) => panic!("accepted: {definition:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_error_names_file_line_and_key_and_the_way_out() {
    let mut golden = String::new();
    for (about, text) in BAD {
        writeln!(golden, "## {about}\n{}\n", refusal(text)).unwrap();
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn the_limits_on_size_hold() {
    let long = format!("name: w\nsteps: [{{key: a, job: j}}]\n# {}", "x".repeat(limits::DOCUMENT_BYTES));
    assert!(refusal(&long).contains("at most 262144 are allowed"));

    let steps: String = (0..=limits::STEPS).map(|n| format!("  - {{key: s{n}, job: j}}\n")).collect();
    let many = refusal(&format!("name: w\nsteps:\n{steps}"));
    assert_eq!(many, "w.yaml:103:5: steps[100]: a definition has at most 100 steps, nested ones included");

    let deep = |levels: usize| {
        let inner = "{key: s, job: j}".to_owned();
        let steps = (1..levels).fold(inner, |inner, _| format!("{{key: s, steps: [{inner}]}}"));
        format!("name: w\nsteps: [{steps}]\n")
    };
    assert!(Definition::parse("w.yaml", &deep(limits::NESTING)).is_ok());
    assert!(refusal(&deep(limits::NESTING + 1)).contains("nested 4 levels deep"));

    let brackets =
        format!("name: w\nsteps: [{{key: s, job: j, params: {{x: {}{}}}}}]", "[".repeat(300), "]".repeat(300));
    assert!(refusal(&brackets).starts_with("w.yaml:"));
    let expression = format!("name: w\nsteps: [{{key: s, job: j, if: \"${{{}true}}\"}}]", " ".repeat(4_096));
    assert!(refusal(&expression).contains("at most 4096 are allowed"));

    let bad: String = (0..60).map(|n| format!("x{n}: 1\n")).collect();
    assert!(refusal(&bad).ends_with("w.yaml: and 12 more problems"));
}
