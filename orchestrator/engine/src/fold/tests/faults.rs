//! The faults of the older design that the pure engine answers for, by their numbers.

use drover_protocol::{JobEventKind, JobId, JobStatus as S, ProgressReport};
use serde_json::json;

use super::{
    data_import::{begun, validated},
    play::{broken, completed_with_errors, failed, flaky, percent},
    world::World,
};
use crate::{Command, Ignored, Input, Outcome, Refusal, Trigger};

const FLOW: &str = "
name: flow
steps:
  - { key: a, job: work, weight: 35, finish_if: [{ when: '${steps.a.result.files == 0}', message: 'Nothing to do' }] }
  - { key: b, job: work, weight: 35, for_each: '${[1, 2, 3, 4]}', max_parallel: 4, retry: { attempts: 2, jitter: false } }
  - { key: c, job: work, weight: 30 }
";

fn flow() -> (World, JobId) {
    let mut world = World::with(&[FLOW]);
    let id = world.submit("flow", json!({}));
    (world, id)
}

#[test]
fn fault_1_cancelling_the_parent_cancels_the_child() {
    let (mut world, id) = flow();
    let a = world.sub_job(id, "a");
    world.start(a);
    world.cancel(id);
    assert_eq!((world.status(a), world.tombstones()), (S::Cancelling, vec![a]));
    assert_eq!(world.status(id), S::Cancelling, "and it waits for it");
}

/// The older design showed 4→1→5→6→5→7.
#[test]
fn fault_2_the_current_step_never_flip_flops() {
    let (mut world, id) = flow();
    let mut shown = vec![world.metadata(id).current_step];
    let mut see = |world: &World| shown.push(world.metadata(id).current_step);
    let a = world.sub_job(id, "a");
    let late = world.event(a, JobEventKind::Progress(percent(99.0)));
    world.complete(a, json!({ "files": 1 }));
    see(&world);
    let batches = [0, 1, 2, 3].map(|batch| world.batch(id, "b", batch));
    for batch in batches.iter().rev() {
        world.start(*batch);
        see(&world);
    }
    world.apply(Input::Event(late));
    see(&world);
    world.fail(batches[2], flaky());
    see(&world);
    for batch in [3, 0, 1] {
        world.complete(batches[batch], json!({}));
        see(&world);
    }
    world.elapse(1);
    world.complete(batches[2], json!({}));
    see(&world);
    world.complete(world.sub_job(id, "c"), json!({}));
    see(&world);
    assert_eq!(shown, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3]);
}

#[test]
fn fault_3_no_progress_message_is_lost() {
    let (mut world, id) = flow();
    let a = world.sub_job(id, "a");
    let say = |message: &str| {
        JobEventKind::Progress(ProgressReport { message: Some(message.into()), ..ProgressReport::default() })
    };
    for message in ["opening", "reading", "closing"] {
        world.report(a, say(message));
        assert_eq!(world.message(id), format!("a: {message}"));
    }
    // A report of numbers alone keeps the words, and the end brings the last ones if they were overtaken.
    world.progress(a, 50.0);
    assert_eq!(world.message(a), "closing");
    let progress = Some(ProgressReport { message: Some("closed".into()), ..percent(80.0) });
    world.report(a, JobEventKind::Failed { error: broken(), result: None, items: Default::default(), progress });
    assert_eq!((world.message(a), world.bar(a)), ("closed".into(), 80.0));
}

#[test]
fn fault_5_a_job_cancelled_while_queued_is_not_published_and_its_queued_message_is_buried() {
    let (mut world, id) = flow();
    let a = world.sub_job(id, "a");
    world.cancel(id);
    let tombstone = world
        .effects
        .iter()
        .any(|effect| matches!(effect, Command::Tombstone(job) if job.job_id == a && job.dispatch == 1));
    assert!(tombstone);
    world.elapse(100);
    assert_eq!(
        (world.status(id), world.publications(a)),
        (S::Cancelling, 1),
        "it is not over until nobody can start it"
    );
    world.never_started(a);
    assert_eq!(world.status(id), S::Cancelled);
    assert_eq!(world.send(a, JobEventKind::Started), Outcome::Ignored(Ignored::Finished));
    assert_eq!(world.stops().len(), 1, "whoever begins it all the same is told");
}

#[test]
fn fault_7_a_finished_workflow_cannot_be_made_cancelling() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    world.complete(world.sub_job(id, "validation"), validated(0));
    let before = world.effects.len();
    let refused = Refusal::Transition { status: S::Completed, trigger: Trigger::Cancel };
    for outcome in [world.cancel(id), world.cancel_now(id)] {
        assert_eq!(outcome, Outcome::Illegal(refused.clone()));
    }
    assert_eq!((world.status(id), world.effects.len()), (S::Completed, before));
}

#[test]
fn fault_8_a_child_that_completed_with_errors_is_no_success() {
    let (mut world, id) = flow();
    world.report(world.sub_job(id, "a"), completed_with_errors(json!({ "files": 1 }), 3));
    assert_eq!(world.steps(id)[0], "a completed_with_errors");
    for batch in 0..4 {
        world.complete(world.batch(id, "b", batch), json!({}));
    }
    world.complete(world.sub_job(id, "c"), json!({}));
    assert_eq!(
        (world.status(id), world.result(id)["summary"]["total_errors"].clone()),
        (S::CompletedWithErrors, json!(3))
    );
}

