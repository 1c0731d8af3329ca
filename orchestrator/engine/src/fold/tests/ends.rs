//! How steps end, and what that does to their workflow.

use drover_protocol::{JobId, JobStatus as S, StepStatus};
use serde_json::{Value, json};

use super::{
    play::{broken, completed_with_errors, flaky},
    world::World,
};

fn begun(definition: &str) -> (World, JobId) {
    let mut world = World::with(&[definition]);
    let id = world.submit("w", json!({ "list": [1, 2], "flag": true }));
    (world, id)
}

#[test]
fn a_step_that_must_not_fail_fails_the_workflow_after_clean_up() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: first, job: work, weight: 30 }
  - { key: second, job: work, weight: 30, on_failure: fail }
  - { key: third, job: work, weight: 40 }
cleanup:
  - { key: tidy, job: clean, params: { why: '${steps.second.error.message}', third: '${steps.third.status}' } }
  - { key: sweep, job: clean }
",
    );
    world.complete(world.sub_job(id, "first"), json!({}));
    let second = world.sub_job(id, "second");
    world.progress(second, 50.0);
    world.fail(second, broken());

    let tidy = world.sub_job(id, "tidy");
    assert_eq!(world.params(tidy), json!({ "why": "it is no archive", "third": "skipped" }));
    assert_eq!((world.status(id), world.bar(id)), (S::Running, 45.0));
    // Clean-up that fails is told of, and the next step of it runs all the same.
    world.fail(tidy, broken());
    world.complete(world.sub_job(id, "sweep"), json!({}));
    let job = world.job(id);
    assert_eq!((job.status, job.error_count), (S::Failed, 2));
    assert_eq!(job.error.unwrap().message, "step second failed: it is no archive");
    assert_eq!(world.message(id), "Failed: step second failed: it is no archive");
    assert_eq!(world.bar(id), 45.0, "fault 9: what was left out is no progress");
    assert_eq!((world.metadata(id).current_step, world.metadata(id).step_name), (2, "second".into()));
    assert_eq!(world.steps(id)[2..], ["third skipped", "tidy failed", "sweep completed"]);
    assert_eq!(world.result(id)["error"]["kind"], "format");
}

#[test]
fn a_workflow_with_no_failed_step_needs_no_clean_up() {
    let (mut world, id) = begun("{ name: w, steps: [{ key: a, job: work }], cleanup: [{ key: b, job: clean }] }");
    world.report(world.sub_job(id, "a"), completed_with_errors(json!({}), 2));
    assert_eq!((world.status(id), world.steps(id)), (S::CompletedWithErrors, vec!["a completed_with_errors".into()]));
    assert_eq!(world.job(id).error_count, 2);
}

#[test]
fn an_early_end_over_errors_is_completed_with_errors() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: a, job: work }
  - { key: b, job: work, finish_if: [{ when: '${steps.b.result.done}', message: 'Enough' }] }
  - { key: c, job: work }
",
    );
    world.fail(world.sub_job(id, "a"), broken());
    world.complete(world.sub_job(id, "b"), json!({ "done": true }));
    assert_eq!((world.status(id), world.message(id)), (S::CompletedWithErrors, "Enough".into()));
    assert_eq!(world.steps(id), ["a failed", "b completed", "c skipped"]);
}

#[test]
fn finish_if_sees_how_its_own_step_ended_and_is_not_asked_after_a_failure() {
    let definition = "
name: w
steps:
  - key: a
    job: work
    finish_if: [{ when: \"${steps.a.status == 'completed_with_errors'}\", message: 'Partly: ${steps.a.result.n}' }]
  - { key: b, job: work }
";
    let (mut world, id) = begun(definition);
    world.report(world.sub_job(id, "a"), completed_with_errors(json!({ "n": 3 }), 1));
    assert_eq!((world.status(id), world.message(id)), (S::CompletedWithErrors, "Partly: 3".into()));

    let (mut world, id) = begun(definition);
    world.fail(world.sub_job(id, "a"), broken());
    assert_eq!(world.steps(id), ["a failed", "b running"]);
}

/// Each of these is an error of one step, and of nothing else.
#[test]
fn expressions_that_fail_are_the_step_s_error() {
    let cases = [
        ("if: '${input.nothing}'", "b.if: ${input.nothing} failed"),
        ("params: { x: '${steps.a.result.nothing}' }", "${steps.a.result.nothing} failed"),
        ("for_each: '${steps.a.result.nothing}'", "b.for_each: ${steps.a.result.nothing} failed"),
        ("for_each: '${input.flag}'", "for_each ${input.flag} is true, not a list"),
        ("for_each: '${steps.a.error}'", "for_each ${steps.a.error} is null, not a list"),
        ("for_each: '${steps.a.result}'", "for_each ${steps.a.result} is an object, not a list"),
    ];
    for (field, message) in cases {
        let definition = format!(
            "name: w\nsteps:\n  - {{ key: a, job: work }}\n  - {{ key: b, job: work, {field} }}\n  - {{ key: c, job: work }}"
        );
        let (mut world, id) = begun(&definition);
        world.complete(world.sub_job(id, "a"), json!({ "list": [] }));
        assert_eq!(world.steps(id)[1..], ["b failed", "c running"], "{field}");
        let state = world.job(id).workflow.unwrap().state.steps[1].clone();
        let error = state.error.unwrap();
        assert_eq!(error.kind, "expression");
        assert!(error.message.contains(message), "{field}: {}", error.message);
        assert!(state.started_at.is_some() && state.finished_at.is_some(), "it had its turn: {field}");
        world.complete(world.sub_job(id, "c"), json!({}));
        assert_eq!(
            (world.status(id), world.result(id)["summary"]["total_errors"].clone()),
            (S::CompletedWithErrors, json!(1))
        );
        let step = &world.result(id)["steps"]["b"];
        assert_eq!((step["status"].clone(), step["error"]["kind"].clone()), (json!("failed"), json!("expression")));
    }
}

#[test]
fn a_finish_if_that_fails_is_the_error_of_a_step_whose_work_is_done() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: a, job: work, on_failure: fail, finish_if: [{ when: '${steps.a.result.missing}', message: m }] }
  - { key: b, job: work }
",
    );
    world.complete(world.sub_job(id, "a"), json!({}));
    assert_eq!((world.status(id), world.steps(id)), (S::Failed, vec!["a failed".into(), "b skipped".into()]));
    assert!(world.job(id).error.unwrap().message.starts_with("step a failed: a.finish_if"));
    assert_eq!(world.status(world.sub_job(id, "a")), S::Completed);
}

