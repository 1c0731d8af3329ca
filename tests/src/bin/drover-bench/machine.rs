//! What the figures depend on.

use std::{fs, thread};

use drover_tests::{Database, Management};
use serde_json::{Map, Value, json};

use crate::{counts::Counts, system};

/// Machine, servers, build and counts, as they go into the output.
pub(crate) async fn facts(counts: &Counts) -> anyhow::Result<Map<String, Value>> {
    let database = Database::create().await?;
    let client = database.connect().await?;
    let setting = async |name: &str| -> anyhow::Result<String> {
        Ok(client.query_one("SELECT current_setting($1)", &[&name]).await?.get(0))
    };
    let overview = Management::connect().await?.get("overview?columns=rabbitmq_version,erlang_version").await?;
    let facts = json!({
        "profile": counts.profile,
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "drover_version": env!("CARGO_PKG_VERSION"),
        "cores": thread::available_parallelism()?.get(),
        "processor": processor(),
        // More than a little of it before the first run means that something else was measured too.
        "load_average_before": load_average(),
        "rabbitmq_version": overview["rabbitmq_version"],
        "erlang_version": overview["erlang_version"],
        "postgres_version": setting("server_version").await?,
        "postgres_fsync": setting("fsync").await?,
        "postgres_synchronous_commit": setting("synchronous_commit").await?,
        "worker_concurrency": system::CONCURRENCY,
        "counts": {
            "runs": counts.runs,
            "raw_messages": counts.messages,
            "round_trips": counts.round_trips,
            "commits": counts.commits,
            "update_batches_of_500": counts.row_batches,
            "chain_steps": counts.chain_steps,
            "fan_outs": counts.fan_outs,
            "workflows": counts.workflows,
            "workflow_steps": counts.workflow_steps,
            "running_jobs": counts.running_jobs,
            "reports_of_each_job": counts.reports,
            "submissions": counts.submissions,
            "loop_reports": counts.loop_reports,
            "scale_fan_out": counts.scale_fan_out,
            "finished_jobs": counts.finished_jobs,
            "waiting_jobs": counts.waiting_jobs,
            "heartbeating_workers": counts.crowd,
        },
    });
    let Value::Object(facts) = facts else { return Ok(Map::new()) };
    Ok(facts)
}

/// `None` where the system does not tell.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Of the last minute; `None` where the system does not tell.
fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
