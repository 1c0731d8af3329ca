//! Pause and resume, in every phase of a job's life.

use chrono::TimeDelta;
use drover_protocol::{JobEventKind, JobId, JobStatus as S};
use serde_json::json;

use super::{
    cancels::fanned_out,
    play::{broken, completed, failed, flaky},
    world::World,
};
use crate::{Ignored, Input, Outcome, PauseReason, Refusal, Trigger, job::Policy};

const NESTED: &str = "
name: nested
steps:
  - key: each
    title: Each
    for_each: '${[1, 2, 3]}'
    max_parallel: 2
    timeout: 60s
    steps:
      - { key: cut, job: work }
      - { key: join, job: work }
  - { key: z, title: Last, job: work }
cleanup:
  - { key: tidy, job: clean }
";

fn is_paused(world: &World, id: JobId) -> Option<PauseReason> {
    world.job(id).paused.map(|paused| paused.reason)
}

#[test]
fn a_paused_fan_out_begins_nothing_and_what_runs_is_counted() {
    let (mut world, id) = fanned_out();
    let [first, second, third] = [0, 1, 2].map(|batch| world.batch(id, "each", batch));
    world.start(second);
    assert_eq!(world.pause(id), Outcome::Applied);
    assert_eq!((world.status(id), world.message(id)), (S::Running, "Paused: 2 of 6 sub-jobs still running".into()));
    assert_eq!(world.withdrawn(), [third], "its message waits in a queue");
    assert_eq!((is_paused(&world, first), is_paused(&world, third)), (None, Some(PauseReason::Parent)));
    assert_eq!(world.job(id).paused.unwrap().at, world.now);

    world.progress(first, 50.0);
    assert_eq!(world.message(id), "Paused: 2 of 6 sub-jobs still running", "of a paused workflow this is what counts");
    world.complete(first, json!({}));
    world.fail(second, flaky());
    assert_eq!((world.message(id), world.metadata(id).steps[1].done), ("Paused".into(), 1));
    assert_eq!(world.metadata(id).active_sub_job, None);
    world.elapse(3_600);
    assert_eq!((world.publications(second), world.publications(third)), (1, 1), "no retry, and no next batch");
    assert_eq!(world.find(id, "each", Some(3)), None);

    assert_eq!(world.resume(id), Outcome::Applied);
    assert_eq!((world.publications(second), world.publications(third)), (2, 1), "a worker may be at the third");
    world.let_go();
    assert_eq!((world.publications(second), world.publications(third)), (2, 2));
    assert_eq!((world.job(third).dispatch, world.job(third).attempt), (2, 1), "not a try more");
    assert!(world.find(id, "each", Some(3)).is_some(), "the window moves on");
    assert_eq!((world.message(id), world.job(id).paused), ("Step 2/3: each".into(), None));
}

#[test]
fn a_step_ends_and_the_next_begins_when_it_goes_on() {
    let (mut world, id) = fanned_out();
    for batch in 0..3 {
        world.complete(world.batch(id, "each", batch), json!({}));
    }
    let last: Vec<JobId> = (3..6).map(|batch| world.batch(id, "each", batch)).collect();
    last.iter().for_each(|job| world.start(*job));
    world.pause(id);
    last.iter().for_each(|job| world.complete(*job, json!({})));
    assert_eq!(world.steps(id)[1..], ["each completed", "z pending"]);
    assert_eq!((world.message(id), world.leaves()), ("Paused".into(), vec![]));
    world.resume(id);
    assert_eq!((world.message(id), world.leaves()), ("Step 3/3: z".into(), vec![world.sub_job(id, "z")]));
}

#[test]
fn a_workflow_of_which_the_last_job_ends_has_ended_paused_or_not() {
    let (mut world, id) = fanned_out();
    for batch in 0..6 {
        world.complete(world.batch(id, "each", batch), json!({}));
    }
    let last = world.sub_job(id, "z");
    world.start(last);
    world.pause(id);
    world.complete(last, json!({}));
    assert_eq!((world.status(id), world.message(id), world.job(id).paused), (S::Completed, "Completed".into(), None));
}

