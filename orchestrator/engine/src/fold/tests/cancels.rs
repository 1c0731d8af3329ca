//! Cancel, in every phase of a workflow's life.

use chrono::TimeDelta;
use drover_protocol::{JobEventKind, JobId, JobStatus as S};
use serde_json::json;

use super::{
    play::{WORKER, broken, failed, flaky, percent, session},
    world::World,
};
use crate::{Cancel, CancelReason, Ignored, Input, Outcome, Refusal, Trigger};

const FLOW: &str = "
name: flow
steps:
  - { key: a, job: work, weight: 20 }
  - { key: each, job: work, weight: 60, for_each: '${[1, 2, 3, 4, 5, 6]}', max_parallel: 3, retry: { attempts: 2, jitter: false } }
  - { key: z, job: work, weight: 20 }
cleanup:
  - { key: tidy, job: clean, params: { each: '${steps.each.status}' } }
";

/// A flow whose first three batches are published, the first of them begun.
pub(super) fn fanned_out() -> (World, JobId) {
    let mut world = World::with(&[FLOW]);
    let id = world.submit("flow", json!({}));
    world.complete(world.sub_job(id, "a"), json!({}));
    world.start(world.batch(id, "each", 0));
    (world, id)
}

#[test]
fn a_cancel_stops_waits_cleans_up_and_ends() {
    let (mut world, id) = fanned_out();
    let batches: Vec<JobId> = (0..3).map(|batch| world.batch(id, "each", batch)).collect();
    world.progress(batches[0], 50.0);
    assert_eq!(world.bar(id), 25.0);
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!(world.message(id), "Cancelling: waiting for 3 of 6 sub-jobs");
    assert_eq!(world.tombstones(), batches);
    let active = world.metadata(id).active_sub_job.unwrap();
    assert_eq!((active.id, active.status, world.metadata(id).steps[1].running), (batches[0], S::Cancelling, 1));
    assert_eq!(world.job(id).cancel, Some(Cancel { at: world.now, reason: CancelReason::Asked }));
    assert_eq!(world.job(batches[0]).cancel.unwrap().reason, CancelReason::Parent);

    // The one that runs settles by its worker's word, the others when nobody can have started them.
    world.stopped(batches[0]);
    assert_eq!(world.message(id), "Cancelling: waiting for 2 of 6 sub-jobs");
    assert_eq!(world.never_started(batches[1]), Outcome::Applied);
    assert_eq!((world.status(id), world.find(id, "tidy", None)), (S::Cancelling, None), "not while one is open");
    // One finished before it heard of it.
    world.complete(batches[2], json!({ "n": 1 }));

    let tidy = world.sub_job(id, "tidy");
    assert_eq!(world.message(id), "Cancelling: cleaning up, 1 sub-jobs to go");
    assert_eq!(world.params(tidy), json!({ "each": "cancelled" }));
    world.complete(tidy, json!({}));
    assert_eq!((world.status(id), world.message(id)), (S::Cancelled, "Cancelled".into()));
    assert_eq!(world.bar(id), 25.0, "nothing of a cancel is progress");
    assert_eq!(world.steps(id), ["a completed", "each cancelled", "z skipped", "tidy completed"]);
    assert_eq!(world.metadata(id).current_step, 2);
    assert_eq!(world.find(id, "each", Some(3)), None, "what was not begun is not begun");
    assert_eq!(world.result(id)["steps"]["each"][2]["result"], json!({ "n": 1 }), "what was done is not lost");
}

#[test]
fn a_second_cancel_changes_nothing_and_one_of_a_finished_job_is_refused() {
    let (mut world, id) = fanned_out();
    world.cancel(id);
    let effects = world.effects.len();
    assert_eq!(world.cancel(id), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.cancel(world.batch(id, "each", 0)), Outcome::Ignored(Ignored::Repeat));
    assert_eq!(world.effects.len(), effects);
    let refused = Refusal::Transition { status: S::Completed, trigger: Trigger::Cancel };
    assert_eq!(world.cancel(world.sub_job(id, "a")), Outcome::Illegal(refused.clone()));
    assert_eq!(refused.to_string(), "a job that is completed takes no cancel");
}

#[test]
fn a_job_in_its_back_off_ends_at_once_and_a_copy_of_its_message_begins_nowhere() {
    let (mut world, id) = fanned_out();
    let first = world.batch(id, "each", 0);
    world.fail(first, flaky());
    world.cancel(id);
    assert_eq!(world.status(first), S::Cancelled);
    assert!(world.tombstones().contains(&first), "its message may have been delivered twice");
    for batch in 1..3 {
        world.never_started(world.batch(id, "each", batch));
    }
    world.complete(world.sub_job(id, "tidy"), json!({}));
    world.elapse(600);
    assert_eq!((world.status(id), world.publications(first)), (S::Cancelled, 1));
}

