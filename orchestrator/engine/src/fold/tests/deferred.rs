//! Trees for which much is done at once go on in the next fold.

use drover_protocol::{JobId, JobStatus as S};
use serde_json::json;

use super::{play::broken, world::World};
use crate::{Input, Outcome};

/// A fan-out whose batches have nothing to do.
fn nothing(batches: u32, max_parallel: u32) -> (World, JobId) {
    let text = format!(
        "
name: w
steps:
  - key: each
    for_each: '${{input.n}}'
    max_parallel: {max_parallel}
    params: {{ items: '${{batch.items}}' }}
    steps: [{{ key: no, job: work, if: '${{false}}' }}]
"
    );
    let mut world = World::with(&[&text]);
    world.limits.effort = 600;
    let list: Vec<u32> = (0..batches).collect();
    let id = world.submit("w", json!({ "n": list }));
    (world, id)
}

fn deferred(world: &World) -> Vec<JobId> {
    let deferred = |job: &&crate::Job| job.due_at.is_some() && job.status == S::Running;
    world.store.rows.values().map(|row| &row.job).filter(deferred).map(|job| job.id).collect()
}

/// Lets the first of those that wait go on.
fn go_on(world: &mut World) {
    let job_id = deferred(world)[0];
    assert_eq!(world.apply(Input::Due { job_id }), Outcome::Applied);
}

fn completed(world: &World, id: JobId) -> u32 {
    world.metadata(id).steps[0].done
}

#[test]
fn batches_that_end_where_they_begin_fill_no_fold() {
    for max_parallel in [1, 16, 200] {
        let (mut world, id) = nothing(1_000, max_parallel);
        let mut folds = 1;
        let mut seen = completed(&world, id);
        while world.status(id) == S::Running {
            go_on(&mut world);
            let done = completed(&world, id);
            assert!(done > seen && done - seen <= 400, "{max_parallel}: from {seen} to {done} in one fold");
            (seen, folds) = (done, folds + 1);
        }
        assert_eq!((world.status(id), completed(&world, id)), (S::Completed, 1_000), "{max_parallel}");
        assert!(folds > 2, "{max_parallel}: {folds}");
    }
}

#[test]
fn batches_that_cannot_begin_fill_none_either() {
    let text = "
name: w
steps:
  - key: each
    for_each: '${input.n}'
    tolerate: '100%'
    max_parallel: 1000
    job: work
    params: { none: '${batch.items[1]}' }
";
    let mut world = World::with(&[text]);
    let list: Vec<u32> = (0..9_000).collect();
    let id = world.submit("w", json!({ "n": list }));
    let failed = |world: &World| world.metadata(id).steps[0].failed;
    assert!(failed(&world) < 6_000, "{}", failed(&world));
    while !deferred(&world).is_empty() {
        go_on(&mut world);
    }
    assert_eq!((failed(&world), world.status(id)), (9_000, S::CompletedWithErrors));
}

#[test]
fn steps_that_end_where_they_begin_are_a_chain_over_several_folds() {
    let mut world = World::with(&[
        "name: none\nsteps: [{ key: no, job: work, if: '${false}' }]",
        "name: w\nsteps:\n  - { key: a, workflow: none, repeat: { until: '${repeat.round == 900}', max: 900 } }\n  - { key: b, job: work }",
    ]);
    let id = world.submit("w", json!({}));
    let mut folds = 1;
    while !deferred(&world).is_empty() {
        go_on(&mut world);
        folds += 1;
    }
    assert!(folds > 3, "{folds}");
    assert_eq!(world.steps(id), ["a completed", "b running"]);
}

#[test]
fn nothing_but_its_time_lets_it_go_on() {
    let (mut world, id) = nothing(200, 1);
    let done = completed(&world, id);
    assert_eq!(world.apply(Input::Pause { job_id: id }), Outcome::Applied);
    assert_eq!(world.apply(Input::Due { job_id: id }), Outcome::Ignored(crate::Ignored::Repeat), "it is paused");
    assert_eq!(world.apply(Input::Resume { job_id: id }), Outcome::Applied);
    assert_eq!(completed(&world, id), done);
    assert_eq!(world.apply(Input::Due { job_id: id }), Outcome::Applied);
    assert!(completed(&world, id) > done);
}

#[test]
fn a_cancel_ends_it() {
    let (mut world, id) = nothing(200, 1);
    assert_eq!(world.cancel(id), Outcome::Applied);
    assert_eq!((world.status(id), world.job(id).due_at), (S::Cancelled, None));
    assert_eq!(world.retry(id), Outcome::Applied);
    while !deferred(&world).is_empty() {
        go_on(&mut world);
    }
    assert_eq!((world.status(id), completed(&world, id)), (S::Completed, 200));
}

#[test]
fn under_a_pause_it_ends_with_the_last_of_its_sub_jobs() {
    let text = "
name: w
steps:
  - key: each
    for_each: '${input.n}'
    max_parallel: 2
    tolerate: 0
    params: { item: '${batch.items[0]}' }
    steps: [{ key: work, job: work, if: '${input.item == 0}', on_failure: fail }]
";
    let mut world = World::with(&[text]);
    let list: Vec<u32> = (0..2_000).collect();
    let id = world.submit("w", json!({ "n": list }));
    assert_eq!(deferred(&world), [id]);
    let work = world.leaves()[0];
    assert_eq!(world.apply(Input::Pause { job_id: id }), Outcome::Applied);
    world.fail(work, broken());
    assert_eq!(world.status(id), S::CompletedWithErrors, "nothing of it runs, and nothing more is begun");
}
