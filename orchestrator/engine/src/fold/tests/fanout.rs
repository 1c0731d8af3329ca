//! Fan-outs: windows, lists that come as items, batches that cannot begin.

use drover_protocol::{JobEventKind, JobId, JobStatus as S, StepStatus};
use serde_json::{Value, json};

use super::{
    play::{broken, completed, completed_with_errors, failed, flaky, items},
    world::World,
};
use crate::{Input, Outcome};

fn begun(definition: &str, params: Value) -> (World, JobId) {
    let mut world = World::with(&[definition]);
    let id = world.submit("w", params);
    (world, id)
}

const LISTED: &str = "
name: w
steps:
  - { key: scan, job: scan }
  - { key: each, job: work, for_each: '${steps.scan.result.files}', batch_size: 2, params: { files: '${batch.items}' } }
  - { key: last, job: work, params: { each: '${steps.each.result}', count: '${size(steps.scan.result.files)}' } }
";

/// The end of a scan whose list of files has so many values.
fn scanned(count: u64) -> JobEventKind {
    let items = [("files".to_owned(), count)].into();
    JobEventKind::Completed { result: json!({ "seen": 9 }), warnings: Vec::new(), items, progress: None }
}

#[test]
fn a_long_list_is_referred_to_and_cut_into_batches() {
    let (mut world, id) = begun(LISTED, json!({}));
    let scan = world.sub_job(id, "scan");
    world.report(scan, items("files", &[1, 2]));
    world.report(scan, items("files", &[3]));
    world.report(scan, scanned(3));
    let list = json!({ "$items": { "job_id": scan, "name": "files", "count": 3 } });
    assert_eq!(world.result(scan), json!({ "seen": 9, "files": list }));
    assert_eq!(world.params(world.batch(id, "each", 0)), json!({ "files": [1, 2] }));
    assert_eq!(world.params(world.batch(id, "each", 1)), json!({ "files": [3] }));
    world.complete(world.batch(id, "each", 0), json!({ "n": 1 }));
    world.complete(world.batch(id, "each", 1), json!({ "n": 2 }));
    let last = world.params(world.sub_job(id, "last"));
    assert_eq!(last, json!({ "each": [{ "n": 1 }, { "n": 2 }], "count": 3 }));
}

#[test]
fn an_end_that_overtakes_its_list_waits_for_it() {
    let (mut world, id) = begun(LISTED, json!({}));
    let scan = world.sub_job(id, "scan");
    let (first, second) = (world.event(scan, items("files", &[1, 2])), world.event(scan, items("files", &[3])));
    world.report(scan, scanned(3));
    assert_eq!((world.status(scan), world.job(scan).parked.is_some()), (S::Running, true));
    world.apply(Input::Event(second));
    assert_eq!(world.status(scan), S::Running);
    // A chunk that comes twice counts once.
    let again = world.store.items.keys().next().unwrap().2;
    assert_eq!(again, 2);
    let mut repeat = first.clone();
    repeat.seq = again;
    assert!(matches!(world.apply(Input::Event(repeat)), Outcome::Ignored(_)));
    assert_eq!(world.status(scan), S::Running);
    world.apply(Input::Event(first));
    assert_eq!(world.status(scan), S::Completed);
    assert_eq!(world.params(world.batch(id, "each", 0)), json!({ "files": [1, 2] }), "joined in order of seq");
}

#[test]
fn a_list_that_its_end_does_not_name_is_as_long_as_it_came() {
    let (mut world, id) = begun(LISTED, json!({}));
    let scan = world.sub_job(id, "scan");
    world.report(scan, items("files", &[1, 2]));
    world.complete(scan, json!({ "seen": 2 }));
    let list = json!({ "$items": { "job_id": scan, "name": "files", "count": 2 } });
    assert_eq!(world.result(scan), json!({ "seen": 2, "files": list }));
}

#[test]
fn an_end_that_is_parked_is_forgotten_with_its_dispatch() {
    let (mut world, id) = begun(LISTED, json!({}));
    let scan = world.sub_job(id, "scan");
    world.report(scan, items("files", &[1]));
    world.report(scan, scanned(3));
    assert_eq!(world.lose(scan), Outcome::Applied);
    let job = world.job(scan);
    assert_eq!((job.status, job.parked, job.items.len(), job.attempt), (S::Pending, None, 0, 2));
    world.report(scan, items("files", &[5, 6]));
    world.report(scan, scanned(2));
    assert_eq!(world.params(world.batch(id, "each", 0)), json!({ "files": [5, 6] }), "none of the lost dispatch");
}

