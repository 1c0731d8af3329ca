use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DATA_IMPORT, PROCESS_NEW_SCENES};
use crate::definition::Definition;

#[test]
fn a_stored_definition_is_the_same_and_has_the_same_hash() {
    for text in [DATA_IMPORT, PROCESS_NEW_SCENES] {
        let definition = Definition::parse("test.yaml", text).unwrap();
        let stored: Value = serde_json::from_str(&definition.to_json().to_string()).unwrap();
        let read = Definition::from_json("database", &stored).unwrap();
        assert_eq!(read, definition);
        assert_eq!(read.hash, definition.hash);
        let as_json = Definition::parse("test.json", &serde_json::to_string_pretty(&stored).unwrap()).unwrap();
        assert_eq!(as_json, definition, "YAML and JSON say the same");
    }
}

#[test]
fn the_hash_is_of_the_content_alone() {
    let hash = |text: &str| Definition::parse("t", text).unwrap().hash;
    let plain = hash("name: w\nsteps: [{key: a, job: j, params: {x: 100, y: [1, 'q']}}]");
    assert_eq!(plain, hash("# a comment\nsteps:\n- {params: {y: [1, q], x: 1e2}, job: j, key: a}\nname: \"w\""));
    assert_ne!(plain, hash("name: w\nsteps: [{key: a, job: j, params: {x: 101, y: [1, 'q']}}]"));
    // It is in databases: it must never change.
    assert_eq!(
        hash("name: w\nsteps: [{key: a, job: j}]"),
        "7aee44870c67d4371cddd822b377675066eb40d83d435500967e79f75feebf3e"
    );
}

#[test]
fn errors_of_a_stored_definition_have_no_lines() {
    let stored = json!({ "name": "w", "steps": [{ "key": "a", "job": 3 }] });
    let error = Definition::from_json("definition 7", &stored).unwrap_err();
    assert_eq!(error.to_string(), "definition 7: steps[0].job: must be a name; it is the number 3");
}

#[test]
fn the_limits_on_size_hold_for_stored_json_too() {
    let with = |params: Value| json!({ "name": "w", "steps": [{ "key": "a", "job": "j", "params": params }] });
    for params in [json!({ "x": "y".repeat(1_100_000) }), json!({ "x": vec![0; 60_000] })] {
        let error = Definition::from_json("t", &with(params)).unwrap_err();
        assert!(error.to_string().starts_with("t: the document is too large or nested too deep"), "{error}");
    }
}

#[test]
fn aliases_do_not_multiply_a_document() {
    let text = format!(
        "name: w\nsteps: [{{key: a, job: j, params: {{x: &x {}, y: [{}]}}}}]",
        "x".repeat(100_000),
        "*x,".repeat(900)
    );
    let error = Definition::parse("t", &text).unwrap_err().to_string();
    assert!(error.contains("aliases counted as often as they are used"), "{error}");
}

#[test]
fn json_may_be_written_with_tabs_and_escapes() {
    let text = "{\n\t\"name\": \"w\",\n\t\"steps\": [\n\t\t{\"key\": \"a\", \"job\": \"j\", \"title\": \"\\u00e9\\/\\ud83d\\ude00\"}\n\t]\n}";
    assert_eq!(Definition::parse("t.json", text).unwrap().steps[0].title, "é/😀");
}

/// Documents that are nearly right, so that every check is reached.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("key"),
        Just("job"),
        Just("steps"),
        Just("if"),
        Just("params"),
        Just("for_each"),
        Just("wait_for: signal"),
        Just("repeat"),
        Just("skip: true"),
        Just("batch_size"),
        Just("name"),
        Just("a"),
        Just("${steps.a.result}"),
        Just("${batch.items}"),
        Just("5%"),
        Just("1s"),
        Just("[]"),
        Just("{}"),
        Just("- "),
        Just(": "),
        Just("\n  "),
        Just("\n"),
        Just("&x "),
        Just("*x"),
        Just("<<"),
        Just("1"),
        Just("'"),
        Just("input"),
    ];
    let noise = prop::collection::vec(word, 0..12).prop_map(|words| words.concat());
    (0..DATA_IMPORT.len(), 0..40_usize, noise).prop_map(|(at, cut, noise)| {
        let start = (0..=at).rev().find(|at| DATA_IMPORT.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + cut).min(DATA_IMPORT.len());
        format!("{}{noise}{}", &DATA_IMPORT[..start], &DATA_IMPORT[end..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_document_panics_and_every_refusal_says_why(text in nearly()) {
        match Definition::parse("t", &text) {
            Ok(definition) => {
                let read = Definition::from_json("t", definition.to_json()).unwrap();
                prop_assert_eq!(read, definition);
            }
            Err(error) => prop_assert!(error.problems.iter().all(|problem| problem.line > 0 && !problem.message.is_empty())),
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Definition::parse("t", &text);
    }
}
