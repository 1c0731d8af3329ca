//! Sub-workflows that look, find nothing to do, and say so: `finish_if` with `skip: true`.

use drover_protocol::{JobId, JobStatus as S, StepStatus};
use serde_json::{Value, json};

use super::{
    play::{broken, completed},
    world::World,
};
use crate::{Command, Input, Outcome};

const SYNC: &str = "
name: w
steps:
  - { key: first, job: work, weight: 20 }
  - key: sync
    title: Sync
    weight: 50
    finish_if: [{ when: '${steps.sync.result.steps.sync.result.rows > 100}', message: 'Enough' }]
    steps:
      - key: pending
        job: count
        finish_if: [{ when: '${steps.pending.result.pending == 0}', message: 'Nothing to sync', skip: true }]
      - { key: sync, job: work, weight: 9 }
  - key: last
    job: work
    weight: 30
    params:
      status: '${steps.sync.status}'
      pending: '${steps.sync.result.steps.pending.result.pending}'
      why: '${has(steps.sync.error) ? steps.sync.error.message : null}'
";

/// Its second step counts.
fn begun() -> (World, JobId, JobId) {
    let mut world = World::with(&[SYNC]);
    let id = world.submit("w", json!({}));
    world.complete(world.sub_job(id, "first"), json!({}));
    let sync = world.sub_job(id, "sync");
    (world, id, sync)
}

/// The same, skipped: its last step runs.
fn skipped() -> (World, JobId, JobId) {
    let (mut world, id, sync) = begun();
    world.complete(world.sub_job(sync, "pending"), json!({ "pending": 0 }));
    (world, id, sync)
}

#[test]
fn a_step_whose_sub_workflow_has_nothing_to_do_is_skipped_with_its_reason() {
    let (mut world, id, sync) = begun();
    world.progress(world.sub_job(sync, "pending"), 50.0);
    assert_eq!((world.bar(sync), world.bar(id)), (5.0, 22.5));
    world.complete(world.sub_job(sync, "pending"), json!({ "pending": 0 }));
    assert_eq!((world.status(sync), world.message(sync)), (S::Completed, "Nothing to sync".into()));
    assert_eq!(world.steps(id), ["first completed", "sync skipped", "last running"]);
    assert_eq!((world.bar(id), world.message(id)), (70.0, "Step 3/3: last".into()), "the bar is at the step's end");
    let step = &world.metadata(id).steps[1];
    assert_eq!((step.progress, step.total, step.done, step.failed, step.running), (100.0, 1, 1, 0, 0));
    let last = world.sub_job(id, "last");
    assert_eq!(world.params(last), json!({ "status": "skipped", "pending": 0, "why": "Nothing to sync" }));
    world.complete(last, json!({}));
    assert_eq!((world.status(id), world.bar(id)), (S::Completed, 100.0), "what was not to be done is no error");
    let result = world.result(id);
    assert_eq!(result["summary"], json!({ "total_errors": 0 }));
    let error = json!({ "kind": "skipped", "message": "Nothing to sync", "retryable": false });
    let expected = json!({
        "job_id": sync, "status": "skipped", "result": world.result(sync), "error": error, "duration_seconds": 0.0,
    });
    assert_eq!(result["steps"]["sync"], expected);
    let said = |effect: &Command| match effect {
        Command::Record(record) if record.kind == "step_ended" => record.detail.get("error").cloned(),
        _ => None,
    };
    assert_eq!(world.effects.iter().filter_map(said).collect::<Vec<_>>(), [error], "the history has it");
}

#[test]
fn one_that_finds_something_goes_on_as_ever() {
    let (mut world, id, sync) = begun();
    world.complete(world.sub_job(sync, "pending"), json!({ "pending": 7 }));
    world.complete(world.sub_job(sync, "sync"), json!({ "rows": 101 }));
    assert_eq!(world.steps(id), ["first completed", "sync completed", "last skipped"], "its own `finish_if` is asked");
    assert_eq!((world.status(id), world.message(id)), (S::Completed, "Enough".into()));
}

