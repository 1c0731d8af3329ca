//! Fan-outs of jobs that do nothing, and their join.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{counts::Counts, figures::Figures, system::System, time::per_second};

/// How many run at once: the most of a definition.
const MAX_PARALLEL: u32 = 1_000;

/// Sub-jobs per second for each size.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    for size in &counts.fan_outs {
        once(system, *size, figures, &format!("fanout_{size}")).await?;
    }
    Ok(())
}

/// Sub-jobs per second, from before the submission until the end of the workflow is heard of. The list that it fans out over is
/// made by a first step, as a user's would be. The names of the figures begin with `name`.
pub(crate) async fn once(system: &mut System, size: u32, figures: &mut Figures, name: &str) -> anyhow::Result<()> {
    system.apply("fan_out", steps("noop", MAX_PARALLEL, json!({}))).await?;
    system.ends.be_patient(size);
    let cost = system.begin().await?;
    let start = Instant::now();
    let id = system.run("fan_out", json!({ "count": size })).await?;
    let took = start.elapsed();
    system.end(cost, figures, name, size).await?;
    figures.add(format!("{name}_jobs_per_second"), per_second(size, took));
    let job = system.fleet.job(&id).await?;
    let done = &job["metadata"]["steps"][1]["done"];
    ensure!(*done == json!(size), "{done} sub-jobs done, not {size}");
    Ok(())
}

/// A step that makes a list of `input.count` numbers, and one that runs a job for each of them.
pub(crate) fn steps(job: &str, max_parallel: u32, params: Value) -> Value {
    let list = json!({ "key": "list", "title": "List", "job": "numbers", "params": { "count": "${input.count}" } });
    let work = json!({
        "key": "work", "title": "Work", "job": job, "for_each": "${steps.list.result.numbers}", "max_parallel": max_parallel,
        "params": params,
    });
    json!([list, work])
}