#[test]
fn a_withdrawn_job_that_a_worker_had_begun_goes_on() {
    let (mut world, id) = fanned_out();
    let third = world.batch(id, "each", 2);
    world.pause(id);
    world.start(third);
    assert_eq!(world.status(third), S::Running);
    assert_eq!(world.message(id), "Paused: 2 of 6 sub-jobs still running");
    world.complete(third, json!({ "n": 3 }));
    assert_eq!((world.status(third), world.publications(third)), (S::Completed, 1));

    // Its end may be folded first.
    let second = world.batch(id, "each", 1);
    world.complete(second, json!({}));
    assert_eq!((world.status(second), world.stops()), (S::Completed, vec![]));
}

#[test]
fn a_withdrawn_job_that_is_resumed_begins_when_nobody_can_have_begun_it() {
    let (mut world, id) = fanned_out();
    let [second, third] = [1, 2].map(|batch| world.batch(id, "each", batch));
    let started = world.event(third, JobEventKind::Started);
    world.pause(id);
    world.resume(id);
    assert_eq!(is_paused(&world, third), Some(PauseReason::Settling));
    assert_eq!([second, third].map(|job| world.publications(job)), [1, 1], "somebody may be at it");
    assert_eq!(world.resume(third), Outcome::Ignored(Ignored::Repeat));

    // One worker had begun its job before it heard of the pause, and its word comes late.
    assert_eq!(world.apply(Input::Event(started)), Outcome::Applied);
    assert_eq!((world.status(third), is_paused(&world, third), world.stops()), (S::Running, None, vec![]));
    assert_eq!(world.never_started(third), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.never_started(second), Outcome::Applied);
    assert_eq!([second, third].map(|job| world.publications(job)), [2, 1]);
    assert_eq!(world.apply(Input::NeverStarted { job_id: second, dispatch: 1 }), Outcome::Ignored(Ignored::Repeat));
    world.complete(third, json!({}));
    assert_eq!(world.publications(third), 1, "it ran once");
}

#[test]
fn what_waits_to_go_on_can_be_paused_and_cancelled() {
    let (mut world, id) = fanned_out();
    let [second, third] = [1, 2].map(|batch| world.batch(id, "each", batch));
    world.pause(id);
    world.resume(id);
    assert_eq!(world.pause(second), Outcome::Applied);
    assert_eq!(world.never_started(second), Outcome::Ignored(Ignored::Repeat), "it is paused");
    world.pause(id);
    assert_eq!(
        [second, third].map(|job| is_paused(&world, job)),
        [Some(PauseReason::Asked), Some(PauseReason::Parent)]
    );
    world.resume(id);
    world.resume(second);
    assert_eq!([second, third].map(|job| is_paused(&world, job)), [Some(PauseReason::Settling); 2]);
    world.cancel(third);
    assert_eq!((world.status(third), is_paused(&world, third)), (S::Cancelling, None), "it may have been begun");
    world.never_started(third);
    assert_eq!(world.status(third), S::Cancelled);
    // A worker that had begun it gives it back: it is dispatched again at once.
    world.report(second, JobEventKind::Released { progress: None });
    assert_eq!((world.publications(second), is_paused(&world, second)), (2, None));
}

