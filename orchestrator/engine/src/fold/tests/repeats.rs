//! Steps that are repeated.

use drover_protocol::{JobId, JobStatus as S};
use serde_json::{Value, json};

use super::{
    play::{broken, completed_with_errors, flaky},
    world::World,
};
use crate::Outcome;

/// A workflow that asks for the state of something, and then works.
fn poll(repeat: &str, more: &str) -> String {
    format!(
        "
name: w
steps:
  - key: poll
    title: Poll the export
    job: poll
    weight: 80
    params: {{ round: '${{repeat.round}}', of: '${{repeat.max}}', cursor: '${{has(steps.poll.result) ? steps.poll.result.cursor : null}}' }}
    repeat: {{ until: '${{steps.poll.result.done}}', {repeat} }}
    {more}
  - {{ key: work, job: work, weight: 20, params: {{ rows: '${{has(steps.poll.result) ? steps.poll.result.rows : 0}}' }} }}
"
    )
}

fn world(repeat: &str, more: &str) -> (World, JobId, JobId) {
    let mut world = World::with(&[&poll(repeat, more)]);
    let id = world.submit("w", json!({}));
    let poll = world.sub_job(id, "poll");
    (world, id, poll)
}

fn round(done: bool, cursor: u64) -> Value {
    json!({ "done": done, "cursor": cursor, "rows": cursor * 10 })
}

#[test]
fn it_runs_until_its_expression_holds_and_has_the_last_rounds_result() {
    let (mut world, id, poll) = world("max: 4", "");
    assert_eq!(world.params(poll), json!({ "round": 1, "of": 4, "cursor": null }));
    for cursor in 1..=2 {
        world.start(poll);
        world.progress(poll, 50.0);
        world.complete(poll, round(false, cursor));
        let job = world.job(poll);
        assert_eq!((job.status, u64::from(job.round), u64::from(job.dispatch)), (S::Pending, cursor + 1, cursor + 1));
        assert_eq!(world.params(poll), json!({ "round": cursor + 1, "of": 4, "cursor": cursor }));
        assert_eq!(world.message(id), format!("Poll the export: round {} of 4", cursor + 1));
    }
    assert_eq!(world.publications(poll), 3);
    world.complete(poll, round(true, 3));
    let work = world.sub_job(id, "work");
    assert_eq!(world.params(work), json!({ "rows": 30 }));
    world.complete(work, Value::Null);
    assert_eq!(world.status(id), S::Completed);
    assert_eq!(world.result(id)["steps"]["poll"]["result"], round(true, 3));
    assert_eq!(world.result(id)["steps"]["poll"]["job_id"], json!(poll));
}

#[test]
fn the_bar_is_the_mean_over_its_rounds_and_never_goes_back() {
    let (mut world, id, poll) = world("max: 4", "");
    let mut bars = Vec::new();
    for cursor in 1..=3 {
        world.start(poll);
        bars.push(world.bar(id));
        world.progress(poll, 50.0);
        bars.push(world.bar(id));
        world.complete(poll, round(cursor == 3, cursor));
        bars.push(world.bar(id));
    }
    assert_eq!(bars, [0.0, 10.0, 20.0, 20.0, 30.0, 40.0, 40.0, 50.0, 80.0]);
}

