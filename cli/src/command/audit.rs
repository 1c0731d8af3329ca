//! `drover audit`

use serde_json::Value;

use super::Context;
use crate::{
    api, cli,
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

pub(super) async fn run(ctx: &Context, args: &cli::Audit) -> Result<Exit, Failure> {
    let cli::Audit { name, action, target, page } = args;
    let mut query = vec![("limit", page.limit.to_string())];
    for (key, value) in [("name", name), ("action", action), ("target", target), ("cursor", &page.cursor)] {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    let answer = ctx.client.get::<api::Audit>("/audit", &query).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::whole("TIME"),
        Column::whole("WHO"),
        Column::whole("ROLE"),
        Column::whole("ACTION"),
        Column::whole("TARGET"),
        Column::right("ANSWER"),
        Column::whole("FROM"),
        Column::cut("MORE"),
    ];
    let mut table = Table::new(columns);
    for line in answer.body.lines {
        table.row([
            time::moment(line.at),
            line.token_name.unwrap_or_default(),
            line.role.unwrap_or_default(),
            line.action,
            line.target.unwrap_or_default(),
            line.status.to_string(),
            line.address.unwrap_or_default(),
            if line.detail == Value::Null { String::new() } else { line.detail.to_string() },
        ]);
    }
    let exit = table.print(&ctx.output, "no lines")?;
    if let Some(cursor) = &answer.body.next_cursor {
        ctx.output.note(format_args!("there are more: add --cursor {cursor}"));
    }
    Ok(exit)
}