#[test]
fn a_partial_result_that_overtakes_its_list_waits_for_it() {
    let counts = || [("files".to_owned(), 2)].into();
    let stopped = JobEventKind::Cancelled { result: None, items: counts(), progress: None };
    let broke = JobEventKind::Failed { error: broken(), result: None, items: counts(), progress: None };
    for (cancel, end, last) in [(true, stopped, S::Cancelled), (false, broke, S::Failed)] {
        let (mut world, id) = begun(LISTED, json!({}));
        let scan = world.sub_job(id, "scan");
        let list = world.event(scan, items("files", &[1, 2]));
        if cancel {
            world.cancel(scan);
        }
        world.report(scan, end);
        assert!(!world.job(scan).is_terminal());
        world.apply(Input::Event(list));
        assert_eq!(world.status(scan), last);
        let list = json!({ "$items": { "job_id": scan, "name": "files", "count": 2 } });
        assert_eq!(world.result(scan), json!({ "files": list }));
    }
}

#[test]
fn lists_of_a_job_that_failed_or_stopped_are_kept_as_far_as_they_came() {
    let stopped = JobEventKind::Cancelled { result: None, items: Default::default(), progress: None };
    for (cancel, end) in [(false, failed(broken())), (true, stopped)] {
        let (mut world, id) = begun(LISTED, json!({}));
        let scan = world.sub_job(id, "scan");
        world.report(scan, items("files", &[1, 2]));
        if cancel {
            world.cancel(scan);
        }
        world.report(scan, end);
        let list = json!({ "$items": { "job_id": scan, "name": "files", "count": 2 } });
        assert_eq!(world.result(scan), json!({ "files": list }));
    }
}

#[test]
fn a_list_that_is_not_there_fails_its_step_rather_than_do_nothing() {
    let (mut world, id) = begun(LISTED, json!({}));
    let forged = json!({ "$items": { "job_id": JobId(uuid::Uuid::nil()), "name": "files", "count": 3 } });
    world.complete(world.sub_job(id, "scan"), json!({ "files": forged }));
    assert_eq!(world.steps(id)[1..], ["each failed", "last running"]);
    let error = world.job(id).workflow.unwrap().state.steps[1].error.clone().unwrap();
    let expected =
        "for_each ${steps.scan.result.files} refers to a list of 3 values, of which this workflow's jobs have sent 0";
    assert_eq!(error.message, expected);
}

#[test]
fn an_empty_list_is_no_batch_and_no_failure() {
    for end in [scanned(0), completed(json!({ "files": [] }))] {
        let (mut world, id) = begun(LISTED, json!({}));
        world.report(world.sub_job(id, "scan"), end);
        assert_eq!(world.steps(id)[1..], ["each completed", "last running"]);
        assert_eq!(world.params(world.sub_job(id, "last")), json!({ "each": [], "count": 0 }));
        world.complete(world.sub_job(id, "last"), json!({}));
        assert_eq!((world.status(id), world.result(id)["steps"]["each"].clone()), (S::Completed, json!([])));
    }
}

#[test]
fn the_window_is_never_wider_than_allowed_and_a_slot_is_held_through_a_back_off() {
    let (mut world, id) = begun(
        "{ name: w, steps: [{ key: a, job: work, for_each: '${input.list}', max_parallel: 3, retry: { attempts: 2 } }] }",
        json!({ "list": (0..10).collect::<Vec<_>>() }),
    );
    assert_eq!(world.leaves().len(), 3);
    world.fail(world.batch(id, "a", 0), flaky());
    assert_eq!(world.leaves().len(), 3, "it comes back; its slot is kept");
    for _ in 0..10 {
        world.elapse(60);
        assert!(world.leaves().len() <= 3);
        let leaf = world.leaves()[0];
        world.complete(leaf, json!({}));
    }
    assert_eq!((world.status(id), world.metadata(id).steps[0].done), (S::Completed, 10));
}

