//! The history leads to the rows. Every test of the fold checks that at its end (`world.rs`); here is what is hard about it.

use std::{sync::Arc, time::Duration};

use drover_protocol::{JobEventKind, JobId, JobStatus as S, ProgressReport};
use serde_json::json;

use super::{
    play::{broken, completed, percent},
    world::World,
};
use crate::{Input, Outcome, Progress};

const FAN_OUT: &str = "
name: w
steps:
  - { key: only, job: work, for_each: '${input.list}', max_parallel: 2, weight: 100 }
";

/// A fan-out of two batches that run.
fn two_batches() -> (World, JobId, [JobId; 2]) {
    let mut world = World::with(&[FAN_OUT]);
    let id = world.submit("w", json!({ "list": [1, 2] }));
    let batches = [0, 1].map(|batch| world.batch(id, "only", batch));
    batches.iter().for_each(|batch| world.start(*batch));
    (world, id, batches)
}

fn check(world: &World) {
    world.archive.check(&world.store);
}

#[test]
fn counts_that_the_end_says_again_leave_nothing_to_be_kept_of_a_bar_at_its_beginning() {
    let report = |processed| ProgressReport { processed, total: Some(8), ..ProgressReport::default() };
    for said in [report(Some(0)), report(None)] {
        let (mut world, _, batches) = two_batches();
        world.report(batches[0], JobEventKind::Progress(report(Some(0))));
        assert_eq!(world.bar(batches[0]), 0.0);
        world.report(batches[0], JobEventKind::Released { progress: Some(said) });
        check(&world);
    }
}

#[test]
fn a_bar_that_a_cancel_stopped_stands_where_unkept_reports_had_brought_it() {
    let (mut world, id, batches) = two_batches();
    world.progress(batches[0], 30.0);
    world.progress(batches[1], 50.0);
    world.cancel(id);
    assert_eq!(world.bar(id), 40.0);
    check(&world);
    // The reports of a job that stops may go on.
    world.progress(batches[1], 90.0);
    batches.iter().for_each(|batch| world.stopped(*batch));
    assert_eq!((world.status(id), world.bar(id)), (S::Cancelled, 40.0));
}

#[test]
fn a_bar_stands_where_it_stood_before_a_sub_job_was_retried_beside_another_that_runs() {
    let (mut world, id, batches) = two_batches();
    world.progress(batches[0], 50.0);
    world.fail(batches[0], broken());
    world.progress(batches[1], 80.0);
    assert_eq!(world.bar(id), 65.0);
    assert_eq!(world.retry(batches[0]), Outcome::Applied);
    check(&world);
    assert_eq!(world.lose(batches[1]), Outcome::Applied);
    world.cancel(id);
    for batch in batches {
        world.never_started(batch);
    }
    // Its two batches stand at 0 and 80.
    assert_eq!((world.status(id), world.bar(id)), (S::Cancelled, 65.0));
}

#[test]
fn an_end_that_says_less_than_was_reported_is_rebuilt_with_what_was_reported() {
    let (mut world, id, batches) = two_batches();
    world.say(batches[0], "row 5 of 8");
    world.complete(batches[0], json!({}));
    world.say(batches[1], "row 7 of 9");
    let kind = drover_protocol::JobEventKind::Failed {
        error: broken(),
        result: None,
        items: Default::default(),
        progress: Some(percent(12.5)),
    };
    world.report(batches[1], kind);
    check(&world);
    assert_eq!((world.message(batches[0]).as_str(), world.message(batches[1]).as_str()), ("row 5 of 8", "row 7 of 9"));
    assert_eq!(world.status(id), S::CompletedWithErrors);
}

#[test]
fn what_was_folded_together_is_folded_together_again() {
    let mut world = World::with(&["name: w\nsteps: [{ key: a, job: work }, { key: b, job: work }]"]);
    let id = world.submit("w", json!({}));
    let a = world.sub_job(id, "a");
    let end = world.event(a, completed(json!({})));
    // One after the other the second step would have begun.
    world.fold(vec![Input::Event(end), Input::Cancel { job_id: id, now: false }]);
    assert_eq!((world.status(id), world.find(id, "b", None)), (S::Cancelled, None));
}

#[test]
fn a_cancel_from_above_between_beginning_and_end_is_between_them_again() {
    let mut world = World::with(&[FAN_OUT]);
    let id = world.submit("w", json!({ "list": [1, 2] }));
    let batches = [0, 1].map(|batch| world.batch(id, "only", batch));
    let (start, end) = (world.event(batches[0], JobEventKind::Started), world.event(batches[0], completed(json!({}))));
    world.fold(vec![Input::Event(start), Input::Cancel { job_id: id, now: false }, Input::Event(end)]);
    assert!(world.job(batches[0]).started_at.is_some(), "it began before the cancel");
    check(&world);
    world.never_started(batches[1]);
    assert_eq!(world.status(id), S::Cancelled);
}

