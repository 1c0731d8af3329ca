//! Many workflows at once, each a short chain.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    arguments::Counts,
    figures::Figures,
    submissions,
    system::{System, noop_step},
    time::per_second,
};

/// Steps per second, from before the first submission until the last end is heard of.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    system.apply("short", Value::Array((0..counts.workflow_steps).map(noop_step).collect())).await?;
    let start = Instant::now();
    let ids = submissions::post(system.fleet.url(), &json!({ "type": "short" }), counts.workflows).await?;
    system.ends.completed(ids).await?;
    let steps = counts.workflows * counts.workflow_steps;
    figures.add("workflow_steps_per_second", per_second(steps, start.elapsed()));
    Ok(())
}