#[test]
fn a_workflow_that_has_not_begun_ends_at_once_and_cleans_nothing_up() {
    let mut world = World::with(&[FLOW]);
    let later = world.now + TimeDelta::hours(1);
    let id = world.submit_with("flow", json!({}), crate::job::Policy::default(), Some(later));
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!((world.status(id), world.bar(id), world.leaves()), (S::Cancelled, 0.0, vec![]));
    assert_eq!(world.steps(id), ["a skipped", "each skipped", "z skipped"]);
    world.elapse(7_200);
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn a_job_of_its_own_is_cancelled_in_every_phase() {
    let mut world = World::with(&[]);
    let later = Some(world.now + TimeDelta::hours(1));
    let waiting = world.submit_with("work", json!({}), crate::job::Policy::default(), later);
    world.cancel(waiting);
    assert_eq!(world.status(waiting), S::Cancelled);

    let published = world.submit("work", json!({}));
    world.cancel(published);
    assert_eq!(world.status(published), S::Cancelling);
    assert_eq!(world.never_started(published), Outcome::Applied);
    assert_eq!(world.status(published), S::Cancelled);

    let running = world.submit("work", json!({}));
    world.start(running);
    world.cancel(running);
    assert_eq!(world.never_started(running), Outcome::Ignored(Ignored::Repeat), "somebody did");
    world.report(
        running,
        JobEventKind::Cancelled {
            result: Some(json!({ "rows": 7 })),
            items: Default::default(),
            progress: Some(percent(70.0)),
        },
    );
    assert_eq!(
        (world.status(running), world.bar(running), world.result(running)),
        (S::Cancelled, 70.0, json!({ "rows": 7 }))
    );
}

#[test]
fn whatever_a_cancelled_job_says_but_an_end_is_the_cancel_s_doing() {
    let mut world = World::with(&[]);
    let [failed, released, stopped, lost, undeliverable] = [(); 5].map(|()| world.submit("work", json!({})));
    for id in [failed, released, stopped, lost] {
        world.start(id);
        world.cancel(id);
    }
    world.fail(failed, flaky());
    world.report(released, JobEventKind::Released { progress: None });
    world.stopped(stopped);
    assert_eq!(world.lose(lost), Outcome::Applied);
    // This one no worker held.
    world.cancel(undeliverable);
    world.apply(Input::Undeliverable { job_id: undeliverable, dispatch: 1, error: broken() });
    for id in [failed, released, stopped, lost, undeliverable] {
        let job = world.job(id);
        assert_eq!((job.status, job.error_count, world.publications(id)), (S::Cancelled, 1, 1));
    }
    assert_eq!(world.job(failed).error.unwrap().kind, "io", "what it said is kept");
}

#[test]
fn a_cancelled_job_whose_queue_is_lost_is_not_published_again() {
    let mut world = World::with(&[]);
    let id = world.submit("work", json!({}));
    world.cancel(id);
    assert_eq!(world.apply(Input::Republish { job_id: id, dispatch: 1 }), Outcome::Ignored(Ignored::Repeat));
    assert_eq!((world.status(id), world.publications(id)), (S::Cancelling, 1), "it settles like every other");
}

#[test]
fn a_job_that_began_although_it_was_cancelled_holds_its_lease_until_it_stops() {
    let mut world = World::with(&[]);
    let id = world.submit("work", json!({}));
    world.cancel(id);
    world.start(id);
    assert_eq!((world.status(id), world.job(id).lease), (S::Cancelling, Some(WORKER)));
    assert_eq!(world.never_started(id), Outcome::Ignored(Ignored::Repeat));
    world.stopped(id);
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn a_sub_job_cancelled_by_itself_counts_as_failed_for_its_step() {
    let (mut world, id) = fanned_out();
    let second = world.batch(id, "each", 1);
    world.cancel(second);
    world.never_started(second);
    assert_eq!((world.status(id), world.metadata(id).steps[1].failed), (S::Running, 1));
    assert!(world.find(id, "each", Some(3)).is_some(), "the others go on");

    let mut world = World::with(&[FLOW]);
    let id = world.submit("flow", json!({}));
    let a = world.sub_job(id, "a");
    world.cancel(a);
    world.never_started(a);
    let step = world.job(id).workflow.unwrap().state.steps[0].clone();
    assert_eq!((step.status.as_str(), step.error.unwrap().kind), ("failed", "cancelled".into()));
}

#[test]
fn what_a_cancel_stops_is_no_error() {
    let (mut world, id) = fanned_out();
    let [first, second, third] = [0, 1, 2].map(|batch| world.batch(id, "each", batch));
    world.fail(first, broken());
    world.start(second);
    world.cancel(id);
    world.stopped(second);
    // It failed as it was stopped: the error is kept where it happened, and is the cancel's doing.
    world.report(third, failed(broken()));
    world.never_started(world.batch(id, "each", 3));
    world.complete(world.sub_job(id, "tidy"), json!({}));
    assert_eq!((world.status(id), world.status(third)), (S::Cancelled, S::Cancelled));
    assert_eq!(world.job(third).error.map(|error| error.kind), Some("format".into()));
    assert_eq!(world.result(id)["summary"]["total_errors"], 1, "only the one from before the cancel");
}

#[test]
fn a_cancel_during_clean_up_lets_it_finish_and_keeps_the_error() {
    let mut world = World::with(&["
name: w
steps: [{ key: a, job: work, on_failure: fail }]
cleanup: [{ key: tidy, job: clean }, { key: sweep, job: clean }]
"]);
    let id = world.submit("w", json!({}));
    world.fail(world.sub_job(id, "a"), broken());
    let tidy = world.sub_job(id, "tidy");
    world.cancel(id);
    assert_eq!((world.status(id), world.status(tidy)), (S::Cancelling, S::Pending));
    assert_eq!(world.message(id), "Cancelling: cleaning up, 1 sub-jobs to go");
    world.complete(tidy, json!({}));
    world.complete(world.sub_job(id, "sweep"), json!({}));
    assert_eq!((world.status(id), world.job(id).error.unwrap().kind), (S::Cancelled, "format".into()));
}

#[test]
fn another_worker_s_word_on_a_cancelled_job_is_no_end_of_it() {
    let mut world = World::with(&[]);
    let id = world.submit("work", json!({}));
    world.start(id);
    world.cancel(id);
    let mut event =
        world.event(id, JobEventKind::Cancelled { result: None, items: Default::default(), progress: None });
    event.worker_session = session(9);
    assert_eq!(world.apply(Input::Event(event)), Outcome::Ignored(Ignored::OtherSession));
    assert_eq!(world.status(id), S::Cancelling);
}
