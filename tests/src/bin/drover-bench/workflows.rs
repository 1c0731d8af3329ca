//! Many workflows at once, each a short chain.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    counts::Counts,
    figures::Figures,
    submissions,
    system::{System, noop_step},
    time::per_second,
};

/// The name of the workflow.
pub(crate) const SHORT: &str = "short";

/// Steps per second, from before the first submission until the last end is heard of. The names of the figures begin with `name`.
pub(crate) async fn measure(
    system: &mut System,
    counts: &Counts,
    figures: &mut Figures,
    name: &str,
) -> anyhow::Result<()> {
    system.apply(SHORT, Value::Array((0..counts.workflow_steps).map(noop_step).collect())).await?;
    let cost = system.begin().await?;
    let start = Instant::now();
    let ids = submissions::post(system.fleet.url(), &json!({ "type": SHORT }), counts.workflows).await?;
    system.ends.completed(ids).await?;
    let steps = counts.workflows * counts.workflow_steps;
    figures.add(format!("{name}_steps_per_second"), per_second(steps, start.elapsed()));
    system.end(cost, figures, name, steps).await
}
