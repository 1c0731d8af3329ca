//! A user's retry: of workflows, from what failed or from the start, and of sub-jobs under a running one.

use drover_protocol::{JobEventKind, JobId, JobStatus as S};
use serde_json::{Value, json};

use super::{
    play::{broken, completed_with_errors, flaky},
    world::World,
};
use crate::{Ignored, Outcome, Refusal, Trigger};

const CHAIN: &str = "
name: chain
steps:
  - { key: a, job: work, params: { n: '${input.n}' } }
  - { key: b, job: work, on_failure: fail, params: { a: '${steps.a.result.n}', attempt: '${workflow.attempt}' } }
  - { key: c, job: work }
cleanup: [{ key: tidy, job: clean }]
";

/// A chain that failed at its second step.
fn failed() -> (World, JobId) {
    let mut world = World::with(&[CHAIN]);
    let id = world.submit("chain", json!({ "n": 1 }));
    world.complete(world.sub_job(id, "a"), json!({ "n": 2 }));
    let b = world.sub_job(id, "b");
    world.progress(b, 70.0);
    world.fail(b, broken());
    world.complete(world.sub_job(id, "tidy"), json!({}));
    assert_eq!((world.status(id), world.bar(id)), (S::Failed, 56.66));
    (world, id)
}

#[test]
fn a_retry_goes_on_from_what_failed_with_the_results_before_it() {
    let (mut world, id) = failed();
    let (a, b) = (world.sub_job(id, "a"), world.sub_job(id, "b"));
    assert_eq!(world.retry(id), Outcome::Applied);
    let job = world.job(id);
    assert_eq!((job.status, job.run, job.attempt, job.error, job.finished_at), (S::Running, 1, 2, None, None));
    assert_eq!(world.store.rows[&id].result, None, "the result of the old run is gone");
    assert_eq!(world.bar(id), 33.33, "a new run begins where its kept steps end");
    assert_eq!(world.steps(id), ["a completed", "b running", "c pending"], "clean-up has not begun");
    assert_eq!((world.publications(a), world.publications(b), world.job(b).run), (1, 2, 1));
    world.complete(b, json!({}));
    world.complete(world.sub_job(id, "c"), json!({}));
    assert_eq!((world.status(id), world.result(id)["summary"]["total_errors"].clone()), (S::Completed, json!(0)));
    assert_eq!(world.steps(id), ["a completed", "b completed", "c completed"]);
}

#[test]
fn a_retry_from_the_start_does_everything_again_with_the_same_sub_jobs() {
    let (mut world, id) = failed();
    let (a, b) = (world.sub_job(id, "a"), world.sub_job(id, "b"));
    assert_eq!(world.retry_from_start(id), Outcome::Applied);
    assert_eq!(
        (world.bar(id), world.steps(id)),
        (0.0, vec!["a running".into(), "b pending".into(), "c pending".into()])
    );
    assert_eq!((world.job(a).run, world.job(a).dispatch), (1, 2));
    world.complete(a, json!({ "n": 20 }));
    assert_eq!(world.params(b), json!({ "a": 20, "attempt": 2 }), "parameters are made anew");
    world.fail(b, broken());
    assert_eq!(world.publications(world.sub_job(id, "tidy")), 2);
}

#[test]
fn what_cannot_be_retried_is_refused() {
    let (mut world, id) = failed();
    let (a, b) = (world.sub_job(id, "a"), world.sub_job(id, "b"));
    let transition = |status| Outcome::Illegal(Refusal::Transition { status, trigger: Trigger::Retry });
    assert_eq!(world.retry(a), transition(S::Completed));
    assert_eq!(world.retry(b), Outcome::Illegal(Refusal::ParentPast { parent: id }));
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.retry(id), transition(S::Running));
    assert_eq!(world.retry(b), transition(S::Pending));
    assert_eq!(
        Refusal::ParentPast { parent: id }.to_string(),
        format!("its workflow {id} no longer waits for this sub-job; retry the workflow instead")
    );
    assert_eq!(
        Refusal::Transition { status: S::Running, trigger: Trigger::Retry }.to_string(),
        "a job that is running takes no retry"
    );
}

const EACH: &str = "
name: each
steps:
  - { key: list, job: work }
  - key: a
    job: work
    for_each: '${steps.list.result.list}'
    max_parallel: 2
    params: { item: '${batch.items[0]}', attempt: '${workflow.attempt}' }
  - { key: b, job: work, params: { totals: '${steps.a.totals}' } }
";

/// Three of five batches completed, one of them with two errors.
fn partly() -> (World, JobId) {
    let mut world = World::with(&[EACH]);
    let id = world.submit("each", json!({}));
    world.complete(world.sub_job(id, "list"), json!({ "list": [10, 11, 12, 13, 14] }));
    for batch in 0..5 {
        let sub_job = world.batch(id, "a", batch);
        match batch {
            1 | 4 => world.fail(sub_job, broken()),
            3 => world.report(sub_job, completed_with_errors(json!({ "n": 1 }), 2)),
            _ => world.complete(sub_job, json!({ "n": 1 })),
        }
    }
    world.complete(world.sub_job(id, "b"), json!({}));
    assert_eq!((world.status(id), world.job(id).error_count), (S::CompletedWithErrors, 4));
    (world, id)
}