#[test]
fn limits_and_definitions_of_that_time_are_given_again() {
    let child = |job: &str| format!("name: child\nsteps: [{{ key: x, job: {job}, timeout: 10s }}]");
    let parent = "
name: w
steps:
  - { key: only, workflow: child, for_each: '${[1, 2, 3]}', max_parallel: 1 }
  - { key: none, workflow: missing }
";
    let mut world = World::with(&[&child("first"), parent]);
    let id = world.submit("w", json!({}));
    let run = |world: &mut World, batch, job: &str| {
        let workflow = world.batch(id, "only", batch);
        let leaf = world.sub_job(workflow, "x");
        assert_eq!(world.job(leaf).job_type.as_str(), job);
        leaf
    };
    let leaf = run(&mut world, 0, "first");
    world.store.definitions.apply(&child("second"));
    world.limits.timeout_grace = Duration::from_micros(1_500_000);
    world.start(leaf);
    world.elapse(12);
    assert_eq!(world.status(leaf), S::Failed, "its time and the grace are over");
    let leaf = run(&mut world, 1, "second");
    world.limits.poison_losses = 1;
    world.start(leaf);
    world.lose(leaf);
    assert_eq!(world.job(leaf).error.unwrap().kind, "poison");
    world.limits.depth = 1;
    let leaf = run(&mut world, 2, "second");
    world.complete(leaf, json!({}));
    assert_eq!(world.status(id), S::CompletedWithErrors);
}

#[test]
fn a_doctored_row_is_told_with_the_way_to_what_differs() {
    let (mut world, id, batches) = two_batches();
    batches.iter().for_each(|batch| world.complete(*batch, json!({ "rows": 3 })));
    let store = world.store.clone();
    let mut doctor = |id: JobId, change: &dyn Fn(&mut crate::memory::Row)| {
        let mut row = (*store.rows[&id]).clone();
        change(&mut row);
        world.store.put(Arc::new(row));
    };
    doctor(id, &|row| row.job.workflow.as_mut().unwrap().state.steps[0].done = 1);
    doctor(batches[0], &|row| row.result = Some(json!({ "rows": 4 })));
    doctor(batches[1], &|row| (row.job.status, row.job.progress) = (S::Failed, Progress::ALMOST));
    let replayed = world.archive.replay(&world.store, id).unwrap();
    let told: Vec<_> =
        replayed.differences.iter().map(|difference| (difference.job_id, difference.field.as_str())).collect();
    let expected =
        [(id, "workflow.steps.0.done"), (batches[0], "result.rows"), (batches[1], "progress"), (batches[1], "status")];
    assert_eq!(told, expected);
    assert_eq!((&replayed.differences[1].stored, &replayed.differences[1].rebuilt), (&json!(4), &json!(3)));
    // What the test did to the rows is no fault of the history.
    world.store = store;
}

#[test]
fn a_row_too_many_and_a_row_too_few_are_told() {
    let (mut world, id, batches) = two_batches();
    let store = world.store.clone();
    let mut stray = (*store.rows[&batches[0]]).clone();
    stray.job.id = JobId(uuid::Uuid::from_u128(9));
    stray.job.parent.as_mut().unwrap().batch = Some(7);
    world.store.put(Arc::new(stray.clone()));
    world.store.rows.remove(&batches[1]);
    let replayed = world.archive.replay(&world.store, id).unwrap();
    let told =
        |id: JobId| replayed.differences.iter().find(|difference| difference.job_id == id && difference.field == "job");
    assert!(told(stray.job.id).is_some_and(|difference| difference.rebuilt.is_null()));
    assert!(told(batches[1]).is_some_and(|difference| difference.stored.is_null()));
    world.store = store;
}

#[test]
fn a_pause_between_a_begin_and_its_end_in_one_fold_comes_between_again() {
    let mut world = World::with(&["name: w\nsteps: [{ key: a, job: work }, { key: b, job: work }]"]);
    let id = world.submit("w", json!({}));
    let work = world.sub_job(id, "a");
    let (started, ended) = (world.event(work, JobEventKind::Started), world.event(work, completed(json!({}))));
    world.fold(vec![Input::Event(started), Input::Pause { job_id: id }, Input::Event(ended)]);
    world.archive.check(&world.store);
}
