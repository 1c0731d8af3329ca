//! Steps that wait for an answer.

use drover_protocol::{JobId, JobStatus as S};
use serde_json::{Value, json};

use super::{
    play::{WORKER, approved, completed, refused},
    world::World,
};
use crate::{Answer, Ignored, Input, Outcome, Refusal};

const GATE: &str = "
name: release
steps:
  - { key: build, job: build }
  - { key: gate, title: Approve the release, wait_for: signal, timeout: 60s, params: { version: '${steps.build.result.version}' } }
  - { key: ship, job: ship, params: { by: '${steps.gate.result.by}', data: '${has(steps.gate.result.data) ? steps.gate.result.data : null}' }, if: '${steps.gate.status == \"completed\"}' }
cleanup:
  - { key: sweep, job: sweep }
summary: { approved: '${steps.gate.result.approved}' }
";

/// A workflow whose second step waits: it and the sub-job of that step.
fn waiting() -> (World, JobId, JobId) {
    let mut world = World::with(&[GATE]);
    let id = world.submit("release", json!({}));
    let build = world.sub_job(id, "build");
    world.complete(build, json!({ "version": 7 }));
    let gate = world.sub_job(id, "gate");
    (world, id, gate)
}

fn answered(said: &str, status: S) -> Outcome {
    Outcome::Illegal(Refusal::Answered { status, said: said.into() })
}

#[test]
fn it_is_a_job_that_no_worker_takes() {
    let (world, id, gate) = waiting();
    let job = world.job(gate);
    assert_eq!((job.status, job.dispatch, job.lease, job.job_type.as_str()), (S::Running, 1, None, "signal"));
    assert_eq!((world.publications(gate), world.params(gate)), (0, json!({ "version": 7 })));
    let waits = format!("waiting for approval since 2026-01-05 08:00:00 UTC; drover approve {gate}");
    assert_eq!(world.message(gate), waits);
    let metadata = world.metadata(id);
    assert_eq!(metadata.message, Some(format!("Approve the release: {waits}")));
    assert_eq!(metadata.active_sub_job.map(|active| (active.id, active.status)), Some((gate, S::Running)));
    assert_eq!(world.steps(id), ["build completed", "gate running", "ship pending"]);
}

#[test]
fn an_approval_is_the_steps_result_and_the_workflow_goes_on() {
    let (mut world, id, gate) = waiting();
    let answer = Answer { reason: Some("it is Monday".into()), data: Some(json!({ "ring": 2 })), ..approved() };
    assert_eq!(world.answer(gate, answer), Outcome::Applied);
    let result = json!({
        "approved": true, "by": "ops", "at": "2026-01-05T08:00:00Z", "reason": "it is Monday", "data": { "ring": 2 },
    });
    assert_eq!((world.status(gate), world.result(gate)), (S::Completed, result));
    let ship = world.sub_job(id, "ship");
    assert_eq!(world.params(ship), json!({ "by": "ops", "data": { "ring": 2 } }));
    world.complete(ship, Value::Null);
    assert_eq!((world.status(id), world.result(id)["summary"]["approved"].clone()), (S::Completed, json!(true)));
    // Whoever comes later reads what was said.
    let said = "approved by ops at 2026-01-05 08:00:00 UTC: it is Monday";
    assert_eq!(world.answer(gate, refused("no")), answered(said, S::Completed));
}

#[test]
fn where_nobody_is_asked_for_a_token_nobody_is_named() {
    let (mut world, _, gate) = waiting();
    assert_eq!(world.answer(gate, Answer { by: None, ..approved() }), Outcome::Applied);
    assert_eq!(world.result(gate), json!({ "approved": true, "by": null, "at": "2026-01-05T08:00:00Z" }));
    assert_eq!(world.message(gate), "approved at 2026-01-05 08:00:00 UTC");
}

