//! Cancels that wait for nothing, or no longer, and those that go down through the levels.

use drover_protocol::{JobEventKind, JobId, JobStatus as S};
use serde_json::json;

use super::{
    cancels::fanned_out,
    play::{WORKER, flaky, percent},
    world::World,
};
use crate::{Command, Ignored, Outcome};

#[test]
fn a_cancel_that_waits_too_long_names_what_it_abandons() {
    let (mut world, id) = fanned_out();
    let first = world.batch(id, "each", 0);
    world.cancel(id);
    for batch in 1..3 {
        world.never_started(world.batch(id, "each", batch));
    }
    world.elapse(299);
    assert_eq!(world.status(id), S::Cancelling);
    world.elapse(1);
    assert_eq!((world.status(first), world.job(first).error.unwrap().kind), (S::Cancelled, "abandoned".into()));
    // Clean-up has a time of its own, and is abandoned in its turn.
    let tidy = world.sub_job(id, "tidy");
    world.start(tidy);
    world.elapse(299);
    assert_eq!(world.status(id), S::Cancelling);
    world.elapse(1);
    let job = world.job(id);
    assert_eq!((job.status, world.status(tidy)), (S::Cancelled, S::Cancelled));
    let error = job.error.unwrap();
    assert_eq!(error.message, format!("abandoned (it did not stop in time): clean {tidy} on worker {WORKER}"));
    let told = world.effects.iter().any(|effect| match effect {
        Command::Record(record) => record.job_id == first && record.kind == "abandoned",
        _ => false,
    });
    assert!(told, "the history names the others");
    // Whoever still runs it is told to stop, and changes nothing.
    assert_eq!(world.send(first, JobEventKind::Progress(percent(99.0))), Outcome::Ignored(Ignored::Finished));
    assert_eq!(world.stops(), [(WORKER, 1)]);
}

#[test]
fn a_cancel_now_waits_for_nothing_but_clean_up() {
    let (mut world, id) = fanned_out();
    let batches: Vec<JobId> = (0..3).map(|batch| world.batch(id, "each", batch)).collect();
    assert_eq!(world.cancel_now(id), Outcome::Applied);
    assert!(batches.iter().all(|batch| world.status(*batch) == S::Cancelled));
    let error = world.job(id).error.unwrap().message;
    assert!(
        error.contains(&format!("work batch 0 {} on worker {WORKER}, work batch 1 {}", batches[0], batches[1])),
        "{error}"
    );
    assert_eq!(world.status(id), S::Cancelling);
    world.complete(world.sub_job(id, "tidy"), json!({}));
    assert_eq!((world.status(id), world.result(id)["error"]["kind"].clone()), (S::Cancelled, json!("abandoned")));
}

#[test]
fn a_cancel_under_way_is_hurried_on_by_a_cancel_now() {
    let (mut world, id) = fanned_out();
    world.cancel(id);
    assert_eq!(world.cancel_now(id), Outcome::Applied);
    assert_eq!(world.leaves(), [world.sub_job(id, "tidy")]);
    assert_eq!(world.cancel_now(id), Outcome::Applied, "and so is its clean-up");
    assert_eq!(world.status(id), S::Cancelled);
    let mut alone = World::with(&[]);
    let job = alone.submit("work", json!({}));
    alone.cancel_now(job);
    assert_eq!((alone.status(job), alone.tombstones()), (S::Cancelled, vec![job, job]));
}

const NESTED: &str = "
name: outer
steps:
  - key: each
    for_each: '${[1, 2]}'
    steps:
      - { key: a, job: work }
      - { key: b, job: work }
  - { key: child, workflow: child }
";
const CHILD: &str = "
name: child
steps: [{ key: a, job: work, on_failure: fail, retry: { attempts: 2 } }]
cleanup: [{ key: tidy, job: clean }]
";

#[test]
fn a_cancel_reaches_every_level_and_each_cleans_up_after_itself() {
    let mut world = World::with(&[NESTED, CHILD]);
    let id = world.submit("outer", json!({}));
    let (first, second) = (world.batch(id, "each", 0), world.batch(id, "each", 1));
    for scene in [first, second] {
        world.complete(world.sub_job(scene, "a"), json!({}));
        world.complete(world.sub_job(scene, "b"), json!({}));
    }
    let child = world.sub_job(id, "child");
    let a = world.sub_job(child, "a");
    world.start(a);
    world.cancel(id);
    assert_eq!([id, child, a].map(|id| world.status(id)), [S::Cancelling; 3]);
    assert_eq!(world.job(child).timeout_at, None, "the outermost has the clock");
    world.elapse(300);
    let tidy = world.sub_job(child, "tidy");
    assert_eq!([world.status(a), world.status(child), world.status(id)], [S::Cancelled, S::Cancelling, S::Cancelling]);
    let error = world.job(id).error.unwrap().message;
    assert!(error.contains(&a.to_string()), "one list names all: {error}");
    world.complete(tidy, json!({}));
    assert_eq!([world.status(child), world.status(id)], [S::Cancelled; 2]);
}

#[test]
fn a_child_workflow_in_its_back_off_is_cancelled_without_beginning_again() {
    let mut world =
        World::with(&["{ name: outer, steps: [{ key: child, workflow: child, retry: { attempts: 3 } }] }", CHILD]);
    let id = world.submit("outer", json!({}));
    let child = world.sub_job(id, "child");
    let a = world.sub_job(child, "a");
    world.fail(a, flaky());
    world.elapse(2);
    world.fail(a, flaky());
    world.complete(world.sub_job(child, "tidy"), json!({}));
    assert_eq!(world.status(child), S::Pending);
    world.cancel(id);
    assert_eq!([world.status(child), world.status(id)], [S::Cancelled; 2]);
    assert_eq!(world.publications(world.sub_job(child, "tidy")), 1, "it was cleaned up after already");
}