#[test]
fn a_fan_out_is_retried_for_the_batches_that_failed() {
    let (mut world, id) = partly();
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!((world.bar(id), world.leaves()), (53.33, vec![world.batch(id, "a", 1), world.batch(id, "a", 4)]));
    let step = &world.metadata(id).steps[1];
    assert_eq!((step.total, step.done, step.failed), (5, 3, 0));
    assert_eq!(world.params(world.batch(id, "a", 1)), json!({ "item": 11, "attempt": 1 }), "as it was");
    world.complete(world.batch(id, "a", 4), json!({ "n": 5 }));
    world.complete(world.batch(id, "a", 1), json!({ "n": 5 }));
    assert_eq!(world.params(world.sub_job(id, "b")), json!({ "totals": { "n": 13 } }), "each batch is summed up once");
    world.complete(world.sub_job(id, "b"), json!({}));
    assert_eq!(
        (world.status(id), world.job(id).error_count),
        (S::CompletedWithErrors, 2),
        "what is kept keeps its errors"
    );
}

#[test]
fn a_fan_out_retried_from_the_start_uses_its_sub_jobs_again_over_a_new_list() {
    let (mut world, id) = partly();
    world.retry_from_start(id);
    world.complete(world.sub_job(id, "list"), json!({ "list": [20, 21, 22] }));
    assert_eq!(world.metadata(id).steps[1].total, 3);
    for batch in 0..3 {
        let sub_job = world.batch(id, "a", batch);
        assert_eq!(world.params(sub_job), json!({ "item": 20 + batch, "attempt": 2 }));
        world.complete(sub_job, json!({ "n": 1 }));
    }
    assert_eq!(world.params(world.sub_job(id, "b")), json!({ "totals": { "n": 3 } }));
    world.complete(world.sub_job(id, "b"), json!({}));
    assert_eq!((world.status(id), world.job(id).error_count), (S::Completed, 0));
    let results = world.result(id)["steps"]["a"].clone();
    assert_eq!(results.as_array().map(Vec::len), Some(3), "none of the longer list that was");
}

#[test]
fn a_failed_batch_is_retried_while_others_of_it_run() {
    let mut world = World::with(&[EACH]);
    let id = world.submit("each", json!({}));
    world.complete(world.sub_job(id, "list"), json!({ "list": [1, 2, 3] }));
    let (first, second) = (world.batch(id, "a", 0), world.batch(id, "a", 1));
    world.start(first);
    world.progress(first, 60.0);
    world.fail(first, broken());
    let bar = world.bar(id);
    assert_eq!(world.retry(first), Outcome::Applied);
    assert_eq!((world.bar(first), world.bar(id)), (0.0, bar), "the workflow's bar does not go back");
    assert_eq!(world.metadata(id).steps[1].failed, 0);
    world.complete(second, json!({}));
    world.complete(world.batch(id, "a", 2), json!({}));
    assert_eq!(world.steps(id)[1], "a running", "it is waited for");
    world.complete(first, json!({}));
    world.complete(world.sub_job(id, "b"), json!({}));
    assert_eq!(world.status(id), S::Completed);
}

#[test]
fn a_batch_that_its_workflow_is_going_to_retry_is_not_retried_twice() {
    let mut world = World::with(&[EACH]);
    let id = world.submit("each", json!({}));
    world.complete(world.sub_job(id, "list"), json!({ "list": [1, 2, 3, 4] }));
    for batch in 0..4 {
        world.fail(world.batch(id, "a", batch), broken());
    }
    world.complete(world.sub_job(id, "b"), json!({}));
    world.retry(id);
    let last = world.batch(id, "a", 3);
    assert_eq!((world.status(last), world.leaves().len()), (S::Failed, 2), "the window has not come to it");
    assert_eq!(world.retry(last), Outcome::Ignored(Ignored::Repeat));
    for batch in 0..4 {
        world.complete(world.batch(id, "a", batch), json!({}));
    }
    assert_eq!((world.publications(last), world.metadata(id).steps[1].done), (2, 4));
}

#[test]
fn a_sub_job_is_not_retried_under_a_workflow_that_is_ending() {
    let definition = "{ name: w, steps: [{ key: a, job: work, for_each: '${[1, 2, 3]}', TOLERATE }] }";
    for (tolerate, cancels) in [("tolerate: 0", false), ("tolerate: 3", true)] {
        let mut world = World::with(&[&definition.replace("TOLERATE", tolerate)]);
        let id = world.submit("w", json!({}));
        let first = world.batch(id, "a", 0);
        world.start(world.batch(id, "a", 1));
        world.fail(first, flaky());
        if cancels {
            world.cancel(id);
        }
        assert_eq!(world.retry(first), Outcome::Illegal(Refusal::ParentPast { parent: id }));
    }
}