#[test]
fn what_comes_back_from_a_worker_waits() {
    let (mut world, id) = fanned_out();
    let [first, second, third] = [0, 1, 2].map(|batch| world.batch(id, "each", batch));
    world.start(second);
    world.pause(id);
    world.report(first, JobEventKind::Released { progress: None });
    assert_eq!(world.lose(second), Outcome::Applied);
    world.report(third, JobEventKind::Released { progress: None });
    for job in [first, second, third] {
        assert_eq!((world.status(job), is_paused(&world, job)), (S::Pending, Some(PauseReason::Parent)));
        assert_eq!(world.publications(job), 1);
    }
    assert_eq!(world.apply(Input::Republish { job_id: third, dispatch: 1 }), Outcome::Ignored(Ignored::OtherDispatch));
    assert_eq!(world.send(first, completed(json!({}))), Outcome::Ignored(Ignored::OtherDispatch), "it was given back");
    world.resume(id);
    assert_eq!([first, second, third].map(|job| world.publications(job)), [2, 2, 2]);
    assert_eq!((world.job(second).attempt, world.job(second).losses), (2, 1));
}

#[test]
fn a_withdrawn_job_whose_queue_is_lost_is_not_published_again() {
    let (mut world, id) = fanned_out();
    let third = world.batch(id, "each", 2);
    world.pause(id);
    assert_eq!(world.apply(Input::Republish { job_id: third, dispatch: 1 }), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.publications(third), 1);
}

#[test]
fn a_pause_reaches_every_level_and_so_does_its_end() {
    let mut world = World::with(&[NESTED]);
    let id = world.submit("nested", json!({}));
    let [first, second] = [0, 1].map(|batch| world.batch(id, "each", batch));
    let cut = world.sub_job(first, "cut");
    world.start(cut);
    world.pause(id);
    assert_eq!(world.withdrawn(), [world.sub_job(second, "cut")]);
    assert_eq!(world.message(id), "Paused: 1 of 3 sub-jobs still running", "the second chain does nothing");
    assert_eq!(
        (world.message(first), world.message(second)),
        ("Paused: 1 of 1 sub-jobs still running".into(), "Paused".into())
    );
    assert_eq!((world.status(second), is_paused(&world, second)), (S::Running, Some(PauseReason::Parent)));
    assert_eq!(world.metadata(id).steps[0].running, 1);
    world.complete(cut, json!({}));
    assert_eq!((world.message(id), world.find(first, "join", None)), ("Paused".into(), None), "no step begins below");
    assert_eq!(world.metadata(id).steps[0].running, 0);

    world.resume(id);
    world.let_go();
    assert_eq!(world.message(first), "Step 2/2: join");
    assert_eq!(world.publications(world.sub_job(second, "cut")), 2);
    assert!(world.store.rows.values().all(|row| row.job.paused.is_none()));
}

#[test]
fn what_was_paused_by_itself_stays_so_when_the_workflow_goes_on() {
    let mut world = World::with(&[NESTED]);
    let id = world.submit("nested", json!({}));
    let [first, second] = [0, 1].map(|batch| world.batch(id, "each", batch));
    world.pause(first);
    world.pause(id);
    world.resume(id);
    assert_eq!((is_paused(&world, first), is_paused(&world, second)), (Some(PauseReason::Asked), None));
    assert_eq!(world.publications(world.sub_job(first, "cut")), 1);

    // The other way round: asked for while it was paused with its workflow.
    world.pause(id);
    assert_eq!(world.pause(second), Outcome::Applied);
    world.resume(id);
    assert_eq!(is_paused(&world, second), Some(PauseReason::Asked));
    // Resumed under a paused workflow it goes on with that.
    world.pause(id);
    assert_eq!(world.resume(second), Outcome::Applied);
    assert_eq!(is_paused(&world, second), Some(PauseReason::Parent));
    let refused = Refusal::PausedAbove { workflow: id };
    assert_eq!(world.resume(world.sub_job(second, "cut")), Outcome::Illegal(refused.clone()));
    assert_eq!(refused.to_string(), format!("it is paused with its workflow {id}; resume that"));
    world.resume(id);
    assert_eq!(is_paused(&world, second), None);
}