#[test]
fn batches_that_cannot_begin_are_failed_sub_jobs() {
    let (mut world, id) = begun(
        "{ name: w, steps: [{ key: a, job: work, for_each: '${input.list}', params: { x: '${10 / batch.items[0]}' } }] }",
        json!({ "list": [1, 0, 5] }),
    );
    let stub = world.batch(id, "a", 1);
    let error = world.job(stub).error.unwrap();
    assert_eq!((world.status(stub), error.kind.as_str(), world.publications(stub)), (S::Failed, "expression", 0));
    assert_eq!(world.params(world.batch(id, "a", 2)), json!({ "x": 2 }));
    world.complete(world.batch(id, "a", 0), json!({}));
    world.complete(world.batch(id, "a", 2), json!({}));
    assert_eq!(
        (world.status(id), world.result(id)["steps"]["a"][1]["error"]["kind"].clone()),
        (S::CompletedWithErrors, json!("expression"))
    );
    // A retry evaluates again, and comes to the same end.
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!((world.status(stub), world.publications(stub)), (S::Failed, 0));
    assert_eq!(world.status(id), S::CompletedWithErrors);
}

#[test]
fn a_budget_used_up_by_batches_that_cannot_begin_begins_no_more() {
    let (world, id) = begun(
        "{ name: w, steps: [{ key: a, job: work, for_each: '${input.list}', tolerate: 1, params: { x: '${10 / batch.items[0]}' } }] }",
        json!({ "list": [0, 0, 5, 5] }),
    );
    assert_eq!(world.find(id, "a", Some(2)), None);
    assert_eq!((world.status(id), world.steps(id)), (S::CompletedWithErrors, vec!["a failed".into()]));
    let step = &world.metadata(id).steps[0];
    assert_eq!((step.total, step.failed, step.running), (4, 2, 0));
}

#[test]
fn a_step_fails_when_all_of_its_batches_do_or_one_more_than_it_tolerates() {
    let status = |tolerate: &str, ends: &[usize]| {
        let step = format!("{{ key: a, job: work, for_each: '${{input.list}}'{tolerate} }}");
        let (mut world, id) = begun(&format!("{{ name: w, steps: [{step}] }}"), json!({ "list": [1, 2, 3, 4] }));
        for (batch, end) in (0..).zip(ends) {
            let id = world.batch(id, "a", batch);
            match end {
                0 => world.complete(id, json!({})),
                1 => world.fail(id, broken()),
                _ => world.report(id, completed_with_errors(json!({}), 1)),
            }
        }
        world.metadata(id).steps[0].status
    };
    use StepStatus as T;
    assert_eq!(status("", &[0, 0, 0, 0]), T::Completed);
    assert_eq!(status("", &[0, 0, 0, 2]), T::CompletedWithErrors);
    assert_eq!(status("", &[2, 2, 2, 2]), T::CompletedWithErrors);
    assert_eq!(status("", &[1, 1, 1, 0]), T::CompletedWithErrors);
    assert_eq!(status("", &[1, 1, 1, 1]), T::Failed);
    assert_eq!(status(", tolerate: 0", &[1, 0, 0, 0]), T::Failed);
    assert_eq!(status(", tolerate: 1", &[1, 0, 0, 0]), T::CompletedWithErrors);
    assert_eq!(status(", tolerate: 25%", &[1, 0, 0, 0]), T::CompletedWithErrors);
    assert_eq!(status(", tolerate: 25%", &[1, 1, 0, 0]), T::Failed);
}

#[test]
fn the_result_of_one_fan_out_feeds_the_next() {
    let (mut world, id) = begun(
        "
name: w
steps:
  - { key: a, job: work, for_each: '${input.list}' }
  - { key: b, job: work, for_each: '${steps.a.result.map(r, r.path)}', params: { all: '${batch.items}', of: '${batch.count}' } }
",
        json!({ "list": [1, 2] }),
    );
    world.complete(world.batch(id, "a", 1), json!({ "path": "/b" }));
    world.complete(world.batch(id, "a", 0), json!({ "path": "/a" }));
    assert_eq!(world.params(world.batch(id, "b", 1)), json!({ "all": ["/b"], "of": 2 }));
}
