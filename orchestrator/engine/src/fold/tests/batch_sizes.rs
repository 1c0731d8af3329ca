//! Batches whose size is an expression.

use drover_protocol::{JobId, JobStatus as S};
use serde_json::{Value, json};

use super::{play::broken, world::World};
use crate::Outcome;

const SIZED: &str = "
name: w
steps:
  - key: each
    job: work
    for_each: '${input.list}'
    batch_size: '${input.size}'
    params: { items: '${batch.items}', count: '${batch.count}' }
  - { key: last, job: work }
";

fn sized(size: Value) -> (World, JobId) {
    let mut world = World::with(&[SIZED]);
    let id = world.submit("w", json!({ "list": [1, 2, 3, 4, 5], "size": size }));
    (world, id)
}

#[test]
fn the_list_is_cut_into_batches_of_the_size_that_it_evaluates_to() {
    for size in [json!(2), json!(2.0)] {
        let (world, id) = sized(size);
        assert_eq!(world.metadata(id).steps[0].total, 3);
        assert_eq!(world.params(world.batch(id, "each", 0)), json!({ "items": [1, 2], "count": 3 }));
        assert_eq!(world.params(world.batch(id, "each", 2)), json!({ "items": [5], "count": 3 }));
    }
    let (world, id) = sized(json!(10_000));
    assert_eq!(world.metadata(id).steps[0].total, 1);
}

#[test]
fn what_is_no_size_fails_the_step_and_says_what_is_wanted() {
    for size in [json!(0), json!(-1), json!(10_001), json!(1.5), json!(1e300), json!("2"), Value::Null, json!([2])] {
        let (mut world, id) = sized(size.clone());
        assert_eq!(world.steps(id), ["each failed", "last running"]);
        world.complete(world.sub_job(id, "last"), json!({}));
        assert_eq!((world.status(id), world.job(id).error_count), (S::CompletedWithErrors, 1));
        let error = &world.result(id)["steps"]["each"]["error"];
        let message = format!(
            "batch_size ${{input.size}} is {size}, and must be a whole number from 1 to 10000: begin anew with another \
             value, or write a number in the definition"
        );
        assert_eq!((&error["kind"], &error["message"]), (&json!("expression"), &json!(message)));
    }
}

#[test]
fn an_expression_that_fails_names_its_field() {
    let mut world = World::with(&[SIZED]);
    let id = world.submit("w", json!({ "list": [1] }));
    world.complete(world.sub_job(id, "last"), json!({}));
    let message = world.result(id)["steps"]["each"]["error"]["message"].clone();
    assert!(message.as_str().unwrap().starts_with("each.batch_size"), "{message}");
}

#[test]
fn it_may_read_what_a_step_before_found_and_a_retry_keeps_the_batches() {
    let mut world = World::with(&["
name: w
steps:
  - { key: count, job: work }
  - { key: each, job: work, for_each: '${[1, 2, 3]}', batch_size: '${steps.count.result.size * workflow.attempt}' }
"]);
    let id = world.submit("w", json!({}));
    world.complete(world.sub_job(id, "count"), json!({ "size": 1 }));
    world.complete(world.batch(id, "each", 0), json!({}));
    world.fail(world.batch(id, "each", 1), broken());
    world.complete(world.batch(id, "each", 2), json!({}));
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!((world.metadata(id).steps[1].total, world.leaves()), (3, vec![world.batch(id, "each", 1)]));
    world.complete(world.batch(id, "each", 1), json!({}));
    assert_eq!(world.status(id), S::Completed);
}