#[test]
fn a_repeat_changes_nothing_and_a_finished_job_is_refused() {
    let (mut world, id) = fanned_out();
    assert_eq!(world.resume(id), Outcome::Ignored(Ignored::Repeat), "it is not paused");
    world.pause(id);
    let effects = world.effects.len();
    assert_eq!(world.pause(id), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.effects.len(), effects);
    for trigger in [Trigger::Pause, Trigger::Resume] {
        let a = world.sub_job(id, "a");
        let answer = if trigger == Trigger::Pause { world.pause(a) } else { world.resume(a) };
        assert_eq!(answer, Outcome::Illegal(Refusal::Transition { status: S::Completed, trigger }));
    }
    world.cancel(id);
    assert_eq!(world.resume(id), Outcome::Ignored(Ignored::Repeat), "a cancel ends a pause");
    let refused = Refusal::Transition { status: S::Cancelling, trigger: Trigger::Pause };
    assert_eq!(world.pause(id), Outcome::Illegal(refused));
}

#[test]
fn a_job_of_its_own_is_held_until_it_has_begun() {
    let mut world = World::with(&[]);
    let later = Some(world.now + TimeDelta::hours(1));
    let waiting = world.submit_with("work", json!({}), Policy::default(), later);
    world.pause(waiting);
    world.elapse(7_200);
    assert_eq!((world.status(waiting), world.publications(waiting)), (S::Pending, 0));
    world.resume(waiting);
    assert_eq!(world.publications(waiting), 1);

    let early = world.submit_with("work", json!({}), Policy::default(), Some(world.now + TimeDelta::hours(1)));
    world.pause(early);
    world.resume(early);
    assert_eq!(world.publications(early), 0, "its time has not come");
    world.elapse(3_600);
    assert_eq!(world.publications(early), 1);

    let published = world.submit("work", json!({}));
    world.pause(published);
    assert_eq!(world.withdrawn(), [published]);
    world.resume(published);
    world.let_go();
    assert_eq!((world.publications(published), world.job(published).dispatch), (2, 2));

    let running = world.submit("work", json!({}));
    world.start(running);
    assert_eq!(world.pause(running), Outcome::Illegal(Refusal::AtWork));

    // A worker had begun it: it goes on, and waits when it comes back.
    let begun = world.submit("work", json!({}));
    world.pause(begun);
    world.start(begun);
    assert_eq!((world.status(begun), world.pause(begun)), (S::Running, Outcome::Ignored(Ignored::Repeat)));
    world.report(begun, JobEventKind::Released { progress: None });
    assert_eq!((world.status(begun), world.publications(begun)), (S::Pending, 1));
    world.resume(begun);
    assert_eq!(world.publications(begun), 2);
}

#[test]
fn a_workflow_that_has_not_begun_waits_with_its_steps() {
    let (mut world, _) = fanned_out();
    let later = world.now + TimeDelta::hours(1);
    let id = world.submit_with("flow", json!({}), Policy::default(), Some(later));
    world.pause(id);
    world.elapse(7_200);
    assert_eq!((world.status(id), world.message(id)), (S::Pending, "Paused".into()));
    world.resume(id);
    assert_eq!((world.status(id), world.message(id)), (S::Running, "Step 1/3: a".into()));
}

