//! Workflows of scripted jobs: fan-outs, failures, retries, time-outs, nesting.

use drover_tests::Fleet;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shapes::{assert_metadata, assert_result, step};

const WORKER: &str = "drover-test-worker";

pub(crate) async fn fleet() -> Fleet {
    let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
    fleet.workers(WORKER, 1, &[("DROVER__WORKER__CONCURRENCY", "8")]).await.expect("the worker starts");
    fleet
}

/// A workflow of one step whose sub-jobs get the elements of `input.items` as their parameters.
pub(crate) fn fan_out(name: &str, more: &str) -> String {
    format!(
        "name: {name}
title: A fan-out
steps:
  - key: work
    title: Work
    job: script
    for_each: \"${{input.items}}\"
    params: \"${{batch.items[0]}}\"
{more}
summary:
  count: \"${{steps.work.totals.count}}\"
"
    )
}

fn scripts(count: usize, failing: usize) -> Value {
    let script = |index: usize| {
        if index < failing {
            json!({ "fail_attempts": 9, "retryable": false })
        } else {
            json!({ "result": { "count": 1, "index": index } })
        }
    };
    json!({ "items": (0..count).map(script).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_fan_out_joins_with_all_of_its_results() {
    let fleet = fleet().await;
    fleet.apply(&fan_out("joined", "    max_parallel: 4")).await.expect("valid");
    let job = fleet.run("joined", scripts(50, 0)).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["result"]["summary"], json!({ "count": 50, "total_errors": 0 }));
    let batches = job["result"]["steps"]["work"].as_array().expect("a list");
    let indexes: Vec<u64> = batches.iter().filter_map(|batch| batch["result"]["index"].as_u64()).collect();
    assert_eq!(indexes, (0..50).collect::<Vec<u64>>());
    assert_metadata(&job);
    assert_result(&job);
}

#[tokio::test]
async fn failing_batches_within_tolerance_leave_the_step_with_errors() {
    let fleet = fleet().await;
    fleet.apply(&fan_out("within", "    tolerate: 2")).await.expect("valid");
    let job = fleet.run("within", scripts(20, 2)).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    let work = step(&job, "work");
    assert_eq!(
        (&work["status"], &work["done"], &work["failed"]),
        (&json!("completed_with_errors"), &json!(18), &json!(2))
    );
    assert_eq!(job["result"]["summary"]["total_errors"], 2);
}

#[tokio::test]
async fn failing_batches_beyond_tolerance_fail_the_step() {
    let fleet = fleet().await;
    fleet
        .apply(&fan_out("beyond", "    tolerate: 5%\n    max_parallel: 2\n    on_failure: fail"))
        .await
        .expect("valid");
    let job = fleet.run("beyond", scripts(40, 10)).await.expect("it ends");
    assert_eq!(job["status"], "failed", "{job}");
    let work = step(&job, "work");
    assert_eq!(work["status"], "failed");
    let begun = work["done"].as_u64().unwrap_or(0) + work["failed"].as_u64().unwrap_or(0);
    assert!(begun < 40, "the rest was not begun: {work}");
    assert_ne!(job["progress"], 100.0, "fault 9: what failed shows no 100 %");
    assert_result(&job);
}

#[tokio::test]
async fn a_retry_succeeds_on_the_third_attempt() {
    let fleet = fleet().await;
    let definition = "name: stubborn
title: Third time lucky
steps:
  - key: work
    title: Work
    job: script
    params: { fail_attempts: 2 }
    retry: { attempts: 3, initial: 50ms, max: 100ms }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("stubborn", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    let work = &job["result"]["steps"]["work"];
    assert_eq!(work["result"], json!({ "attempt": 3 }));
    assert_eq!(job["result"]["summary"]["total_errors"], 0);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped_by_its_worker() {
    let fleet = fleet().await;
    let definition = "name: slow
title: Too slow
steps:
  - key: work
    title: Work
    job: script
    params: { gate: /no/such/gate }
    timeout: 300ms
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("slow", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    assert_eq!(job["result"]["steps"]["work"]["error"]["kind"], "timeout", "{job}");
}

#[tokio::test]
async fn fault_14_a_failed_step_keeps_its_partial_result() {
    let fleet = fleet().await;
    let definition = "name: partial
title: Partial
steps:
  - { key: first, title: First, job: script, params: { fail_attempts: 1, retryable: false } }
  - { key: second, title: Second, job: noop, params: { value: 7 } }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("partial", json!({})).await.expect("it ends");
    let steps = &job["result"]["steps"];
    assert_eq!(steps["first"]["result"], json!({ "partial": 1 }), "{job}");
    assert_eq!(steps["second"]["result"]["value"], 7, "later steps go on");
    assert_eq!(job["status"], "completed_with_errors");
}

#[tokio::test]
async fn a_panic_fails_its_job_alone() {
    let fleet = fleet().await;
    let job = fleet.run("script", json!({ "panic": true })).await.expect("it ends");
    assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("panic")), "{job}");
    let job = fleet.run("noop", json!({})).await.expect("fault 4: the slot lives on");
    assert_eq!(job["status"], "completed");
}

#[tokio::test]
async fn fault_6_waiting_workflows_hold_no_worker() {
    let mut fleet = Fleet::start(1, &[]).await.expect("the orchestrator starts");
    fleet.workers(WORKER, 1, &[("DROVER__WORKER__CONCURRENCY", "1")]).await.expect("the worker starts");
    let definition = "name: child
title: Child
steps:
  - { key: work, title: Work, job: noop }
";
    let parent = "name: parent
title: Parent
steps:
  - { key: sub, title: Sub, workflow: child }
  - { key: own, title: Own, job: noop }
";
    fleet.apply(definition).await.expect("valid");
    fleet.apply(parent).await.expect("valid");
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(fleet.submit("parent", json!({})).await.expect("accepted"));
    }
    for id in ids {
        let job = fleet.ended(&id).await.expect("ten parents and one slot: all end");
        assert_eq!(job["status"], "completed", "{job}");
        assert_eq!(job["result"]["steps"]["sub"]["result"]["status"], "completed", "{job}");
    }
}

#[tokio::test]
async fn nested_steps_run_for_each_batch() {
    let fleet = fleet().await;
    let definition = "name: nested
title: Nested
steps:
  - key: outer
    title: Outer
    for_each: \"${input.numbers}\"
    batch_size: 2
    max_parallel: 2
    steps:
      - { key: first, title: First, job: noop, params: { value: \"${batch.items}\" } }
      - { key: second, title: Second, job: noop, params: { value: \"${steps.first.result.value}\" } }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("nested", json!({ "numbers": [1, 2, 3, 4, 5] })).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    let batches = job["result"]["steps"]["outer"].as_array().expect("a list");
    let last: Vec<&Value> =
        batches.iter().map(|batch| &batch["result"]["steps"]["second"]["result"]["value"]).collect();
    assert_eq!(last, [&json!([1, 2]), &json!([3, 4]), &json!([5])]);
}

#[tokio::test]
async fn a_long_list_travels_as_items() {
    let fleet = fleet().await;
    let definition = "name: listed
title: Listed
steps:
  - { key: list, title: List, job: script, params: { items: 25000 } }
  - key: use
    title: Use
    job: noop
    for_each: \"${steps.list.result.list}\"
    batch_size: 1000
    params: { value: \"${size(batch.items)}\" }
summary: { batches: \"${steps.use.totals.count}\" }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("listed", json!({})).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["result"]["summary"]["batches"], 25);
    assert_eq!(job["result"]["steps"]["use"][24]["result"]["value"], 1000);
}

#[tokio::test]
async fn logs_carry_their_jobs_context() {
    let fleet = fleet().await;
    let definition = "name: logged
title: Logged
steps:
  - { key: work, title: Work, job: script, params: { log: [\"a line of the job\"] } }
";
    fleet.apply(definition).await.expect("valid");
    let job = fleet.run("logged", json!({})).await.expect("it ends");
    let id = job["id"].as_str().expect("a text");
    let logs = drover_tests::wait::until("the lines to arrive", drover_tests::fleet::PATIENCE, async || {
        let logs = fleet.get(&format!("/api/v1/jobs/{id}/logs")).await?;
        let lines = logs["logs"].as_array().cloned().unwrap_or_default();
        let own = lines.iter().filter(|line| line["message"].as_str().is_some_and(|text| text.contains("a line of")));
        Ok(if own.count() >= 2 {
            drover_tests::wait::Seen::Yes(lines)
        } else {
            drover_tests::wait::Seen::not_yet(logs)
        })
    })
    .await
    .expect("both the job's own line and tracing's");
    assert!(logs.iter().all(|line| line["job_type"] == "script" && line["parent_job_id"] == id), "{logs:?}");
    let text = fleet.workers[0].log();
    assert!(text.contains(&format!("parent_job_id={id}")), "{text}");
}

#[tokio::test]
async fn a_user_retries_only_what_failed() {
    let fleet = fleet().await;
    let folder = TempDir::new().expect("a folder");
    let ledger = folder.path().join("ledger");
    fleet.apply(&fan_out("again", "    max_parallel: 4")).await.expect("valid");
    let good = json!({ "result": { "count": 1 }, "ledger": ledger });
    let bad = json!({ "fail_attempts": 1, "retryable": false, "result": { "count": 1 }, "ledger": ledger });
    let job = fleet.run("again", json!({ "items": [good, bad, good] })).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    let id = job["id"].as_str().expect("a text");
    let (status, body) =
        fleet.request(reqwest::Method::POST, &format!("/api/v1/jobs/{id}/retry"), None).await.expect("answered");
    assert_eq!(status, 202, "{body}");
    let job = fleet.until(id, "the retry to end", |job| job["status"] == "completed").await.expect("it ends");
    assert_eq!(job["result"]["summary"], json!({ "count": 3, "total_errors": 0 }));
    let begun =
        std::fs::read_to_string(&ledger).expect("a ledger").lines().filter(|line| line.ends_with("begin")).count();
    assert_eq!(begun, 4, "only the failed one ran again");
}

#[tokio::test]
async fn fault_16_no_transaction_is_held_while_jobs_run() {
    let fleet = fleet().await;
    let folder = TempDir::new().expect("a folder");
    let gate = folder.path().join("gate");
    fleet.apply(&fan_out("held", "    max_parallel: 8")).await.expect("valid");
    let id = fleet.submit("held", json!({ "items": vec![json!({ "gate": gate }); 8] })).await.expect("accepted");
    fleet.until(&id, "all to run", |job| step(job, "work")["running"] == 8).await.expect("they run");
    let client = fleet.database.connect().await.expect("a connection");
    let sql = "SELECT
            (SELECT count(*) FROM jobs WHERE lease_session IS NOT NULL AND leased_at < clock_timestamp() - interval '1 s'),
            (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND xact_start < clock_timestamp() - interval '500 ms')";
    let held = drover_tests::wait::until("the jobs to run for a second", drover_tests::fleet::PATIENCE, async || {
        let row = client.query_one(sql, &[]).await?;
        let (running, held): (i64, i64) = (row.get(0), row.get(1));
        Ok(if running == 8 { drover_tests::wait::Seen::Yes(held) } else { drover_tests::wait::Seen::not_yet(running) })
    })
    .await
    .expect("they run");
    assert_eq!(held, 0, "a transaction is as old as the jobs");
    std::fs::write(&gate, "").expect("written");
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "completed");
}
