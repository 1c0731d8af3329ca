//! A fan-out of jobs that do nothing, and its join.

use std::time::Instant;

use anyhow::ensure;
use serde_json::json;

use crate::{arguments::Counts, figures::Figures, system::System, time::per_second};

/// Sub-jobs per second, from before the submission until the end of the workflow is heard of.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let step = json!({
        "key": "work", "title": "Work", "job": "noop", "for_each": "${input.items}", "max_parallel": 1000,
        "params": {},
    });
    system.apply("fan_out", json!([step])).await?;
    let items: Vec<u32> = (0..counts.fan_out_jobs).collect();
    let start = Instant::now();
    let id = system.run("fan_out", json!({ "items": items })).await?;
    let took = start.elapsed();
    let job = system.fleet.job(&id).await?;
    let done = &job["metadata"]["steps"][0]["done"];
    ensure!(*done == json!(counts.fan_out_jobs), "{done} sub-jobs done, not {}", counts.fan_out_jobs);
    figures.add("fanout_jobs_per_second", per_second(counts.fan_out_jobs, took));
    Ok(())
}
