use std::{collections::BTreeMap, sync::Arc, time::Duration};

use drover_protocol::StepStatus;
use serde_json::{Value, json};

use super::{DATA_IMPORT, PROCESS_NEW_SCENES};
use crate::{
    definition::{Backoff, BatchSize, Definition, OnFailure, RetryPolicy, Step, Tolerate, Work},
    expression::{BatchScope, Scope, StepScope, StepUse, WorkflowScope},
};

fn parse(text: &str) -> Definition {
    Definition::parse("test.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn scope(input: Value, steps: &[(&str, Value)]) -> Scope {
    let step = |result: &Value| StepScope {
        status: StepStatus::Completed,
        result: Arc::new(result.clone()),
        error: None,
        totals: json!({ "total": 4, "failed": 1 }),
    };
    let steps: BTreeMap<String, StepScope> =
        steps.iter().map(|(key, result)| ((*key).to_owned(), step(result))).collect();
    let workflow = WorkflowScope { id: uuid::Uuid::nil().into(), attempt: 1 };
    Scope { input: Arc::new(input), steps, batch: None, repeat: None, workflow }
}

#[test]
fn the_data_import_is_read_as_it_is_meant() {
    let definition = parse(DATA_IMPORT);
    assert_eq!(definition.name.as_str(), "data_import");
    let keys: Vec<_> = definition.steps.iter().map(|step| (step.key.as_str(), step.weight)).collect();
    assert_eq!(keys, [("validation", 20), ("processing", 70), ("index", 10)]);

    let [validation, processing, index] = &definition.steps[..] else { panic!("three steps") };
    assert_eq!(validation.on_failure, OnFailure::Finish);
    assert_eq!(validation.finish_references.steps["validation"], StepUse { result: true, ..StepUse::default() });
    assert!(validation.finish_references.input);
    let fan_out = processing.for_each.as_ref().unwrap();
    assert_eq!((&fan_out.batch_size, fan_out.max_parallel), (&BatchSize::Fixed(100), 4));
    assert_eq!(fan_out.tolerate, Some(Tolerate::Percent(500)));
    assert_eq!(processing.timeout, Some(Duration::from_secs(1800)));
    let retry = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
    assert_eq!(processing.retry, retry);
    assert!(processing.params_references.batch && processing.params_references.steps.is_empty());
    assert_eq!(index.title, "index", "a step without a title is called by its key");
    assert_eq!(index.on_failure, OnFailure::Continue);
    assert_eq!(definition.cleanup[0].weight, 0);
}

#[test]
fn the_data_import_evaluates() {
    let definition = parse(DATA_IMPORT);
    let [validation, processing, index] = &definition.steps[..] else { panic!("three steps") };
    let input = definition.validate_input(json!({ "import_path": "/in" })).unwrap();
    assert_eq!(input, json!({ "import_path": "/in", "validate_only": false, "options": { "encoding": "utf-8" } }));

    let mut scope = scope(
        input,
        &[
            ("validation", json!({ "valid_files": 2.0, "total_files": 3, "file_list": ["a", "b"] })),
            ("processing", json!([{ "rows": 2 }, { "rows": 40 }])),
        ],
    );
    assert_eq!(validation.params.eval(&scope).unwrap(), json!({ "path": "/in" }));
    assert!(!validation.finish_if[0].when.eval_bool(&scope).unwrap());
    assert!(!validation.finish_if[1].when.eval_bool(&scope).unwrap());
    assert_eq!(validation.finish_if[1].message.eval_text(&scope).unwrap(), "Validation complete: 2 valid files");
    assert!(processing.condition.as_ref().unwrap().eval_bool(&scope).unwrap());
    assert_eq!(processing.for_each.as_ref().unwrap().items.eval(&scope).unwrap(), json!(["a", "b"]));
    assert_eq!(index.params.eval(&scope).unwrap(), json!({ "processed": 42 }));
    assert_eq!(definition.summary["total_files"].eval(&scope).unwrap(), json!(3));
    assert!(!definition.cleanup[0].condition.as_ref().unwrap().eval_bool(&scope).unwrap());

    scope.batch = Some(BatchScope { index: 1, count: 5, items: json!(["x"]) });
    let params = json!({ "files": ["x"], "label": "batch 2 of 5 from /in", "encoding": "utf-8" });
    assert_eq!(processing.params.eval(&scope).unwrap(), params);
}

#[test]
fn a_list_delivered_as_items_has_its_size() {
    let definition = parse(DATA_IMPORT);
    let items = json!({ "$items": { "job_id": uuid::Uuid::nil(), "name": "file_list", "count": 1_000_000 } });
    let scope = scope(json!({ "import_path": "/in" }), &[("validation", json!({ "file_list": items }))]);
    let processing = &definition.steps[1];
    assert!(processing.condition.as_ref().unwrap().eval_bool(&scope).unwrap());
    assert_eq!(processing.for_each.as_ref().unwrap().items.eval(&scope).unwrap(), items);
}

#[test]
fn nested_steps_are_a_definition_of_their_own() {
    let definition = parse(PROCESS_NEW_SCENES);
    assert_eq!(definition.steps.len(), 7);
    let nested = definition.nested(&["scenes".to_owned()]).unwrap();
    assert_eq!(nested.name.as_str(), "process_new_scenes.scenes");
    assert_eq!(nested.title, "Analyze scenes");
    assert_eq!(nested.hash, definition.hash);
    assert_eq!(nested.path, ["scenes"]);
    assert_eq!(nested.input, definition.input, "without params it gets what the workflow got");
    assert_eq!(nested.steps[0].retry.backoff, Backoff::Fixed);
    assert!(matches!(&definition.steps[6].work, Work::Workflow(name) if name.as_str() == "announce_scenes"));
    assert_eq!(definition.nested(&["scan".to_owned()]), None);
    assert_eq!(definition.nested(&[]), None);

    let mut scope = scope(json!({ "library": "/l", "model": "small" }), &[("download", json!({ "files": ["f"] }))]);
    assert_eq!(definition.steps[2].params.eval(&scope).unwrap(), json!({ "library": "/l", "model": "small" }));
    scope.batch = Some(BatchScope { index: 3, count: 4, items: json!(["scene"]) });
    assert_eq!(nested.steps[0].params.eval(&scope).unwrap(), json!({ "scene": "scene" }));
    assert_eq!(nested.steps[2].params.eval(&scope).unwrap(), json!({ "files": ["f"], "batch": 3 }));
    let error = nested.steps[0].params.eval(&Scope { batch: None, ..scope }).unwrap_err();
    assert_eq!(error.to_string(), "scenes.download.params.scene: ${batch.items[0]} failed: there is no batch here");
}

#[test]
fn nested_steps_with_params_see_these_as_their_input() {
    let definition = parse(
        "
name: outer
input: { properties: { a: {} }, additionalProperties: false }
steps:
  - { key: first, job: j }
  - key: chain
    params: { b: '${steps.first.result.b}' }
    steps: [{ key: only, job: j, params: { c: '${input.b}' } }]",
    );
    let nested = definition.nested(&["chain".to_owned()]).unwrap();
    assert_eq!(nested.input, None);
    let scope = scope(json!({ "b": 1 }), &[]);
    assert_eq!(nested.steps[0].params.eval(&scope).unwrap(), json!({ "c": 1 }));
}

#[test]
fn a_size_may_be_an_expression_a_step_may_run_nothing_and_an_end_may_skip() {
    let definition = parse(
        "
name: w
steps:
  - { key: gate, finish_if: [{ when: '${input.off}', message: Off, skip: true }, { when: '${input.dry}', message: Dry }] }
  - { key: count, job: j }
  - { key: each, job: j, for_each: '${input.list}', batch_size: '${steps.count.result.size}' }
  - { key: plain, job: j, for_each: '${input.list}' }
",
    );
    let [gate, _, each, plain] = &definition.steps[..] else { panic!("four steps") };
    assert_eq!((&gate.work, gate.weight, definition.job_types().len()), (&Work::Milestone, 1, 1));
    assert_eq!(gate.finish_if.iter().map(|entry| entry.skip).collect::<Vec<_>>(), [true, false]);
    let size = |step: &Step| step.for_each.as_ref().unwrap().batch_size.to_string();
    assert_eq!((size(each), size(plain)), ("${steps.count.result.size}".into(), "1".into()));
    assert!(each.start_references.steps["count"].result, "it is read when the step begins");
}

#[test]
fn the_failure_budget_is_counted_exactly() {
    assert!(Tolerate::Percent(500).allows(5, 100));
    assert!(!Tolerate::Percent(500).allows(6, 100));
    assert!(!Tolerate::Percent(500).allows(1, 19), "5 % of 19 is less than one");
    assert!(Tolerate::Percent(10_000).allows(u64::MAX, u64::MAX));
    assert!(Tolerate::Count(2).allows(2, 2) && !Tolerate::Count(2).allows(3, 1_000));
}

#[test]
fn the_wait_doubles_up_to_the_maximum_and_jitter_shortens_it_by_at_most_half() {
    let policy = RetryPolicy { attempts: 5, jitter: false, ..RetryPolicy::default() };
    let seconds: Vec<u64> = (1..=8).map(|failures| policy.delay(failures, 0.7).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(policy.delay(u32::MAX, 0.0), Duration::from_secs(60));
    let jittered = RetryPolicy { jitter: true, ..policy };
    assert_eq!(jittered.delay(3, 0.0), Duration::from_secs(4));
    assert_eq!(jittered.delay(3, 1.0), Duration::from_secs(2));
    assert_eq!(jittered.delay(3, f64::NAN), Duration::from_secs(4));
    let fixed = RetryPolicy { backoff: Backoff::Fixed, ..policy };
    assert_eq!(fixed.delay(7, 0.0), Duration::from_secs(1));
    assert!(policy.allows(4) && !policy.allows(5));
}

#[test]
fn a_retry_policy_serializes_in_the_definitions_own_form() {
    let policy = RetryPolicy { attempts: 3, initial: Duration::from_millis(1500), ..RetryPolicy::default() };
    let stored = serde_json::to_value(policy).unwrap();
    let form = json!({ "attempts": 3, "backoff": "exponential", "initial": "1s500ms", "max": "1m", "jitter": true });
    assert_eq!(stored, form);
    assert_eq!(serde_json::from_value::<RetryPolicy>(stored).unwrap(), policy);
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let page = include_str!("../../../../../docs/definitions.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        let text = match block {
            whole if whole.starts_with("name:") => whole.to_owned(),
            steps if steps.starts_with("steps:") => format!("name: w\n{steps}"),
            step => format!("name: w\nsteps:\n{step}"),
        };
        parse(&text);
    }
}