#[test]
fn a_refusal_fails_the_step_and_its_on_failure_follows() {
    for (on_failure, status) in
        [("continue", S::CompletedWithErrors), ("finish", S::CompletedWithErrors), ("fail", S::Failed)]
    {
        let mut world = World::with(&[&format!(
            "{{name: w, steps: [{{key: gate, wait_for: signal, on_failure: {on_failure}}}, {{key: next, job: work}}]}}"
        )]);
        let id = world.submit("w", json!({}));
        let gate = world.sub_job(id, "gate");
        assert_eq!(world.answer(gate, refused("not on a Friday")), Outcome::Applied);
        let said = "refused by ops at 2026-01-05 08:00:00 UTC: not on a Friday";
        let error = world.job(gate).error.expect("it failed");
        assert_eq!((error.kind.as_str(), error.message.as_str(), error.retryable), ("refused", said, false));
        assert_eq!(world.result(gate)["approved"], false);
        match world.find(id, "next", None) {
            Some(next) => world.complete(next, Value::Null),
            None => assert_ne!(on_failure, "continue"),
        }
        assert_eq!(world.status(id), status, "{on_failure}");
        assert_eq!(world.answer(gate, approved()), answered(said, S::Failed));
    }
}

#[test]
fn when_its_time_is_up_it_fails() {
    let (mut world, id, gate) = waiting();
    world.elapse(59);
    assert_eq!(world.status(gate), S::Running);
    world.elapse(2);
    let error = world.job(gate).error.expect("it failed");
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("timeout", "nobody answered within its timeout of 60s"));
    assert_eq!((world.status(id), world.tombstones()), (S::CompletedWithErrors, vec![]));
    assert_eq!(world.answer(gate, approved()), answered("nobody answered within its timeout of 60s", S::Failed));
}

#[test]
fn a_cancel_settles_at_once() {
    let (mut world, id, gate) = waiting();
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!((world.status(gate), world.tombstones()), (S::Cancelled, vec![]));
    let sweep = world.sub_job(id, "sweep");
    world.complete(sweep, Value::Null);
    assert_eq!(world.status(id), S::Cancelled);
    assert_eq!(world.answer(gate, approved()), answered("It was cancelled before anybody answered.", S::Cancelled));
}

#[test]
fn cancelled_by_itself_it_fails_its_step() {
    let (mut world, id, gate) = waiting();
    assert_eq!(world.cancel(gate), Outcome::Applied);
    assert_eq!((world.status(gate), world.status(id)), (S::Cancelled, S::CompletedWithErrors));
    assert_eq!(world.steps(id), ["build completed", "gate failed", "ship skipped"]);
}

#[test]
fn a_cancel_that_does_not_wait_names_no_signal_as_abandoned() {
    let (mut world, id, gate) = waiting();
    assert_eq!(world.cancel_now(id), Outcome::Applied);
    assert_eq!((world.status(gate), world.job(id).error), (S::Cancelled, None));
}

#[test]
fn while_it_is_paused_its_clock_stands_still_and_it_takes_an_answer() {
    let (mut world, id, gate) = waiting();
    world.elapse(50);
    assert_eq!(world.pause(id), Outcome::Applied);
    assert_eq!((world.message(id).as_str(), world.metadata(id).steps[1].running), ("Paused", 0));
    world.elapse(1_000);
    assert_eq!(world.status(gate), S::Running);
    assert_eq!(world.resume(id), Outcome::Applied);
    world.elapse(9);
    assert_eq!(world.pause(id), Outcome::Applied);
    assert_eq!(world.answer(gate, approved()), Outcome::Applied);
    assert_eq!((world.status(gate), world.find(id, "ship", None)), (S::Completed, None), "nothing begins");
    assert_eq!(world.resume(id), Outcome::Applied);
    world.sub_job(id, "ship");
}