#[test]
fn fault_9_only_what_completed_shows_100() {
    let ends: [fn(&mut World, JobId); 3] = [
        |world, id| world.fail(id, broken()),
        |world, id| {
            world.report(
                id,
                JobEventKind::Failed {
                    error: broken(),
                    result: None,
                    items: Default::default(),
                    progress: Some(percent(100.0)),
                },
            )
        },
        |world, id| {
            world.cancel(id);
            world.stopped(id);
        },
    ];
    for end in ends {
        let mut world = World::with(&["{ name: w, steps: [{ key: a, job: work, on_failure: fail }] }"]);
        let id = world.submit("w", json!({}));
        let a = world.sub_job(id, "a");
        world.progress(a, 100.0);
        assert_eq!((world.bar(a), world.bar(id)), (99.99, 99.99));
        end(&mut world, a);
        assert!(world.job(id).is_terminal() && world.bar(id) < 100.0 && world.bar(a) < 100.0);
    }
}

#[test]
fn fault_10_the_result_is_there_as_soon_as_the_status() {
    let (mut world, id) = begun(json!({ "import_path": "/in" }));
    let validation = world.sub_job(id, "validation");
    // One transaction: the sub-job's end, the workflow's, and both results. The audit looks after each.
    world.complete(validation, validated(0));
    assert_eq!(world.status(id), S::Completed);
    assert_eq!(world.result(id)["status"], "completed");
    assert_eq!(world.result(id)["steps"]["validation"]["result"]["valid_files"], 0);
    let told =
        world.effects.iter().filter(|effect| matches!(effect, Command::Notify { job_id } if *job_id == id)).count();
    assert_eq!(told, 1);
}

/// The older design went 40→35, and over 100.
#[test]
fn fault_12_the_bar_neither_goes_back_nor_over_100() {
    let (mut world, id) = flow();
    world.complete(world.sub_job(id, "a"), json!({ "files": 1 }));
    let batch = world.batch(id, "b", 0);
    world.start(batch);
    let mut bars = Vec::new();
    for hundred in [57.0, 20.0, 250.0, -4.0] {
        world.send(batch, JobEventKind::Progress(percent(hundred)));
        bars.push((world.bar(batch), world.bar(id)));
    }
    assert_eq!(bars, [(57.0, 39.99), (57.0, 39.99), (99.99, 43.75), (99.99, 43.75)]);
    world.fail(batch, flaky());
    world.elapse(1);
    world.start(batch);
    world.send(batch, JobEventKind::Progress(percent(1.0)));
    assert_eq!((world.bar(batch), world.bar(id)), (99.99, 43.75), "a retry keeps the high-water mark");
    let report = ProgressReport { processed: Some(30), total: Some(10), ..ProgressReport::default() };
    let other = world.batch(id, "b", 1);
    world.report(other, JobEventKind::Progress(report));
    assert_eq!(world.bar(other), 99.99);
}

#[test]
fn fault_14_partial_results_outlive_failure_and_cancel() {
    let (mut world, id) = flow();
    world.complete(world.sub_job(id, "a"), json!({ "files": 1 }));
    let batches = [0, 1, 2, 3].map(|batch| world.batch(id, "b", batch));
    world.complete(batches[0], json!({ "rows": 10 }));
    let failure = JobEventKind::Failed {
        error: broken(),
        result: Some(json!({ "rows": 4 })),
        items: Default::default(),
        progress: Some(percent(40.0)),
    };
    world.report(batches[1], failure);
    world.start(batches[2]);
    world.cancel(id);
    world.report(
        batches[2],
        JobEventKind::Cancelled { result: Some(json!({ "rows": 2 })), items: Default::default(), progress: None },
    );
    world.never_started(batches[3]);
    assert_eq!(world.status(id), S::Cancelled);
    let result = world.result(id);
    let rows: Vec<_> = (0..4).map(|batch| result["steps"]["b"][batch]["result"]["rows"].clone()).collect();
    assert_eq!(json!(rows), json!([10, 4, 2, null]));
    assert_eq!(result["steps"]["a"]["result"]["files"], 1);
}

/// A service that cannot be asked is an error, not an answer of nothing.
#[test]
fn fault_15_an_outside_error_is_not_nothing_to_do() {
    let (mut world, id) = flow();
    let unavailable = drover_protocol::JobError::permanent("service", "GET http://scanner/files: 503");
    world.report(world.sub_job(id, "a"), failed(unavailable));
    // `finish_if` would have read `files == 0` out of a missing result: it is not asked after a failure.
    assert_eq!((world.status(id), world.steps(id)[0].as_str()), (S::Running, "a failed"));
    assert_ne!(world.message(id), "Nothing to do");
    // And a result without the field is an error of the expression, not a zero.
    let (mut world, id) = flow();
    world.complete(world.sub_job(id, "a"), json!({}));
    assert_eq!(world.steps(id)[0], "a failed");
    let error = world.job(id).workflow.unwrap().state.steps[0].error.clone().unwrap();
    assert!(error.message.contains("steps.a.result.files"), "{error}");
}
