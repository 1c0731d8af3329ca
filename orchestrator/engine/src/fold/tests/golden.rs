//! The shapes that other systems read, exactly.

use serde_json::{Value, json};

use super::{
    data_import::{begun, validated},
    play::{broken, completed_with_errors, flaky},
    world::World,
};

/// A workflow's metadata as JSON.
fn metadata(world: &World, id: drover_protocol::JobId) -> Value {
    serde_json::to_value(world.metadata(id)).unwrap()
}

#[test]
fn metadata_of_an_import_under_way() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    world.elapse(2);
    let validation = world.sub_job(id, "validation");
    world.start(validation);
    insta::assert_json_snapshot!("metadata_at_the_first_step", metadata(&world, id));
    world.elapse(3);
    world.complete(validation, validated(7));
    let second = world.batch(id, "processing", 1);
    world.start(second);
    world.progress(second, 62.5);
    world.say(second, "row 5 of 8");
    insta::assert_json_snapshot!("metadata_of_a_fan_out", metadata(&world, id));
    world.cancel(id);
    insta::assert_json_snapshot!("metadata_of_a_cancel_that_waits", metadata(&world, id));
}

#[test]
fn metadata_and_result_of_an_import_with_errors() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    let validation = world.sub_job(id, "validation");
    world.start(validation);
    world.elapse(4);
    world.complete(validation, validated(5));
    let batches = [0, 1].map(|batch| world.batch(id, "processing", batch));
    world.start(batches[0]);
    world.start(batches[1]);
    world.elapse(10);
    world.fail(batches[0], broken());
    world.report(batches[1], completed_with_errors(json!({ "rows": 12 }), 2));
    world.complete(world.batch(id, "processing", 2), json!({ "rows": 4 }));
    let indexing = world.sub_job(id, "indexing");
    world.start(indexing);
    world.elapse(1);
    world.fail(indexing, flaky());
    insta::assert_json_snapshot!("metadata_with_errors", metadata(&world, id));
    insta::assert_json_snapshot!("result_with_errors", world.result(id));
}

#[test]
fn metadata_and_result_of_a_workflow_that_failed() {
    let mut world = World::with(&["
name: w
title: Fails
steps:
  - { key: a, title: First, job: work, weight: 30 }
  - { key: b, title: Second, job: work, weight: 70, on_failure: fail }
  - { key: c, title: Third, job: work, weight: 0, for_each: '${[1]}' }
cleanup: [{ key: tidy, title: Tidy up, job: clean }]
summary: { n: '${steps.a.result.n}' }
"]);
    let id = world.submit("w", json!({}));
    world.complete(world.sub_job(id, "a"), json!({ "n": 3 }));
    let b = world.sub_job(id, "b");
    world.start(b);
    world.progress(b, 40.0);
    world.fail(b, broken());
    insta::assert_json_snapshot!("metadata_in_clean_up", metadata(&world, id));
    world.complete(world.sub_job(id, "tidy"), json!({}));
    insta::assert_json_snapshot!("metadata_failed", metadata(&world, id));
    insta::assert_json_snapshot!("result_failed", world.result(id));
}

#[test]
fn result_of_a_workflow_that_completed() {
    let (mut world, id) = begun(json!({ "import_path": "/in", "validate_only": true }));
    world.complete(world.sub_job(id, "validation"), validated(1));
    insta::assert_json_snapshot!("result_completed", world.result(id));
}
