//! `drover dev`: the same chain where the broker is in the process. What it commits is what a step costs there.

use std::time::{Duration, Instant};

use anyhow::Context;
use drover_tests::{
    Database, Fleet, Process, Vhost,
    fleet::{Orchestrator, PATIENCE},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{chain, counts::Counts, figures::Figures, time::percentile};

/// A chain of jobs that have next to nothing to do: its worker is the import worker, and this folder is empty. Commits are those
/// of the whole server, less what the duties of an idle system commit in the same time.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let (data, empty) = (Folder::new("data")?, Folder::new("empty")?);
    let mut fleet = Fleet::on(Database::create().await?, Vhost::create().await?)?;
    let mut process = Process::spawn("drover", |command| {
        command.args(["dev", "--json", "--port", "0", "--data-dir"]).arg(&data.0);
        command.args(["--database-url", fleet.database.url()]);
    })?;
    let line = process.wait_for_line("\"url\"", PATIENCE).await?;
    let told: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
    let url = told["url"].as_str().context("no url")?.to_owned();
    fleet.orchestrators.push(Orchestrator { process, url });

    let steps = counts.chain_steps.min(chain::PART_STEPS);
    let step = |index: u32| {
        json!({
            "key": format!("step_{index}"), "title": format!("Step {index}"), "job": "cleanup_temp",
            "params": { "output_path": empty.0, "run_id": "${workflow.id}" },
        })
    };
    let definition = json!({ "name": "chain", "title": "chain", "steps": (0..steps).map(step).collect::<Vec<_>>() });
    fleet.apply(&definition.to_string()).await?;
    let database = fleet.database.connect().await?;
    let commits = async || -> anyhow::Result<i64> {
        let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
        Ok(database.query_one(next, &[]).await?.get(0))
    };
    // Once for everything that is slow the first time.
    fleet.run("chain", json!({})).await?;

    let idle = Duration::from_secs_f64(counts.idle_seconds);
    let before = commits().await?;
    sleep(idle).await;
    let idle_rate = (commits().await? - before) as f64 / idle.as_secs_f64();

    let (before, start) = (commits().await?, Instant::now());
    let id = fleet.submit("chain", json!({})).await?;
    fleet.until(&id, "the chain to complete", |job| job["status"] == "completed").await?;
    let duties = idle_rate * start.elapsed().as_secs_f64();
    let own = (commits().await? - before) as f64 - duties;
    figures.add("dev_chain_commits", own / f64::from(steps));
    let mut times = chain::durations_ms(&fleet.job(&id).await?, steps)?;
    figures.add("dev_chain_step_ms_p50", percentile(&mut times, 50));
    figures.add("dev_idle_commits_per_second", idle_rate);
    fleet.silence();
    Ok(())
}

/// A folder of its own, gone when dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(what: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("drover-bench-{what}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