#[test]
fn a_summary_that_cannot_be_had_is_null_and_costs_nothing() {
    let (mut world, id) = begun(
        "{ name: w, steps: [{ key: a, job: work }], summary: { bad: '${steps.a.result.x.y}', good: '${steps.a.status}' } }",
    );
    world.complete(world.sub_job(id, "a"), json!({}));
    assert_eq!(world.status(id), S::Completed);
    assert_eq!(world.result(id)["summary"], json!({ "bad": null, "good": "completed", "total_errors": 0 }));
}

#[test]
fn steps_that_are_skipped_move_the_bar_on_and_read_as_skipped() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: a, job: work, weight: 10 }
  - { key: b, job: work, weight: 60, if: '${!input.flag}' }
  - { key: c, job: work, weight: 30, params: { status: '${steps.b.status}', result: '${steps.b.result}' } }
",
    );
    world.complete(world.sub_job(id, "a"), json!({}));
    assert_eq!((world.bar(id), world.message(id)), (70.0, "Step 3/3: c".into()));
    assert_eq!(world.params(world.sub_job(id, "c")), json!({ "status": "skipped", "result": null }));
    world.complete(world.sub_job(id, "c"), json!({}));
    assert_eq!(world.status(id), S::Completed, "what was not to be done is no error");
    assert_eq!(world.result(id)["steps"]["b"]["error"]["message"], "its condition was false: !input.flag");
}

#[test]
fn a_workflow_whose_every_step_is_skipped_completes_at_once() {
    let (world, id) =
        begun("{ name: w, steps: [{ key: a, job: work, if: '${false}' }, { key: b, job: work, if: '${false}' }] }");
    assert_eq!((world.status(id), world.bar(id)), (S::Completed, 100.0));
}

#[test]
fn a_job_of_its_own_needs_no_workflow() {
    let mut world = World::with(&[]);
    let id = world.submit("index", json!({ "path": "/a" }));
    world.start(id);
    world.progress(id, 30.0);
    world.complete(id, json!({ "rows": 3 }));
    assert_eq!((world.status(id), world.bar(id), world.result(id)), (S::Completed, 100.0, json!({ "rows": 3 })));
    assert!(matches!(world.effects.as_slice(), [.., crate::Command::Notify { .. }, crate::Command::Record(_)]));
}

#[test]
fn a_job_for_later_waits_for_its_time() {
    let mut world = World::with(&["{ name: w, steps: [{ key: a, job: work }] }"]);
    let at = world.now + chrono::TimeDelta::minutes(5);
    let job = world.submit_with("index", Value::Null, crate::job::Policy::default(), Some(at));
    let workflow = world.submit_with("w", json!({}), crate::job::Policy::default(), Some(at));
    assert_eq!((world.status(job), world.status(workflow), world.publications(job)), (S::Pending, S::Pending, 0));
    world.elapse(299);
    assert_eq!((world.publications(job), world.metadata(workflow).steps[0].status), (0, StepStatus::Pending));
    world.elapse(1);
    assert_eq!((world.publications(job), world.status(workflow)), (1, S::Running));
    assert_eq!((world.job(job).attempt, world.job(workflow).attempt), (1, 1));
}

#[test]
fn a_submitted_workflow_may_be_tried_again_as_a_whole() {
    let mut world = World::with(&["
name: w
steps:
  - { key: a, job: work }
  - { key: b, job: work, on_failure: fail }
"]);
    let retry = crate::definition::RetryPolicy { attempts: 2, jitter: false, ..Default::default() };
    let id = world.submit_with("w", json!({}), crate::job::Policy { retry, ..Default::default() }, None);
    world.complete(world.sub_job(id, "a"), json!({}));
    world.fail(world.sub_job(id, "b"), flaky());
    assert_eq!((world.status(id), world.bar(id)), (S::Pending, 50.0));
    world.elapse(1);
    assert_eq!((world.status(id), world.job(id).attempt), (S::Running, 2));
    assert_eq!(world.steps(id), ["a completed", "b running"]);
    assert_eq!(world.publications(world.sub_job(id, "a")), 1);
    world.complete(world.sub_job(id, "b"), json!({}));
    assert_eq!((world.status(id), world.job(id).error), (S::Completed, None));
}