const ASKS: &str = "
name: asks
steps:
  - key: child
    workflow: child
    params: { n: '${input.n}' }
  - { key: after, job: work, if: \"${steps.child.status != 'skipped'}\" }
";
const CHILD: &str = "
name: child
steps:
  - { key: look, job: work, on_failure: continue }
  - { key: count, finish_if: [{ when: '${input.n == 0}', message: 'None of ${input.n}', skip: true }] }
  - { key: use, job: work }
";

#[test]
fn a_child_workflow_skips_its_step_and_by_itself_just_completes() {
    let mut world = World::with(&[ASKS, CHILD]);
    let id = world.submit("asks", json!({ "n": 0 }));
    let child = world.sub_job(id, "child");
    world.complete(world.sub_job(child, "look"), json!({}));
    assert_eq!(world.steps(id), ["child skipped", "after skipped"]);
    assert_eq!(world.result(id)["steps"]["child"]["error"]["message"], "None of 0");
    let alone = world.submit("child", json!({ "n": 0 }));
    world.complete(world.sub_job(alone, "look"), json!({}));
    assert_eq!(world.steps(alone), ["look completed", "count completed", "use skipped"]);
    assert_eq!(
        (world.status(alone), world.message(alone), world.bar(alone)),
        (S::Completed, "None of 0".into(), 100.0)
    );
}

#[test]
fn errors_before_it_are_not_hidden() {
    let mut world = World::with(&[ASKS, CHILD]);
    let id = world.submit("asks", json!({ "n": 0 }));
    world.fail(world.sub_job(world.sub_job(id, "child"), "look"), broken());
    assert_eq!(world.steps(id), ["child completed_with_errors", "after running"]);
    world.complete(world.sub_job(id, "after"), json!({}));
    assert_eq!(
        (world.status(id), world.result(id)["summary"]["total_errors"].clone()),
        (S::CompletedWithErrors, json!(1))
    );
}

#[test]
fn it_skips_one_level_only() {
    let mut world = World::with(&["
name: w
steps:
  - key: outer
    steps:
      - key: inner
        steps:
          - { key: look, finish_if: [{ when: '${true}', message: 'Nothing', skip: true }] }
          - { key: use, job: work }
      - { key: other, job: work }
"]);
    let id = world.submit("w", json!({}));
    let outer = world.sub_job(id, "outer");
    assert_eq!(world.steps(outer), ["inner skipped", "other running"]);
    world.complete(world.sub_job(outer, "other"), json!({}));
    assert_eq!((world.steps(id), world.status(id)), (vec!["outer completed".into()], S::Completed));
}

#[test]
fn a_batch_that_has_nothing_to_do_counts_as_done() {
    let mut world = World::with(&["
name: w
steps:
  - key: each
    for_each: '${[0, 1]}'
    steps:
      - { key: look, finish_if: [{ when: '${batch.items[0] == 0}', message: 'Nothing', skip: true }] }
      - { key: use, job: work }
"]);
    let id = world.submit("w", json!({}));
    let batch = world.batch(id, "each", 0);
    assert_eq!((world.status(batch), world.message(batch)), (S::Completed, "Nothing".into()));
    let step = &world.metadata(id).steps[0];
    assert_eq!((step.status, step.done, step.total), (StepStatus::Running, 1, 2));
    let other = world.batch(id, "each", 1);
    world.complete(world.sub_job(other, "use"), json!({}));
    assert_eq!((world.steps(id), world.status(id)), (vec!["each completed".into()], S::Completed));
    assert_eq!(world.result(id)["steps"]["each"][0]["status"], "completed");
}

#[test]
fn a_retry_from_what_failed_leaves_it_skipped() {
    let (mut world, id, sync) = skipped();
    let pending = world.sub_job(sync, "pending");
    world.fail(world.sub_job(id, "last"), broken());
    assert_eq!(world.status(id), S::CompletedWithErrors);
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.steps(id), ["first completed", "sync skipped", "last running"]);
    assert_eq!((world.bar(id), world.publications(pending)), (70.0, 1));
    world.complete(world.sub_job(id, "last"), json!({}));
    assert_eq!(
        (world.status(id), world.result(id)["steps"]["sync"]["status"].clone()),
        (S::Completed, json!("skipped"))
    );
}

#[test]
fn a_retry_from_the_start_looks_again() {
    let (mut world, id, sync) = skipped();
    world.fail(world.sub_job(id, "last"), broken());
    assert_eq!(world.retry_from_start(id), Outcome::Applied);
    world.complete(world.sub_job(id, "first"), json!({}));
    assert_eq!((world.sub_job(id, "sync"), world.status(sync)), (sync, S::Running));
    world.complete(world.sub_job(sync, "pending"), json!({ "pending": 1 }));
    world.complete(world.sub_job(sync, "sync"), json!({ "rows": 1 }));
    assert_eq!(world.steps(id), ["first completed", "sync completed", "last running"]);
    assert_eq!(world.params(world.sub_job(id, "last"))["why"], Value::Null);
}

#[test]
fn a_cancel_that_comes_first_counts() {
    for together in [false, true] {
        let (mut world, id, sync) = begun();
        let pending = world.sub_job(sync, "pending");
        let ended = Input::Event(world.event(pending, completed(json!({ "pending": 0 }))));
        let cancel = Input::Cancel { job_id: id, now: false };
        if together {
            // What ended in the same fold ends nothing early.
            world.fold(vec![ended, cancel]);
        } else {
            assert_eq!(world.apply(cancel), Outcome::Applied);
            assert_eq!(world.apply(ended), Outcome::Applied);
        }
        assert_eq!(world.steps(id), ["first completed", "sync cancelled", "last skipped"]);
        assert_eq!((world.status(id), world.bar(id) < 70.0), (S::Cancelled, true));
        assert_eq!(world.result(id)["steps"]["sync"]["error"], Value::Null);
    }
}

#[test]
fn a_cancel_that_comes_after_it_leaves_it_skipped() {
    let (mut world, id, _) = skipped();
    world.cancel(id);
    world.never_started(world.sub_job(id, "last"));
    assert_eq!(world.steps(id), ["first completed", "sync skipped", "last cancelled"]);
    assert_eq!((world.status(id), world.bar(id)), (S::Cancelled, 70.0));
}

#[test]
fn of_a_step_that_is_repeated_the_first_round_may_say_that_there_is_nothing_to_do() {
    for (rounds, status) in [(1, "skipped"), (2, "completed")] {
        let mut world = World::with(&["
name: w
steps:
  - key: poll
    repeat: { until: \"${steps.poll.status == 'skipped' || repeat.round == 2}\", max: 3 }
    steps:
      - key: look
        job: count
        finish_if: [{ when: '${steps.look.result.n == 0}', message: 'Nothing', skip: true }]
      - { key: use, job: work }
"]);
        let id = world.submit("w", json!({}));
        let poll = world.sub_job(id, "poll");
        if rounds == 2 {
            world.complete(world.sub_job(poll, "look"), json!({ "n": 1 }));
            world.complete(world.sub_job(poll, "use"), json!({}));
            world.elapse(1);
        }
        world.complete(world.sub_job(poll, "look"), json!({ "n": 0 }));
        assert_eq!((world.steps(id), world.status(id)), (vec![format!("poll {status}")], S::Completed));
    }
}