#[test]
fn when_its_rounds_are_spent_it_fails() {
    let (mut world, id, poll) = world("max: 2", "on_failure: fail");
    world.complete(poll, round(false, 1));
    world.complete(poll, round(false, 2));
    let error = world.job(id).error.expect("it failed");
    let said = "step poll failed: after 2 rounds `until` still does not hold: steps.poll.result.done";
    assert_eq!((world.status(id), error.kind.as_str(), error.message.as_str()), (S::Failed, "max_rounds", said));
    assert_eq!(world.result(id)["steps"]["poll"]["result"], round(false, 2), "what the last round said is kept");
    assert_eq!(world.result(id)["summary"]["total_errors"], 1);
    // A retry has rounds of its own.
    assert_eq!(world.retry(id), Outcome::Applied);
    let job = world.job(poll);
    assert_eq!((job.status, job.round, world.params(poll)["round"].clone()), (S::Pending, 1, json!(1)));
    world.complete(poll, round(false, 1));
    world.complete(poll, round(true, 2));
    let work = world.sub_job(id, "work");
    world.complete(work, Value::Null);
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn the_next_round_waits_for_its_delay() {
    let (mut world, id, poll) = world("max: 3, delay: 5s", "");
    world.complete(poll, round(false, 1));
    let job = world.job(poll);
    assert_eq!(
        (job.status, job.dispatch, job.due_at.map(|at| (at - world.now).num_seconds())),
        (S::Pending, 1, Some(5))
    );
    world.elapse(4);
    assert_eq!(world.job(poll).dispatch, 1);
    world.elapse(1);
    assert_eq!(world.job(poll).dispatch, 2);
    world.complete(poll, round(true, 2));
    assert_eq!(world.steps(id), ["poll completed", "work running"]);
}

#[test]
fn a_round_that_fails_is_tried_again_and_then_fails_the_step() {
    let (mut world, id, poll) = world("max: 3", "retry: { attempts: 2, jitter: false }");
    world.complete(poll, round(false, 1));
    world.fail(poll, flaky());
    world.elapse(2);
    assert_eq!((world.job(poll).round, world.job(poll).failures), (2, 1));
    world.complete(poll, round(false, 2));
    assert_eq!((world.job(poll).round, world.job(poll).failures), (3, 0), "each round has its own attempts");
    world.fail(poll, broken());
    assert_eq!(world.steps(id), ["poll failed", "work running"]);
    // A retry goes on with the round that failed.
    let work = world.sub_job(id, "work");
    world.fail(work, broken());
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!((world.job(poll).round, world.job(poll).status), (3, S::Pending));
    world.complete(poll, round(false, 3));
    assert_eq!(world.steps(id), ["poll failed", "work running"], "its rounds are spent");
}

#[test]
fn an_expression_that_fails_fails_the_step() {
    let (mut world, id, poll) = world("max: 3", "on_failure: fail");
    world.complete(poll, json!({ "rows": 1 }));
    let error = world.job(id).error.expect("it failed");
    assert_eq!((world.status(id), error.kind.as_str()), (S::Failed, "expression"));
    assert!(error.message.contains("poll.repeat.until"), "{}", error.message);
}

#[test]
fn parameters_that_fail_in_a_later_round_fail_the_step() {
    let (mut world, id, poll) = world("max: 3", "on_failure: fail");
    world.complete(poll, json!({ "done": false }));
    let error = world.job(id).error.expect("it failed");
    assert!(error.message.contains("has no key `cursor`"), "{}", error.message);
}

#[test]
fn errors_of_earlier_rounds_do_not_count() {
    let (mut world, id, poll) = world("max: 3", "");
    world.report(poll, completed_with_errors(round(false, 1), 4));
    assert_eq!(world.job(id).workflow.expect("one").error_count(), 0);
    world.complete(poll, round(true, 2));
    let work = world.sub_job(id, "work");
    world.complete(work, Value::Null);
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn a_cancel_between_two_rounds_settles_at_once() {
    let (mut world, id, poll) = world("max: 3, delay: 60s", "");
    world.complete(poll, round(false, 1));
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!((world.status(poll), world.status(id)), (S::Cancelled, S::Cancelled));
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.job(poll).round, 2, "it goes on with that round");
    world.complete(poll, round(true, 2));
    assert_eq!(world.steps(id), ["poll completed", "work running"]);
}

#[test]
fn a_round_that_completes_while_it_is_cancelled_is_the_last_and_the_step_is_not_done() {
    let (mut world, id, poll) = world("max: 3", "");
    world.start(poll);
    assert_eq!(world.cancel(id), Outcome::Applied);
    world.complete(poll, round(false, 1));
    assert_eq!((world.status(poll), world.status(id)), (S::Completed, S::Cancelled));
    assert_eq!(world.steps(id), ["poll cancelled", "work skipped"]);
    // Or else a retry would leave out the rounds that are missing.
    assert_eq!(world.retry(id), Outcome::Applied);
    world.complete(poll, round(true, 1));
    assert_eq!(world.steps(id), ["poll completed", "work running"]);
}

#[test]
fn a_round_that_completes_while_it_is_paused_is_followed_by_none_until_it_is_resumed() {
    for delay in ["", ", delay: 5s"] {
        let (mut world, id, poll) = world(&format!("max: 3{delay}"), "");
        world.start(poll);
        assert_eq!(world.pause(id), Outcome::Applied);
        world.complete(poll, round(false, 1));
        world.elapse(100);
        assert_eq!((world.job(poll).dispatch, world.message(id).as_str()), (1, "Paused"));
        assert_eq!(world.resume(id), Outcome::Applied);
        assert_eq!((world.job(poll).dispatch, world.job(poll).round), (2, 2));
        world.complete(poll, round(true, 2));
        assert_eq!(world.steps(id), ["poll completed", "work running"]);
    }
}

#[test]
fn a_round_that_is_paused_by_itself_and_completes_all_the_same_is_followed_by_none_until_it_is_resumed() {
    for repeat in ["max: 3", "max: 3, delay: 5s"] {
        let (mut world, id, child) = world(repeat, "");
        assert_eq!(world.pause(child), Outcome::Applied);
        world.start(child);
        world.complete(child, round(false, 1));
        world.elapse(10);
        assert_eq!((world.status(child), world.job(child).round, world.job(child).dispatch), (S::Pending, 2, 1));
        assert_eq!(world.resume(child), Outcome::Applied);
        assert_eq!(world.job(child).dispatch, 2);
        world.complete(child, round(true, 2));
        assert_eq!(world.steps(id), ["poll completed", "work running"]);
    }
}

#[test]
fn nested_steps_and_workflows_are_repeated_as_a_whole() {
    let child =
        "{name: child, steps: [{key: a, job: a, params: {n: '${input.n}'}}], summary: {n: '${steps.a.result.n}'}}";
    let repeat = "params: {n: '${repeat.round}'}, repeat: {until: '${steps.each.result.steps.a.result.n > 1}', max: 5}";
    let nested = "steps: [{key: a, job: a, params: {n: '${input.n}'}}]";
    for work in [nested, "workflow: child"] {
        let mut world = World::with(&[child, &format!("{{name: w, steps: [{{key: each, {work}, {repeat}}}]}}")]);
        let id = world.submit("w", json!({}));
        let each = world.sub_job(id, "each");
        let a = world.sub_job(each, "a");
        assert_eq!(world.params(a), json!({ "n": 1 }));
        world.elapse(1);
        world.complete(a, json!({ "n": 1 }));
        assert_eq!((world.status(each), world.sub_job(each, "a")), (S::Running, a), "rows are used again");
        assert_eq!((world.params(a), world.job(each).round), (json!({ "n": 2 }), 2));
        world.complete(a, json!({ "n": 2 }));
        assert_eq!((world.status(each), world.status(id)), (S::Completed, S::Completed));
    }
}

#[test]
fn rounds_of_which_nothing_runs_do_not_fill_one_transaction() {
    let mut world = World::with(&["
name: w
steps:
  - key: each
    repeat: { until: '${false}', max: 10000 }
    steps: [{ key: a, job: a, if: '${false}' }]
"]);
    let id = world.submit("w", json!({}));
    let each = world.job(world.sub_job(id, "each"));
    assert!((2..1_000).contains(&each.round), "{}", each.round);
    let waits = |job: crate::Job| (job.status, job.due_at.is_some()) == (S::Running, true);
    assert!(waits(each) || waits(world.job(id)), "it waits for the timer");
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn finish_if_is_asked_after_the_last_round() {
    let finish = "finish_if: [{ when: '${steps.poll.result.rows == 10}', message: 'nothing to do' }]";
    let (mut world, id, poll) = world("max: 3", finish);
    world.complete(poll, round(false, 1));
    assert_eq!(world.status(id), S::Running);
    world.complete(poll, json!({ "done": true, "rows": 10 }));
    assert_eq!((world.status(id), world.message(id).as_str()), (S::Completed, "nothing to do"));
}
