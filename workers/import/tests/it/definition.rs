//! The workflow that uses these jobs: it loads, and its expressions give parameters that the jobs take.

use std::{collections::BTreeMap, sync::Arc};

use drover_engine::{
    definition::{Definition, OnFailure, Work},
    expression::{BatchScope, Scope, StepScope, WorkflowScope},
};
use drover_import_worker::jobs::{
    CleanupParams, CleanupTemp, IndexData, IndexParams, ProcessImport, ProcessParams, ValidateImport, ValidateParams,
};
use drover_protocol::{JobId, StepStatus};
use drover_worker::Job;
use serde_json::{Value, json};

fn definition() -> Definition {
    let text = include_str!("../../../../workflows/data_import.yaml");
    Definition::parse("data_import.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn scope(input: Value, valid_files: u64) -> Scope {
    let input = definition().validate_input(input).unwrap();
    let step = |result: Value, totals: Value| StepScope {
        status: StepStatus::Completed,
        result: Arc::new(result),
        error: None,
        totals,
    };
    let files = json!([{"path": "/in/a.csv", "format": "csv", "compression": "none", "size_bytes": 1, "rows": 2}]);
    let validation = json!({"total_files": 3, "valid_files": valid_files, "file_list": files});
    let steps = BTreeMap::from([
        ("validation".to_owned(), step(validation, json!({}))),
        ("processing".to_owned(), step(json!([]), json!({"rows": 40, "rejected": 2}))),
        ("indexing".to_owned(), step(json!({"indexed_rows": 40}), json!({}))),
    ]);
    let batch = Some(BatchScope { index: 0, count: 1, items: files });
    let id: JobId = "0192f3c4-7b1e-7000-8000-000000000001".parse().unwrap();
    Scope { input: Arc::new(input), steps, batch, repeat: None, workflow: WorkflowScope { id, attempt: 1 } }
}

#[test]
fn its_steps_are_these_jobs_with_these_shares() {
    let definition = definition();
    let steps: Vec<(&str, &str, u32)> = definition
        .steps
        .iter()
        .map(|step| {
            let Work::Job(job) = &step.work else { panic!("{} is no job", step.key) };
            (step.key.as_str(), job.as_str(), step.weight)
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("validation", ValidateImport::TYPE, 20),
            ("processing", ProcessImport::TYPE, 40),
            ("indexing", IndexData::TYPE, 30),
            ("cleanup", CleanupTemp::TYPE, 10)
        ]
    );
    let on_failure: Vec<OnFailure> = definition.steps.iter().map(|step| step.on_failure).collect();
    assert_eq!(on_failure, [OnFailure::Finish, OnFailure::Continue, OnFailure::Continue, OnFailure::Continue]);
    assert_eq!(definition.cleanup[0].work, definition.steps[3].work);
    assert_eq!(definition.cleanup[0].params_references, definition.steps[3].params_references);
}

#[test]
fn its_parameters_fit_the_jobs() {
    let definition = definition();
    let params = |scope: &Scope, index: usize| definition.steps[index].params.eval(scope).unwrap();
    let plain = scope(json!({"import_path": "/data/in"}), 1);
    let validate: ValidateParams = serde_json::from_value(params(&plain, 0)).unwrap();
    assert!(validate.schema.is_none() && validate.max_errors_per_file == 20 && validate.allow_bad_rows == 0);
    let process: ProcessParams = serde_json::from_value(params(&plain, 1)).unwrap();
    assert_eq!((process.output_path.as_str(), process.files.len()), ("/data/in-imported", 1));
    assert_eq!(process.run_id.to_string(), "0192f3c4-7b1e-7000-8000-000000000001");
    let index: IndexParams = serde_json::from_value(params(&plain, 2)).unwrap();
    assert_eq!(index.index_path, "/data/in-imported/index");
    let cleanup: CleanupParams = serde_json::from_value(params(&plain, 3)).unwrap();
    assert!(cleanup.keep_rows && cleanup.index_path.as_deref() == Some("/data/in-imported/index"));

    let schema = json!({"type": "object"});
    let full = json!({"import_path": "/in", "output_path": "/out", "index_path": "/index", "schema": schema});
    let full = scope(full, 1);
    assert!(serde_json::from_value::<ValidateParams>(params(&full, 0)).unwrap().schema.is_some());
    assert_eq!(params(&full, 1)["output_path"], "/out");
    assert_eq!(
        (&params(&full, 2)["index_path"], &params(&full, 3)["index_path"]),
        (&json!("/index"), &json!("/index"))
    );
    let only_output = scope(json!({"import_path": "/in", "output_path": "/out"}), 1);
    assert_eq!(params(&only_output, 2)["index_path"], "/out/index");
}

#[test]
fn it_ends_early_with_these_words() {
    let definition = definition();
    let finish = &definition.steps[0].finish_if;
    let none = scope(json!({"import_path": "/in"}), 0);
    assert!(finish[0].when.eval_bool(&none).unwrap());
    assert_eq!(finish[0].message.eval_text(&none).unwrap(), "No valid files to import");
    let only = scope(json!({"import_path": "/in", "validate_only": true}), 2);
    assert!(!finish[0].when.eval_bool(&only).unwrap() && finish[1].when.eval_bool(&only).unwrap());
    assert_eq!(finish[1].message.eval_text(&only).unwrap(), "Validation complete: 2 valid files");
}

#[test]
fn its_summary_has_these_numbers() {
    let definition = definition();
    let scope = scope(json!({"import_path": "/in"}), 2);
    let summary: BTreeMap<&str, Value> =
        definition.summary.iter().map(|(key, template)| (key.as_str(), template.eval(&scope).unwrap())).collect();
    let expected =
        [("indexed_rows", 40), ("rejected_rows", 2), ("total_files", 3), ("total_rows", 40), ("valid_files", 2)];
    assert_eq!(summary, expected.map(|(key, value)| (key, json!(value))).into());
}

#[test]
fn paths_are_checked_before_anything_runs() {
    let definition = definition();
    for (input, pointer) in [
        (json!({}), "/import_path"),
        (json!({"import_path": "in"}), "/import_path"),
        (json!({"import_path": "/in/"}), "/import_path"),
        (json!({"import_path": "/in", "output_path": "out"}), "/output_path"),
        (json!({"import_path": "/in", "batch_size": 1}), "/batch_size"),
    ] {
        let errors = definition.validate_input(input).unwrap_err();
        assert!(errors.iter().any(|error| error.pointer == pointer), "{errors:?}");
    }
}
