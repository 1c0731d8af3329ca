//! The workflow of the design, through all of its ends.

use chrono::TimeDelta;
use drover_protocol::{JobEventKind, JobId, JobStatus as S, StepStatus};
use serde_json::{Value, json};

use super::{
    play::{broken, completed_with_errors, flaky, percent},
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
    params: { processed: "${has(steps.processing.totals.rows) ? steps.processing.totals.rows : 0}" }
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

pub(super) fn begun(params: Value) -> (World, JobId) {
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

#[test]
fn a_failed_validation_finishes_the_workflow_with_what_it_has() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    let validation = world.sub_job(id, "validation");
    world.progress(validation, 40.0);
    world.fail(validation, broken());
    // Clean-up runs after a failure, and the bar stands still no longer than that.
    assert_eq!((world.status(id), world.message(id)), (S::Running, "Clean-up: Remove uploads".into()));
    let cleanup = world.sub_job(id, "remove_uploads");
    assert_eq!(world.params(cleanup), json!({ "path": "/in" }));
    world.complete(cleanup, json!({}));
    assert_eq!((world.status(id), world.message(id)), (S::CompletedWithErrors, "Completed with 1 errors".into()));
    let steps = ["validation failed", "processing skipped", "indexing skipped", "notification skipped"];
    assert_eq!(world.steps(id)[..4], steps);
    assert_eq!(world.result(id)["steps"]["validation"]["error"]["message"], "it is no archive");
    assert_eq!(world.result(id)["summary"], json!({ "total_files": null, "rows": null, "total_errors": 1 }));
}

/// An import whose validation found this many files.
fn processing(files: usize) -> (World, JobId) {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    world.complete(world.sub_job(id, "validation"), validated(files));
    (world, id)
}

/// Ends what is left of an import.
fn go_on(world: &mut World, id: JobId) {
    for key in ["indexing", "notification"] {
        if let Some(sub_job) = world.find(id, key, None) {
            world.complete(sub_job, json!({}));
        }
    }
}

#[test]
fn a_failed_step_is_gone_on_from_and_told_of() {
    let (mut world, id) = processing(2);
    world.fail(world.batch(id, "processing", 0), broken());
    go_on(&mut world, id);
    assert_eq!((world.status(id), world.bar(id)), (S::CompletedWithErrors, 100.0));
    let result = world.result(id);
    assert_eq!(result["summary"]["total_errors"], 1);
    assert_eq!(result["steps"]["processing"][0]["status"], "failed");
    assert_eq!(
        world.steps(id),
        ["validation completed", "processing failed", "indexing completed", "notification completed"]
    );
    assert_eq!(result["error"], Value::Null);
}

#[test]
fn a_batch_within_the_budget_makes_no_failure() {
    let (mut world, id) = processing(6);
    world.fail(world.batch(id, "processing", 0), broken());
    world.complete(world.batch(id, "processing", 1), json!({ "rows": 3 }));
    world.report(world.batch(id, "processing", 2), completed_with_errors(json!({ "rows": 4 }), 3));
    assert_eq!(world.metadata(id).steps[1].status, StepStatus::CompletedWithErrors);
    go_on(&mut world, id);
    assert_eq!(world.status(id), S::CompletedWithErrors);
    assert_eq!(world.result(id)["summary"], json!({ "total_files": 7, "rows": 7, "total_errors": 4 }));
}

#[test]
fn a_batch_beyond_the_budget_stops_the_step() {
    let (mut world, id) = processing(10);
    let (first, second) = (world.batch(id, "processing", 0), world.batch(id, "processing", 1));
    world.fail(first, broken());
    let third = world.batch(id, "processing", 2);
    world.fail(second, broken());
    assert_eq!(world.find(id, "processing", Some(3)), None, "nothing is begun any more");
    // What runs is let run.
    assert_eq!(world.metadata(id).steps[1].status, StepStatus::Running);
    world.complete(third, json!({ "rows": 1 }));
    let step = &world.metadata(id).steps[1];
    assert_eq!((step.status, step.total, step.done, step.failed), (StepStatus::Failed, 5, 1, 2));
    let error = world.job(id).workflow.unwrap().state.steps[1].error.clone().unwrap();
    assert_eq!(error.message, "2 of 5 batches failed, more than it tolerates");
    go_on(&mut world, id);
    assert_eq!(world.result(id)["steps"]["processing"].as_array().unwrap().len(), 3);
}

#[test]
fn the_third_attempt_succeeds() {
    let (mut world, id) = processing(2);
    let batch = world.batch(id, "processing", 0);
    world.start(batch);
    world.progress(batch, 40.0);
    world.fail(batch, flaky());
    let job = world.job(batch);
    assert_eq!((job.status, job.attempt, job.dispatch), (S::Pending, 2, 1));
    assert_eq!(job.due_at, Some(world.now + TimeDelta::seconds(1)));
    assert_eq!(world.metadata(id).steps[1].failed, 0, "it is not given up");
    world.elapse(1);
    assert_eq!((world.publications(batch), world.job(batch).dispatch), (2, 2));
    world.start(batch);
    world.send(batch, JobEventKind::Progress(percent(10.0)));
    assert_eq!(world.bar(batch), 40.0, "the high-water mark holds until it is passed");
    world.fail(batch, flaky());
    assert_eq!(world.job(batch).due_at, Some(world.now + TimeDelta::seconds(2)));
    world.elapse(2);
    world.start(batch);
    world.complete(batch, json!({ "rows": 1 }));
    let job = world.job(batch);
    assert_eq!((job.status, job.attempt, job.error), (S::Completed, 3, None));
    go_on(&mut world, id);
    assert_eq!((world.status(id), world.result(id)["summary"]["total_errors"].clone()), (S::Completed, json!(0)));
}

#[test]
fn the_policy_gives_up_after_its_last_attempt_and_at_once_for_what_is_permanent() {
    let (mut world, id) = processing(2);
    let batch = world.batch(id, "processing", 0);
    for wait in [1, 2] {
        world.fail(batch, flaky());
        world.elapse(wait);
    }
    world.fail(batch, flaky());
    let job = world.job(batch);
    assert_eq!((job.status, job.attempt, job.failures), (S::Failed, 3, 3));

    let (mut world, id) = processing(2);
    let batch = world.batch(id, "processing", 0);
    world.fail(batch, broken());
    assert_eq!((world.status(batch), world.job(batch).attempt), (S::Failed, 1));
}

#[test]
fn a_job_whose_worker_does_not_stop_it_in_time_is_taken_from_it() {
    let (mut world, id) = processing(2);
    world.complete(world.batch(id, "processing", 0), json!({ "rows": 1 }));
    let indexing = world.sub_job(id, "indexing");
    assert_eq!(world.job(indexing).timeout_at, None, "waiting for a worker takes no time of it");
    world.elapse(3_600);
    world.start(indexing);
    // The worker's own timer is 30 minutes; this one leaves it the grace to say so.
    world.elapse(30 * 60 + 29);
    assert_eq!(world.status(indexing), S::Running);
    world.elapse(1);
    let job = world.job(indexing);
    assert_eq!((job.status, job.error.unwrap().kind), (S::Failed, "timeout".into()));
    assert_eq!(world.tombstones(), [indexing], "its worker is told, should it live");
    assert_eq!(world.steps(id)[2..], ["indexing failed", "notification skipped"], "`if` looked at the status");
    assert_eq!(world.status(id), S::CompletedWithErrors);
    let skipped = &world.result(id)["steps"]["notification"];
    assert_eq!((skipped["status"].clone(), skipped["job_id"].clone()), (json!("skipped"), Value::Null));
}
