//! `drover replay` on what really happened. Every other test that waits for a job's end replays it too ([`Fleet::ended`]).

use std::process::{Command, Output};

use drover_tests::{Fleet, binary};
use reqwest::Method;
use serde_json::json;

use crate::{
    import::{self, Data, assert_imported},
    shapes::step,
    workflows,
};

fn drover(fleet: &Fleet, args: &[&str]) -> Output {
    let mut command = Command::new(binary("drover").expect("the command line is built"));
    command.args(args).env("DROVER_URL", fleet.url()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_import_that_lost_a_worker_was_cancelled_and_retried_is_what_its_history_leads_to() {
    let data = Data::generate(300, 200_000, 4);
    let mut fleet = import::fleet_with(2, 2, &[("DROVER__ORCHESTRATOR__LEASE_SECONDS", "4")]).await;
    let id = fleet.submit("data_import", data.params()).await.expect("accepted");
    fleet
        .until(&id, "processing to run", |job| step(job, "processing")["done"].as_u64() >= Some(1))
        .await
        .expect("it gets there");
    fleet.rebuilt(&id).await.expect("under way");
    fleet.workers[0].kill().expect("killed");
    let path = format!("/api/v1/jobs/{id}/cancel");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 202);
    fleet.rebuilt(&id).await.expect("while it is being cancelled");
    assert_eq!(fleet.ended(&id).await.expect("it ends")["status"], "cancelled");
    let path = format!("/api/v1/jobs/{id}/retry?from=start");
    assert_eq!(fleet.request(Method::POST, &path, None).await.expect("answered").0, 202);
    assert_imported(&fleet.ended(&id).await.expect("it ends"), &data);

    let run = drover(&fleet, &["replay", &id]);
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(text(&run.stdout).contains(" jobs as stored"), "{}", text(&run.stdout));
}

#[tokio::test]
async fn nested_batches_whose_retries_wait_are_rebuilt_and_doctored_rows_are_found() {
    let fleet = workflows::fleet().await;
    let definition = "name: nested
title: Nested
steps:
  - key: groups
    title: Groups
    for_each: \"${input.groups}\"
    max_parallel: 3
    params: \"${batch.items[0]}\"
    steps:
      - { key: first, title: First, job: script, params: \"${input}\", retry: { attempts: 3, initial: 20ms, max: 40ms } }
      - { key: second, title: Second, job: script, params: { result: { from: \"${steps.first.result}\" } } }
";
    fleet.apply(definition).await.expect("valid");
    let group = |index: usize| match index % 3 {
        0 => json!({ "fail_attempts": 2, "progress": [10.0, 70.0], "message": "on its way" }),
        1 => json!({ "fail_attempts": 9, "retryable": false }),
        _ => json!({ "result": { "count": 0.1, "index": index } }),
    };
    let groups: Vec<_> = (0..12).map(group).collect();
    let job = fleet.run("nested", json!({ "groups": groups })).await.expect("it ends");
    assert_eq!(job["status"], "completed_with_errors", "{job}");
    let id = job["id"].as_str().expect("a text");
    let replayed = fleet.rebuilt(id).await.expect("it is rebuilt");
    assert_eq!(replayed["jobs"], 1 + 12 * 3, "{replayed}");

    let client = fleet.database.connect().await.expect("a connection");
    let doctor = format!(
        "UPDATE jobs SET result = jsonb_set(result, '{{summary,total_errors}}', '0') WHERE id = '{id}';
         UPDATE jobs SET workflow = jsonb_set(workflow::jsonb, '{{steps,0,failed}}', '3') WHERE id = '{id}';
         UPDATE jobs SET failures = 7 WHERE id =
            (SELECT id FROM jobs WHERE root_id = '{id}' AND type = 'script' AND status = 'completed' LIMIT 1)"
    );
    client.batch_execute(&doctor).await.expect("doctored");
    let run = drover(&fleet, &["replay", id]);
    assert_eq!(run.status.code(), Some(1), "{}{}", text(&run.stdout), text(&run.stderr));
    let told = text(&run.stdout);
    assert_eq!(told.lines().count(), 4, "{told}");
    for field in ["result.summary.total_errors", "workflow.steps.0.failed", "failures"] {
        assert!(told.contains(field), "{told}");
    }
    assert!(text(&run.stderr).contains("3 differences"), "{}", text(&run.stderr));
}
