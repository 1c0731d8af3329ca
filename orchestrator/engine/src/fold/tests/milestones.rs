//! Steps without work.

use drover_protocol::{JobId, JobStatus as S, StepStatus};
use serde_json::{Value, json};

use super::world::World;
use crate::Outcome;

const AROUND: &str = "
name: w
steps:
  - { key: begin, title: Begin, weight: 10 }
  - { key: work, job: work, weight: 60 }
  - { key: done, title: All done, weight: 30, if: \"${steps.work.status == 'completed'}\" }
summary: { begin: '${steps.begin.status}', nothing: '${steps.begin.result}' }
";

fn begun(definition: &str, params: Value) -> (World, JobId) {
    let mut world = World::with(&[definition]);
    let id = world.submit("w", params);
    (world, id)
}

#[test]
fn a_step_without_work_completes_when_its_turn_comes() {
    let (mut world, id) = begun(AROUND, json!({}));
    assert_eq!(world.steps(id), ["begin completed", "work running", "done pending"]);
    assert_eq!((world.bar(id), world.message(id)), (10.0, "Step 2/3: work".into()));
    world.elapse(2);
    world.complete(world.sub_job(id, "work"), json!({}));
    assert_eq!((world.status(id), world.bar(id), world.message(id)), (S::Completed, 100.0, "Completed".into()));
    let step = &world.metadata(id).steps[2];
    assert_eq!((step.status, step.progress, step.total, step.done), (StepStatus::Completed, 100.0, 0, 0));
    assert_eq!((step.started_at, step.finished_at), (Some(world.now), Some(world.now)));
    let result = world.result(id);
    let expected = json!({
        "job_id": null, "status": "completed", "result": null, "error": null, "duration_seconds": 0.0,
    });
    assert_eq!(result["steps"]["done"], expected);
    assert_eq!(result["summary"], json!({ "begin": "completed", "nothing": null, "total_errors": 0 }));
}

#[test]
fn its_condition_may_leave_it_out() {
    let (mut world, id) = begun(AROUND, json!({}));
    world.fail(world.sub_job(id, "work"), super::play::broken());
    assert_eq!(world.steps(id), ["begin completed", "work failed", "done skipped"]);
    assert_eq!(world.status(id), S::CompletedWithErrors);
}

#[test]
fn it_may_end_the_workflow_before_anything_runs() {
    let definition = "
name: w
steps:
  - key: gate
    finish_if:
      - { when: \"${input.dry_run && steps.gate.status == 'completed' && steps.gate.result == null}\", message: 'Dry run' }
  - { key: work, job: work }
";
    let (world, id) = begun(definition, json!({ "dry_run": true }));
    assert_eq!((world.status(id), world.message(id)), (S::Completed, "Dry run".into()));
    assert_eq!((world.steps(id), world.bar(id)), (vec!["gate completed".into(), "work skipped".into()], 100.0));
    let (world, id) = begun(definition, json!({ "dry_run": false }));
    assert_eq!(world.steps(id), ["gate completed", "work running"]);
}

#[test]
fn it_may_look_back_at_any_step_before_it() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: a, job: work }
  - { key: b, job: work }
  - { key: gate, finish_if: [{ when: '${steps.a.result.n + steps.b.result.n > 2}', message: 'Enough: ${steps.a.result.n}' }] }
  - { key: c, job: work }
",
        json!({}),
    );
    world.complete(world.sub_job(id, "a"), json!({ "n": 1 }));
    world.complete(world.sub_job(id, "b"), json!({ "n": 2 }));
    assert_eq!((world.status(id), world.message(id)), (S::Completed, "Enough: 1".into()));
}

#[test]
fn one_that_cannot_be_looked_at_fails_and_is_tried_again() {
    let (mut world, id) = begun(
        "{ name: w, steps: [{ key: gate, finish_if: [{ when: '${1 / (workflow.attempt - 1) == 1}', message: Late }] }, { key: work, job: work }] }",
        json!({}),
    );
    assert_eq!(world.steps(id), ["gate failed", "work running"]);
    world.complete(world.sub_job(id, "work"), json!({}));
    assert_eq!((world.status(id), world.job(id).error_count), (S::CompletedWithErrors, 1));
    assert!(
        world.result(id)["steps"]["gate"]["error"]["message"].as_str().unwrap().starts_with("gate.finish_if[0].when")
    );
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(
        (world.steps(id), world.message(id)),
        (vec!["gate completed".into(), "work skipped".into()], "Late".into())
    );
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn a_paused_workflow_passes_none() {
    let (mut world, id) = begun(AROUND, json!({}));
    let work = world.sub_job(id, "work");
    world.start(work);
    world.pause(id);
    world.complete(work, json!({}));
    assert_eq!((world.steps(id)[2].as_str(), world.status(id)), ("done pending", S::Running));
    world.resume(id);
    assert_eq!((world.steps(id)[2].as_str(), world.status(id)), ("done completed", S::Completed));
}

#[test]
fn a_cancel_passes_none() {
    let (mut world, id) = begun(AROUND, json!({}));
    world.cancel(id);
    world.never_started(world.sub_job(id, "work"));
    assert_eq!(world.steps(id), ["begin completed", "work cancelled", "done skipped"]);
    assert_eq!((world.status(id), world.bar(id)), (S::Cancelled, 10.0));
}

#[test]
fn a_workflow_of_nothing_else_completes_at_once() {
    let (world, id) = begun("{ name: w, steps: [{ key: a }, { key: b, steps: [{ key: c }] }] }", json!({}));
    assert_eq!((world.status(id), world.steps(id)), (S::Completed, vec!["a completed".into(), "b completed".into()]));
}