#[test]
fn paused_before_its_turn_it_waits_for_no_answer_yet() {
    let mut world = World::with(&["{name: w, steps: [{key: gate, wait_for: signal}]}"]);
    let id = world.submit("w", json!({}));
    let gate = world.sub_job(id, "gate");
    world.answer(gate, refused("no"));
    assert_eq!(
        world.pause(gate),
        Outcome::Illegal(Refusal::Transition { status: S::Failed, trigger: crate::Trigger::Pause })
    );
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.pause(gate), Outcome::Applied, "by itself, too");
    assert_eq!(world.answer(gate, approved()), Outcome::Applied);
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn a_retry_waits_anew() {
    let (mut world, id, gate) = waiting();
    world.answer(gate, refused("no"));
    assert_eq!(world.status(id), S::CompletedWithErrors);
    world.elapse(600);
    assert_eq!(world.retry(id), Outcome::Applied);
    let job = world.job(gate);
    assert_eq!((job.status, job.dispatch, job.error), (S::Running, 2, None));
    assert!(
        world.message(gate).starts_with("waiting for approval since 2026-01-05 08:10:00"),
        "{}",
        world.message(gate)
    );
    assert_eq!(world.answer(gate, approved()), Outcome::Applied);
    let ship = world.sub_job(id, "ship");
    world.complete(ship, Value::Null);
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn what_waits_for_nothing_takes_no_answer() {
    let (mut world, id, gate) = waiting();
    let build = world.sub_job(id, "build");
    for other in [id, build] {
        assert_eq!(world.answer(other, approved()), Outcome::Illegal(Refusal::NoSignal));
    }
    let nobody = JobId(uuid::Uuid::from_u128(5));
    assert_eq!(world.answer(nobody, approved()), Outcome::Ignored(Ignored::UnknownJob));
    // Nor does a worker have a word in it.
    let mut event = world.event(gate, completed(json!({ "approved": true })));
    event.worker_session = WORKER;
    assert_eq!(world.apply(Input::Event(event)), Outcome::Ignored(Ignored::OtherSession));
    assert_eq!(world.status(gate), S::Running);
}

#[test]
fn of_two_answers_in_one_transaction_the_first_counts() {
    let (mut world, _, gate) = waiting();
    let answer = |answer| Input::Answer { job_id: gate, dispatch: Some(1), answer };
    let outcomes = world.fold(vec![answer(refused("no")), answer(approved())]);
    assert_eq!(outcomes[0], Outcome::Applied);
    assert!(matches!(outcomes[1], Outcome::Illegal(Refusal::Answered { status: S::Failed, .. })), "{outcomes:?}");
}

#[test]
fn an_answer_to_what_was_looked_at_is_none_to_what_waits_since() {
    let (mut world, id, gate) = waiting();
    let seen = |dispatch| Input::Answer { job_id: gate, dispatch: Some(dispatch), answer: approved() };
    world.answer(gate, refused("no"));
    assert!(matches!(world.apply(seen(1)), Outcome::Illegal(Refusal::Answered { .. })), "it does not wait");
    let build = world.leaves();
    build.into_iter().for_each(|leaf| world.complete(leaf, Value::Null));
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!((world.status(gate), world.job(gate).dispatch), (S::Running, 2));
    assert_eq!(world.apply(seen(1)), Outcome::Illegal(Refusal::WaitsAnew));
    assert_eq!(world.status(gate), S::Running);
    assert_eq!(world.apply(seen(2)), Outcome::Applied);
}

#[test]
fn each_batch_may_wait_for_an_answer_of_its_own() {
    let mut world = World::with(&["
name: w
steps:
  - key: each
    for_each: '${[1, 2]}'
    steps: [{ key: gate, wait_for: signal }, { key: work, job: work }]
"]);
    let id = world.submit("w", json!({}));
    let batches = [0, 1].map(|batch| world.batch(id, "each", batch));
    let gates = batches.map(|batch| world.sub_job(batch, "gate"));
    world.answer(gates[1], approved());
    assert_eq!((world.status(gates[0]), world.find(batches[0], "work", None)), (S::Running, None));
    let work = world.sub_job(batches[1], "work");
    world.complete(work, Value::Null);
    world.answer(gates[0], refused("no"));
    let work = world.sub_job(batches[0], "work");
    world.complete(work, Value::Null);
    assert_eq!(world.status(id), S::CompletedWithErrors);
}

#[test]
fn a_condition_that_is_false_asks_nobody() {
    let mut world =
        World::with(&["{name: w, steps: [{key: gate, wait_for: signal, if: '${input.ask}'}, {key: work, job: work}]}"]);
    let id = world.submit("w", json!({ "ask": false }));
    assert_eq!(world.find(id, "gate", None), None);
    world.sub_job(id, "work");
}
