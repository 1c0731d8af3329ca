//! Workflows within workflows: nested steps for each batch, child workflows, how they report upwards.

use chrono::TimeDelta;
use drover_protocol::{JobId, JobStatus as S};
use serde_json::json;

use super::{
    play::{broken, completed_with_errors, flaky},
    world::World,
};
use crate::Outcome;

const SCENES: &str = "
name: scenes
steps:
  - key: scene
    title: Scenes
    for_each: '${input.scenes}'
    max_parallel: 2
    params: { scene: '${batch.items[0]}', quality: '${input.quality}' }
    steps:
      - { key: cut, job: cut, params: { scene: '${input.scene}', number: '${batch.index}' } }
      - key: render
        steps:
          - { key: frame, job: render, params: { of: '${input}' } }
        params: { quality: '${input.quality}' }
  - { key: join, job: join }
";

fn begun() -> (World, JobId) {
    let mut world = World::with(&[SCENES]);
    let id = world.submit("scenes", json!({ "scenes": ["a", "b", "c", "d"], "quality": 9 }));
    (world, id)
}

#[test]
fn each_batch_is_a_workflow_that_sees_its_own_params_and_its_batch() {
    let (mut world, id) = begun();
    let second = world.batch(id, "scene", 1);
    assert_eq!(
        (world.status(second), world.job(second).job_type.as_str().to_owned()),
        (S::Running, "scenes.scene".into())
    );
    let cut = world.sub_job(second, "cut");
    assert_eq!(world.params(cut), json!({ "scene": "b", "number": 1 }));
    world.complete(cut, json!({}));
    let frame = world.sub_job(world.sub_job(second, "render"), "frame");
    assert_eq!(world.params(frame), json!({ "of": { "quality": 9 } }));
    assert_eq!(world.job(frame).root_id, id);
}

#[test]
fn progress_and_messages_come_up_through_every_level() {
    let (mut world, id) = begun();
    let first = world.batch(id, "scene", 0);
    let cut = world.sub_job(first, "cut");
    world.start(cut);
    world.progress(cut, 80.0);
    assert_eq!((world.bar(first), world.bar(id)), (40.0, 5.0));
    world.say(cut, "at 00:12");
    assert_eq!(world.message(id), "Scenes: cut: at 00:12");
    world.complete(cut, json!({}));
    assert_eq!(world.message(id), "Scenes: render: Step 1/1: frame", "a workflow's own words go up, too");
    assert_eq!(world.bar(id), 6.25);
    let active = world.metadata(id).active_sub_job.unwrap();
    assert_eq!((active.id, active.progress, active.job_type.as_str()), (first, 50.0, "scenes.scene"));
}

