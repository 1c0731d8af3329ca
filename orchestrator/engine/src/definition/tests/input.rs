use serde_json::{Value, json};

use crate::definition::Definition;

const DEFINITION: &str = r##"
name: w
input:
  type: object
  required: [path, mode]
  additionalProperties: false
  properties:
    path: { type: string, minLength: 2, pattern: "^/" }
    mode: { enum: [fast, careful] }
    count: { type: integer, minimum: 1, default: 3 }
    tags: { type: array, items: { type: string }, maxItems: 2 }
    filter: { $ref: "#/$defs/filter" }
    sources: { type: array, items: { $ref: "#/$defs/filter" } }
  $defs:
    filter:
      type: object
      properties: { depth: { type: integer, default: 1 } }
steps: [{ key: a, job: j }]
"##;

fn validate(params: Value) -> Result<Value, Vec<String>> {
    let definition = Definition::parse("t", DEFINITION).unwrap_or_else(|error| panic!("{error}"));
    let errors = |errors: Vec<crate::definition::FieldError>| {
        errors.into_iter().map(|error| format!("{}: {}", error.pointer, error.message)).collect()
    };
    definition.validate_input(params).map_err(errors)
}

#[test]
fn defaults_are_filled_in_also_inside_objects_and_lists() {
    let given = json!({ "path": "/x", "mode": "fast", "filter": {}, "sources": [{}, { "depth": 4 }] });
    let filled = json!({
        "path": "/x", "mode": "fast", "count": 3,
        "filter": { "depth": 1 }, "sources": [{ "depth": 1 }, { "depth": 4 }]
    });
    assert_eq!(validate(given), Ok(filled));
}

#[test]
fn every_parameter_that_does_not_fit_is_named() {
    let given = json!({ "path": "x", "count": 0, "mdoe": "fast", "tags": ["a", 1, "c"], "filter": "x".repeat(5_000) });
    let errors = validate(given).unwrap_err();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn params_that_are_no_object_are_refused() {
    assert_eq!(validate(json!([1])), Err(vec![": [1] is not of type \"object\"".to_owned()]));
}

#[test]
fn a_workflow_without_input_takes_everything() {
    let definition = Definition::parse("t", "name: w\nsteps: [{key: a, job: j}]").unwrap();
    assert_eq!(definition.validate_input(json!({ "any": 1 })), Ok(json!({ "any": 1 })));
}

#[test]
fn a_schema_that_refers_to_itself_fills_in_defaults_only_so_deep() {
    let text = r##"
name: w
input:
  $ref: "#/$defs/node"
  $defs: { node: { type: object, properties: { next: { $ref: "#/$defs/node" , default: {} } } } }
steps: [{ key: a, job: j }]"##;
    let filled = Definition::parse("t", text).unwrap().validate_input(json!({})).unwrap();
    assert!(filled.to_string().len() < 300);
}

#[test]
fn a_schema_that_refers_to_itself_many_times_is_no_endless_work() {
    let twelve = ["{ $ref: '#' }"; 12].join(", ");
    let text = format!(
        "name: w\ninput: {{ allOf: [{twelve}], properties: {{ a: {{ default: 1 }} }} }}\nsteps: [{{ key: a, job: j }}]"
    );
    let errors = Definition::parse("t", &text).unwrap().validate_input(json!({})).unwrap_err();
    assert_eq!(errors[0].message, "too many values to fill in defaults (more than 1000000 places)");
}
