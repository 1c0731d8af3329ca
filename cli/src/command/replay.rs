//! `drover replay`

use drover_protocol::JobId;
use serde_json::Value;

use super::Context;
use crate::{
    api::{Difference, Replayed},
    failure::{Exit, Failure},
    render::table::{Column, Table},
};

pub(crate) async fn run(ctx: &Context, id: JobId) -> Result<Exit, Failure> {
    let replayed = ctx.client.get::<Replayed>(&format!("/jobs/{id}/replay"), &[]).await?;
    let (raw, replayed) = (replayed.raw, replayed.body);
    if ctx.output.json {
        ctx.output.json(&raw)?;
    } else if replayed.is_equal() {
        ctx.output.line(format_args!("{} lead to {} as stored", inputs(replayed.inputs), jobs(replayed.jobs)))?;
    } else {
        table(id, &replayed.differences).print(&ctx.output, "")?;
    }
    if replayed.unfinished > 0 {
        ctx.output.note(format_args!(
            "{} not ended: what workers report is kept when they are done, and is not compared before",
            if replayed.unfinished == 1 { "1 job has".into() } else { format!("{} jobs have", replayed.unfinished) }
        ));
    }
    if replayed.is_equal() {
        return Ok(Exit::Done);
    }
    let listed = u64::try_from(replayed.differences.len()).unwrap_or(u64::MAX);
    let all = listed.saturating_add(replayed.more_differences);
    let listed = if replayed.more_differences > 0 { format!(", {listed} of them listed") } else { String::new() };
    ctx.output.note(format_args!(
        "{} differences{listed}: {} do not lead to {} as stored",
        all,
        inputs(replayed.inputs),
        jobs(replayed.jobs)
    ));
    Ok(Exit::JobFailed)
}

fn inputs(count: u64) -> String {
    if count == 1 { "1 input".into() } else { format!("{count} inputs") }
}

fn jobs(count: u64) -> String {
    if count == 1 { "1 job".into() } else { format!("{count} jobs") }
}

fn table(id: JobId, differences: &[Difference]) -> Table {
    let of_others = differences.iter().any(|difference| difference.job_id != id);
    let mut columns = vec![Column::whole("FIELD"), Column::cut("STORED"), Column::cut("REBUILT")];
    if of_others {
        columns.insert(0, Column::whole("JOB"));
    }
    let mut table = Table::new(columns);
    for difference in differences {
        let mut cells = vec![difference.field.clone(), told(&difference.stored), told(&difference.rebuilt)];
        if of_others {
            cells.insert(0, difference.job_id.to_string());
        }
        table.row(cells);
    }
    table
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
