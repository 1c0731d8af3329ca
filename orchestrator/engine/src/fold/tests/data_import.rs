//! The workflow of the design, through all of its ends.

use drover_protocol::JobStatus as S;
use serde_json::{Value, json};

use super::{
    play::{broken, completed_with_errors, failed, flaky},
    world::World,
};

pub(super) const DATA_IMPORT: &str = r#"
name: data_import
title: Data import
input:
  type: object
  required: [import_path]
  properties:
    import_path: { type: string }
    validate_only: { type: boolean, default: false }
steps:
  - key: validation
    title: File validation
    job: validate_import
    weight: 20
    params: { path: "${input.import_path}" }
    on_failure: finish
    finish_if:
      - { when: "${steps.validation.result.valid_files == 0}", message: "No valid files to import" }
      - { when: "${input.validate_only}", message: "Validation complete: ${steps.validation.result.valid_files} valid files" }
  - key: processing
    title: Processing
    job: process_batch
    weight: 40
    for_each: "${steps.validation.result.file_list}"
    batch_size: 2
    max_parallel: 2
    tolerate: 1
    params: { files: "${batch.items}", number: "${batch.index}" }
    retry: { attempts: 3, initial: 1s, max: 60s, jitter: false }
  - key: indexing
    title: Search index
    job: index_files
    weight: 30
    timeout: 30m
    params: { processed: "${steps.processing.totals.rows}" }
  - key: notification
    title: Notification
    job: notify
    weight: 10
    if: "${steps.indexing.status != 'failed'}"
    params: { files: "${steps.validation.result.total_files}" }
cleanup:
  - { key: remove_uploads, title: Remove uploads, job: remove_files, params: { path: "${input.import_path}" } }
summary:
  total_files: "${steps.validation.result.total_files}"
  rows: "${steps.processing.totals.rows}"
"#;

pub(super) fn validated(files: usize) -> Value {
    let list: Vec<String> = (0..files).map(|number| format!("{number}.csv")).collect();
    json!({ "valid_files": files, "total_files": files + 1, "file_list": list })
}

pub(super) fn begun(params: Value) -> (World, drover_protocol::JobId) {
    let mut world = World::with(&[DATA_IMPORT]);
    let id = world.submit("data_import", params);
    (world, id)
}

#[test]
fn everything_goes_well() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    assert_eq!((world.status(id), world.bar(id)), (S::Running, 0.0));
    assert_eq!(world.message(id), "Step 1/4: File validation");
    let validation = world.sub_job(id, "validation");
    assert_eq!(world.params(validation), json!({ "path": "/in" }));
    world.start(validation);
    world.progress(validation, 50.0);
    assert_eq!(world.bar(id), 10.0);
    world.say(validation, "reading 3.csv");
    assert_eq!(world.message(id), "File validation: reading 3.csv");
    world.complete(validation, validated(5));

    assert_eq!((world.bar(id), world.message(id)), (20.0, "Step 2/4: Processing".into()));
    let (first, second) = (world.batch(id, "processing", 0), world.batch(id, "processing", 1));
    assert_eq!(world.params(second), json!({ "files": ["2.csv", "3.csv"], "number": 1 }));
    assert_eq!(world.find(id, "processing", Some(2)), None, "the window is two wide");
    world.start(second);
    world.complete(second, json!({ "rows": 20 }));
    assert_eq!(world.bar(id), 33.33);
    let third = world.batch(id, "processing", 2);
    world.start(first);
    world.complete(first, json!({ "rows": 10 }));
    world.start(third);
    world.progress(third, 50.0);
    assert_eq!(world.bar(id), 53.33);
    world.complete(third, json!({ "rows": 5 }));

    let indexing = world.sub_job(id, "indexing");
    assert_eq!(world.params(indexing), json!({ "processed": 35 }));
    world.complete(indexing, json!({}));
    let notification = world.sub_job(id, "notification");
    assert_eq!(world.params(notification), json!({ "files": 6 }));
    assert_eq!(world.bar(id), 90.0);
    world.complete(notification, json!({}));

    assert_eq!((world.status(id), world.bar(id), world.message(id)), (S::Completed, 100.0, "Completed".into()));
    assert_eq!(world.result(id)["summary"], json!({ "total_files": 6, "rows": 35, "total_errors": 0 }));
    assert!(world.find(id, "remove_uploads", None).is_none(), "clean-up is for failures and cancels");
    assert_eq!(world.leaves(), []);
}

#[test]
fn validation_alone_is_an_early_end() {
    let (mut world, id) = begun(json!({ "import_path": "/in", "validate_only": true }));
    world.complete(world.sub_job(id, "validation"), validated(4));
    assert_eq!((world.status(id), world.bar(id)), (S::Completed, 100.0));
    assert_eq!(world.message(id), "Validation complete: 4 valid files");
    let steps = ["validation completed", "processing skipped", "indexing skipped", "notification skipped"];
    assert_eq!(world.steps(id), steps);
    assert_eq!(world.metadata(id).current_step, 1);
    assert_eq!(world.result(id)["summary"], json!({ "total_files": 5, "rows": null, "total_errors": 0 }));
}

#[test]
fn no_valid_files_are_an_early_end() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    world.complete(world.sub_job(id, "validation"), validated(0));
    assert_eq!((world.status(id), world.message(id)), (S::Completed, "No valid files to import".into()));
}