#[test]
fn a_paused_job_can_be_cancelled_and_its_clean_up_runs() {
    let (mut world, id) = fanned_out();
    let [first, second, third] = [0, 1, 2].map(|batch| world.batch(id, "each", batch));
    world.fail(second, flaky());
    world.pause(id);
    world.cancel(id);
    assert_eq!((world.status(id), world.job(id).paused), (S::Cancelling, None));
    assert_eq!((world.status(second), world.status(third)), (S::Cancelled, S::Cancelling), "one may lie in a queue");
    world.stopped(first);
    world.never_started(third);
    let tidy = world.sub_job(id, "tidy");
    assert_eq!(world.publications(tidy), 1);
    world.complete(tidy, json!({}));
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn a_part_of_a_paused_workflow_can_be_cancelled() {
    let mut world = World::with(&[
        "
name: w
steps:
  - key: part
    workflow: inner
    on_failure: continue
  - { key: z, job: work }
",
        "
name: inner
steps: [{ key: a, job: work }]
cleanup: [{ key: tidy, job: clean }]
",
    ]);
    let id = world.submit("w", json!({}));
    let part = world.sub_job(id, "part");
    world.start(world.sub_job(part, "a"));
    world.pause(id);
    world.cancel(part);
    world.stopped(world.sub_job(part, "a"));
    world.complete(world.sub_job(part, "tidy"), json!({}));
    assert_eq!((world.status(part), world.status(id), world.message(id)), (S::Cancelled, S::Running, "Paused".into()));
    assert_eq!(world.find(id, "z", None), None, "the rest waits");
}

#[test]
fn clean_up_waits_too_until_it_is_resumed_or_cancelled() {
    let pause_in_clean_up = || {
        let mut world = World::with(&["
name: w
steps: [{ key: a, job: work, on_failure: fail }]
cleanup: [{ key: tidy, job: clean }, { key: sweep, job: clean }]
"]);
        let id = world.submit("w", json!({}));
        let a = world.sub_job(id, "a");
        world.start(a);
        world.pause(id);
        world.fail(a, broken());
        assert_eq!((world.status(id), world.find(id, "tidy", None)), (S::Running, None));
        world.resume(id);
        let tidy = world.sub_job(id, "tidy");
        assert_eq!(world.message(id), "Clean-up: tidy");
        world.pause(id);
        assert_eq!(world.withdrawn(), [tidy]);
        (world, id, tidy)
    };
    let (mut world, id, tidy) = pause_in_clean_up();
    world.resume(id);
    world.complete(tidy, json!({}));
    world.complete(world.sub_job(id, "sweep"), json!({}));
    assert_eq!(world.status(id), S::Failed);

    // Clean-up that a cancel finds goes on under it.
    let (mut world, id, tidy) = pause_in_clean_up();
    world.cancel(id);
    world.let_go();
    assert_eq!((world.publications(tidy), is_paused(&world, tidy)), (2, None));
    world.complete(tidy, json!({}));
    world.complete(world.sub_job(id, "sweep"), json!({}));
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn a_paused_workflow_s_clock_stands_still_and_a_running_job_s_does_not() {
    let mut world = World::with(&[NESTED]);
    let id = world.submit("nested", json!({}));
    let first = world.batch(id, "each", 0);
    world.elapse(20);
    world.pause(id);
    world.elapse(3_600);
    assert_eq!(world.status(first), S::Running, "it has a minute, of which it used 20 seconds");
    world.resume(id);
    world.elapse(39);
    assert_eq!(world.status(first), S::Running);
    world.elapse(1);
    assert_eq!(world.metadata(id).steps[0].failed, 0, "it waits for what it cancelled");
    assert_eq!(world.status(world.sub_job(first, "cut")), S::Cancelling, "its time is up");

    let mut world = World::with(&["
name: w
steps: [{ key: a, job: work, timeout: 10s, retry: { attempts: 2, initial: 1s } }]
"]);
    let id = world.submit("w", json!({}));
    let a = world.sub_job(id, "a");
    world.start(a);
    world.pause(id);
    world.elapse(3_600);
    assert_eq!((world.status(a), is_paused(&world, a)), (S::Pending, Some(PauseReason::Parent)));
    assert_eq!((world.job(a).error.unwrap().kind, world.publications(a)), ("timeout".into(), 1));
}

#[test]
fn a_sub_job_retried_under_a_paused_workflow_waits() {
    let (mut world, id) = fanned_out();
    let first = world.batch(id, "each", 0);
    world.report(first, failed(broken()));
    world.pause(id);
    assert_eq!(world.retry(first), Outcome::Applied);
    assert_eq!((world.status(first), world.publications(first)), (S::Pending, 1));
    world.resume(id);
    assert_eq!(world.publications(first), 2);
}