#[test]
fn nested_steps_that_skip_carry_the_bar_up_too() {
    let mut world = World::with(&["
name: w
steps:
  - key: outer
    steps:
      - { key: a, job: work }
      - { key: b, job: work, if: '${false}' }
      - { key: c, job: work }
"]);
    let id = world.submit("w", json!({}));
    let outer = world.sub_job(id, "outer");
    world.complete(world.sub_job(outer, "a"), json!({}));
    assert_eq!((world.bar(outer), world.bar(id)), (66.66, 66.66));
}

#[test]
fn what_goes_wrong_below_is_counted_above() {
    let (mut world, id) = begun();
    for batch in 0..4 {
        let scene = world.batch(id, "scene", batch);
        let cut = world.sub_job(scene, "cut");
        if batch == 2 {
            world.fail(cut, broken())
        } else {
            world.complete(cut, json!({}))
        }
        let frame = world.sub_job(world.sub_job(scene, "render"), "frame");
        let errors = usize::from(batch == 0) * 2;
        if errors > 0 {
            world.report(frame, completed_with_errors(json!({}), errors));
        } else {
            world.complete(frame, json!({}));
        }
    }
    // Fault 8: neither reads as success.
    assert_eq!(world.status(world.batch(id, "scene", 0)), S::CompletedWithErrors);
    assert_eq!(world.status(world.batch(id, "scene", 2)), S::CompletedWithErrors);
    world.complete(world.sub_job(id, "join"), json!({}));
    assert_eq!(
        (world.status(id), world.result(id)["summary"]["total_errors"].clone()),
        (S::CompletedWithErrors, json!(3))
    );
    assert_eq!(world.result(id)["steps"]["scene"][2]["result"]["steps"]["cut"]["status"], "failed");
}

const PARENT: &str = "
name: parent
steps:
  - { key: child, workflow: child, on_failure: fail, timeout: 60s, params: { n: '${input.n}' }, retry: { attempts: 2, jitter: false } }
  - { key: after, job: work, params: { got: '${steps.child.result.summary.sum}' } }
";
const CHILD: &str = "
name: child
input: { type: object, required: [n], properties: { n: { type: integer }, extra: { type: integer, default: 7 } } }
steps:
  - { key: a, job: work, params: { n: '${input.n}', extra: '${input.extra}' } }
  - { key: b, job: work, on_failure: fail }
cleanup: [{ key: tidy, job: clean }]
summary: { sum: '${steps.a.result.n}' }
";

fn parent() -> (World, JobId, JobId) {
    let mut world = World::with(&[PARENT, CHILD]);
    let id = world.submit("parent", json!({ "n": 5 }));
    let child = world.sub_job(id, "child");
    (world, id, child)
}

#[test]
fn a_child_workflow_gets_its_defaults_and_gives_its_result() {
    let (mut world, id, child) = parent();
    assert_eq!(world.params(world.sub_job(child, "a")), json!({ "n": 5, "extra": 7 }));
    world.complete(world.sub_job(child, "a"), json!({ "n": 11 }));
    world.complete(world.sub_job(child, "b"), json!({}));
    assert_eq!(world.params(world.sub_job(id, "after")), json!({ "got": 11 }));
    assert_eq!(world.result(child)["summary"], json!({ "sum": 11, "total_errors": 0 }));
}

#[test]
fn a_child_workflow_that_fails_is_tried_again_from_where_it_failed() {
    let (mut world, id, child) = parent();
    let a = world.sub_job(child, "a");
    world.complete(a, json!({ "n": 11 }));
    let b = world.sub_job(child, "b");
    world.fail(b, flaky());
    world.complete(world.sub_job(child, "tidy"), json!({}));
    assert_eq!((world.status(child), world.status(id)), (S::Pending, S::Running));
    assert_eq!(world.metadata(id).steps[0].failed, 0);
    world.elapse(1);
    assert_eq!((world.status(child), world.publications(a), world.publications(b)), (S::Running, 1, 2));
    assert_eq!(world.steps(child), ["a completed", "b running"]);
    world.fail(b, flaky());
    world.complete(world.sub_job(child, "tidy"), json!({}));
    assert_eq!((world.status(child), world.status(id)), (S::Failed, S::Failed));
    let summary = &world.result(id)["summary"];
    assert_eq!(summary["total_errors"], 1, "the last attempt's errors, once");
}

#[test]
fn a_child_workflow_that_takes_too_long_is_stopped_cleaned_up_and_tried_again() {
    let (mut world, id, child) = parent();
    let a = world.sub_job(child, "a");
    world.start(a);
    assert_eq!(world.job(child).timeout_at, Some(world.now + TimeDelta::seconds(60)));
    world.elapse(60);
    assert_eq!((world.status(child), world.status(a)), (S::Running, S::Cancelling));
    assert_eq!(world.find(child, "tidy", None), None, "not while its own job runs");
    world.stopped(a);
    world.complete(world.sub_job(child, "tidy"), json!({}));
    assert_eq!((world.status(child), world.job(child).error.unwrap().kind), (S::Pending, "timeout".into()));
    world.elapse(1);
    world.complete(a, json!({ "n": 1 }));
    world.complete(world.sub_job(child, "b"), json!({}));
    assert_eq!(world.steps(id), ["child completed", "after running"]);
}

#[test]
fn a_timed_out_workflow_does_not_wait_for_ever_for_what_does_not_stop() {
    let (mut world, id, child) = parent();
    let a = world.sub_job(child, "a");
    world.start(a);
    world.elapse(60 + 300);
    assert_eq!(world.job(a).error.unwrap().kind, "abandoned");
    world.complete(world.sub_job(child, "tidy"), json!({}));
    let error = world.job(child).error.unwrap();
    assert_eq!((error.kind.as_str(), world.status(child)), ("timeout", S::Pending));
    assert!(error.message.contains(&format!("abandoned (it did not stop in time): work {a} on worker")), "{error}");
    assert_eq!(world.status(id), S::Running);
}

#[test]
fn params_that_a_child_workflow_refuses_are_the_step_s_error() {
    let mut world = World::with(&[PARENT, CHILD]);
    let id = world.submit("parent", json!({ "n": "five" }));
    let error = world.job(id).error.unwrap();
    assert_eq!((world.status(id), error.kind.as_str()), (S::Failed, "invalid_params"));
    assert!(error.message.contains("the parameters do not fit workflow child: /n: "), "{error}");
    let step = &world.metadata(id).steps[0];
    assert_eq!((step.total, step.failed), (0, 0), "there is no sub-job");
}

#[test]
fn a_workflow_that_is_not_registered_fails_its_step_until_it_is() {
    let each = "{ name: parent, steps: [{ key: each, workflow: child, for_each: '${[1, 2]}', params: { n: '${batch.items[0]}' } }] }";
    for definition in [PARENT, each] {
        let mut world = World::with(&[definition]);
        let id = world.submit("parent", json!({ "n": 5 }));
        let key = world.metadata(id).steps[0].key.clone();
        assert_eq!(world.steps(id)[0], format!("{key} failed"));
        let error = world.job(id).workflow.unwrap().state.steps[0].error.clone().unwrap();
        assert_eq!(error.message, "there is no workflow child; register it with `drover apply`");
        world.store.definitions.apply(CHILD);
        assert_eq!(world.retry(id), Outcome::Applied);
        assert_eq!(world.steps(id)[0], format!("{key} running"));
    }
}

#[test]
fn workflows_are_not_nested_without_end() {
    let mut world = World::with(&[
        "{ name: a, steps: [{ key: s, workflow: b }] }",
        "{ name: b, steps: [{ key: s, workflow: a }] }",
    ]);
    let id = world.submit("a", json!({}));
    assert_eq!(world.store.rows.len(), world.limits.depth);
    assert_eq!(world.status(id), S::CompletedWithErrors);
    let deepest = world.store.rows.values().last().unwrap();
    let error = deepest.result.as_ref().unwrap()["steps"]["s"]["error"]["message"].clone();
    assert_eq!(error, "workflows are nested deeper than 8 levels");
}

#[test]
fn a_run_keeps_the_definition_it_began_with() {
    let (mut world, _, child) = parent();
    world.store.definitions.apply("{ name: child, steps: [{ key: other, job: work }] }");
    world.complete(world.sub_job(child, "a"), json!({ "n": 1 }));
    assert_eq!(world.steps(child), ["a completed", "b running"]);
    let new = world.submit("parent", json!({ "n": 5 }));
    assert_eq!(world.steps(world.sub_job(new, "child")), ["other running"]);
}
