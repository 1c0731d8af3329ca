//! `drover-bench` measures everything that it is told to. How fast anything is is no matter here.

use std::time::Duration;

use drover_tests::{Process, binary};
use serde_json::Value;
use tokio::process::Command;

const FIGURES: [&str; 33] = [
    "raw_publish_consume_per_second",
    "quorum_round_trip_ms_p50",
    "postgres_commit_ms_p50",
    "chain_step_ms_p50",
    "chain_step_ms_p99",
    "chain_commits",
    "fanout_50_jobs_per_second",
    "fanout_50_wal_bytes",
    "fanout_50_orchestrator_peak_rss_bytes",
    "cancel_50_wide_ms_max",
    "cancel_50_narrow_ms_p50",
    "workflow_steps_per_second",
    "progress_folded_per_second",
    "submit_http_per_second",
    "submit_http_half_rate_ms_p99",
    "submit_amqp_per_second",
    "submit_amqp_half_rate_ms_p99",
    "report_call_ns",
    "report_age_ms_max",
    "scale_1_1_fanout_jobs_per_second",
    "scale_2_4_workflow_steps_per_second",
    "empty_tables_workflow_steps_per_second",
    "full_tables_fanout_jobs_per_second",
    "full_tables_overview_ms_p99",
    "watch_updates_per_second",
    "watch_page_ms_p99",
    "watch_orchestrator_rss_bytes_end",
    "dev_chain_step_ms_p50",
    "orchestrator_idle_rss_bytes",
    "worker_idle_rss_bytes",
    "orchestrator_ready_ms",
    "worker_ready_ms",
    "drover_orchestrator_binary_bytes",
];
/// Told in hundredths of a second, so that so little may have cost none.
const COSTS: [&str; 4] = [
    "chain_orchestrator_cpu_ms",
    "fanout_50_worker_cpu_ms",
    "workflow_postgres_cpu_ms",
    "crowd_orchestrator_cpu_percent",
];

async fn bench(arguments: &[&str]) -> (bool, String, String) {
    let program = binary("drover-bench").expect("it is built");
    let output = Command::new(program).args(arguments).kill_on_drop(true).output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn one_json_object_has_every_figure_and_what_it_depends_on() {
    let (success, stdout, stderr) = bench(&["--tiny", "--json"]).await;
    assert!(success, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one JSON object");
    for figure in FIGURES {
        assert!(report[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report:#}");
        assert_eq!(report["runs_of"][figure].as_array().map(Vec::len), Some(1), "{figure}: {report:#}");
    }
    for cost in COSTS {
        assert!(report[cost].as_f64().is_some_and(|value| value >= 0.0), "{cost}: {report:#}");
    }
    for fact in ["cores", "rabbitmq_version", "postgres_version", "postgres_fsync", "profile", "build"] {
        assert!(!report[fact].is_null(), "{fact}: {report:#}");
    }
    assert_eq!(report["counts"]["reports_of_each_job"], 3, "{report:#}");
}

#[tokio::test]
async fn a_part_is_measured_alone_and_shown_as_a_table() {
    let (success, stdout, stderr) = bench(&["--tiny", "--only", "raw-postgres"]).await;
    assert!(success, "{stderr}");
    assert!(stdout.contains("commit, p50") && !stdout.contains("fan-out"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
}

#[tokio::test]
async fn sizes_are_chosen_and_a_soak_looks_at_the_tables_at_its_start_and_its_end() {
    let arguments = ["--tiny", "--json", "--only", "fan-out", "--only", "soak", "--fan-out", "10,20", "--soak", "10"];
    let (success, stdout, stderr) = bench(&arguments).await;
    assert!(success, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one JSON object");
    for figure in
        ["fanout_10_jobs_per_second", "fanout_20_jobs_per_second", "soak_step_ms_p99_start", "soak_jobs_bytes_end"]
    {
        assert!(report[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report:#}");
    }
    assert!(report["fanout_50_jobs_per_second"].is_null(), "{report:#}");
    let (grown, start) = (&report["soak_history_bytes_end"], &report["soak_history_bytes_start"]);
    assert!(grown.as_f64() >= start.as_f64(), "{report:#}");
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_without_output() {
    let mut bench = Process::spawn("drover-bench", |command| {
        command
            .args(["--tiny", "--json"])
            .env("DROVER_TEST_AMQP_URL", "amqp://127.0.0.1:1/%2f")
            .env("DROVER_TEST_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    })
    .expect("it is built");
    let status = bench.wait_for_exit(Duration::from_secs(30)).await.expect("it ends");
    assert_eq!(status.code(), Some(1));
    assert!(bench.log().starts_with("bench: connecting to Postgres at 127.0.0.1:1"), "{}", bench.log());
}
