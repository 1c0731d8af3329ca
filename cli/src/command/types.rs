//! `drover types`

use super::Context;
use crate::{
    api::Types,
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

pub(crate) async fn run(ctx: &Context) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<Types>("/types", &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::whole("TYPE"),
        Column::cut("TITLE"),
        Column::right("WORKERS"),
        Column::whole("LAST SEEN"),
        Column::whole("PAUSED"),
    ];
    let mut table = Table::new(columns);
    for info in &answer.body.types {
        table.row([
            info.job_type.clone(),
            info.title.clone().unwrap_or_default(),
            info.live_workers.to_string(),
            info.last_seen_at.map(time::ago).unwrap_or_default(),
            info.paused_at.map(time::ago).unwrap_or_default(),
        ]);
    }
    table.print(&ctx.output, "no worker has announced a type yet")
}
