//! A chain of steps that do nothing: what one step costs from its beginning to the beginning of the next.

use std::time::Instant;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    counts::Counts,
    figures::Figures,
    system::{System, noop_step},
    time::{ms, percentile},
};

/// A definition has at most 100 steps: a longer chain is run in parts, one after the other.
pub(crate) const PART_STEPS: u32 = 100;

/// Durations of the steps, by the times that the orchestrator gives them. A step begins in the fold that ends the one
/// before, so its duration is the whole way: commit, relay, job queue, worker, events queue, intake, fold.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let mut times = Vec::new();
    let mut left = counts.chain_steps;
    let mut wall = 0.0;
    let cost = system.begin().await?;
    while left > 0 {
        let steps = left.min(PART_STEPS);
        left -= steps;
        system.apply("chain", Value::Array((0..steps).map(noop_step).collect())).await?;
        let start = Instant::now();
        let id = system.run("chain", json!({})).await?;
        wall += ms(start.elapsed());
        times.extend(durations_ms(&system.fleet.job(&id).await?, steps)?);
    }
    system.end(cost, figures, "chain", counts.chain_steps).await?;
    figures.add("chain_step_ms_p50", percentile(&mut times, 50));
    figures.add("chain_step_ms_p99", percentile(&mut times, 99));
    // From the submission to the notification of the end, over the steps: what a caller sees.
    figures.add("chain_wall_ms_per_step", wall / f64::from(counts.chain_steps));
    Ok(())
}

pub(crate) fn durations_ms(job: &Value, expected: u32) -> anyhow::Result<Vec<f64>> {
    let steps = job["metadata"]["steps"].as_array().context("a workflow has steps")?;
    ensure!(steps.len() == usize::try_from(expected)?, "{} steps, not {expected}", steps.len());
    steps.iter().map(duration_ms).collect()
}

fn duration_ms(step: &Value) -> anyhow::Result<f64> {
    let time = |field: &str| -> anyhow::Result<DateTime<Utc>> {
        let text = step[field].as_str().with_context(|| format!("no {field}: {step}"))?;
        text.parse().with_context(|| format!("{field} is no time: {step}"))
    };
    Ok(ms((time("finished_at")? - time("started_at")?).to_std()?))
}
