//! `drover workers`

use serde_json::Value;

use super::Context;
use crate::{
    api::{WorkerView, Workers},
    failure::{Exit, Failure},
    render::{
        style,
        table::{Column, Table},
        time,
    },
};

pub(crate) async fn run(ctx: &Context) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<Workers>("/workers", &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([
        Column::whole("STATUS"),
        Column::cut("HOST"),
        Column::right("RUNNING"),
        Column::whole("SEEN"),
        Column::whole("STARTED"),
        Column::whole("VERSION"),
        Column::whole("SESSION"),
        Column::cut("TYPES"),
    ]);
    for worker in &answer.body.workers {
        let session = worker.session.chars().rev().take(12).collect::<Vec<_>>();
        table.row([
            style::worker(&worker.status, worker.draining),
            worker.host.clone(),
            format!("{}/{}", running(worker), worker.concurrency),
            worker.seen_at.map(time::ago).unwrap_or_default(),
            worker.started_at.map(time::ago).unwrap_or_default(),
            worker.version.clone(),
            // The end of a UUIDv7 tells sessions apart; the beginning is the time.
            session.into_iter().rev().collect(),
            worker.types.iter().filter_map(type_name).collect::<Vec<_>>().join(", "),
        ]);
    }
    table.print(&ctx.output, "no worker has been seen yet")
}

fn running(worker: &WorkerView) -> usize {
    match &worker.running {
        Value::Array(jobs) => jobs.len(),
        other => other.as_u64().and_then(|running| running.try_into().ok()).unwrap_or(0),
    }
}

fn type_name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["type"].as_str())
}