#[test]
fn a_cancelled_workflow_goes_on_where_it_was_stopped() {
    let mut world = World::with(&[CHAIN]);
    let id = world.submit("chain", json!({ "n": 1 }));
    let a = world.sub_job(id, "a");
    world.start(a);
    world.cancel(id);
    // The cancel comes too late for the job, and in time for the workflow.
    world.complete(a, json!({ "n": 2 }));
    world.complete(world.sub_job(id, "tidy"), json!({}));
    assert_eq!((world.status(id), world.steps(id)[0].as_str()), (S::Cancelled, "a completed"));
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.steps(id), ["a completed", "b running", "c pending"]);
    assert_eq!(world.job(id).cancel, None);
}

#[test]
fn a_workflow_cancelled_before_it_began_runs_whole_when_retried() {
    let mut world = World::with(&[CHAIN]);
    let later = world.now + chrono::TimeDelta::days(1);
    let id = world.submit_with("chain", json!({ "n": 1 }), crate::job::Policy::default(), Some(later));
    world.cancel(id);
    assert_eq!(world.status(id), S::Cancelled);
    assert_eq!(world.retry(id), Outcome::Applied);
    assert_eq!(world.steps(id), ["a running", "b pending", "c pending"]);
}

#[test]
fn a_step_that_its_condition_skipped_stays_skipped() {
    let mut world = World::with(&["
name: w
steps:
  - { key: a, job: work, if: '${false}' }
  - { key: b, job: work, on_failure: fail }
"]);
    let id = world.submit("w", json!({}));
    world.fail(world.sub_job(id, "b"), broken());
    world.retry(id);
    assert_eq!(world.steps(id), ["a skipped", "b running"]);
}

#[test]
fn a_job_of_its_own_is_retried_with_a_new_policy_s_worth_of_attempts() {
    let mut world = World::with(&[]);
    let retry = crate::definition::RetryPolicy { attempts: 2, jitter: false, ..Default::default() };
    let id = world.submit_with("work", Value::Null, crate::job::Policy { retry, ..Default::default() }, None);
    for _ in 0..2 {
        world.fail(id, flaky());
        world.elapse(1);
    }
    assert_eq!((world.status(id), world.job(id).attempt), (S::Failed, 2));
    world.retry(id);
    assert_eq!((world.job(id).attempt, world.job(id).failures), (3, 0));
    world.fail(id, flaky());
    assert_eq!(world.status(id), S::Pending);
}

#[test]
fn a_job_that_is_given_back_keeps_its_bar_until_it_passes_it() {
    let mut world = World::with(&["{ name: w, steps: [{ key: a, job: work }] }"]);
    let id = world.submit("w", json!({}));
    let job = world.sub_job(id, "a");
    world.progress(job, 40.0);
    world.report(job, JobEventKind::Released { progress: None });
    assert_eq!((world.status(job), world.bar(job), world.bar(id)), (S::Pending, 40.0, 40.0));
    world.progress(job, 10.0);
    assert_eq!((world.bar(job), world.bar(id)), (40.0, 40.0));
    world.progress(job, 60.0);
    assert_eq!((world.bar(job), world.bar(id)), (60.0, 60.0));
}

/// Found by the simulation: the batch was taken for done, and the workflow waited for it for ever.
#[test]
fn what_only_an_earlier_run_completed_is_not_kept_by_the_retry_of_a_run_from_the_start() {
    let mut world = World::with(&["
name: w
steps:
  - { key: each, job: work, for_each: '${[1, 2, 3]}', max_parallel: 1, tolerate: 0, on_failure: fail }
  - { key: last, job: work, on_failure: fail }
"]);
    let id = world.submit("w", json!({}));
    for batch in 0..3 {
        world.complete(world.batch(id, "each", batch), json!({ "run": 1 }));
    }
    world.fail(world.sub_job(id, "last"), broken());
    assert_eq!(world.retry_from_start(id), Outcome::Applied);
    world.complete(world.batch(id, "each", 0), json!({ "run": 2 }));
    world.fail(world.batch(id, "each", 1), broken());
    assert_eq!(world.status(id), S::Failed, "it had not come to the last batch");

    assert_eq!(world.retry(id), Outcome::Applied);
    world.complete(world.batch(id, "each", 1), json!({ "run": 3 }));
    world.complete(world.batch(id, "each", 2), json!({ "run": 3 }));
    world.complete(world.sub_job(id, "last"), json!({}));
    assert_eq!(world.status(id), S::Completed);
    let begun = |batch| world.publications(world.batch(id, "each", batch));
    assert_eq!((begun(0), begun(1), begun(2)), (2, 3, 2), "what the run from the start completed is kept");
}
