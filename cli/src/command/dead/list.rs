//! `drover dead list`

use super::{Context, reason};
use crate::{
    api::DeadLetters,
    cli::{Letters, Page},
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

pub(super) async fn run(ctx: &Context, letters: &Letters, page: &Page) -> Result<Exit, Failure> {
    let mut query = vec![("limit", page.limit.to_string())];
    query.extend(letters.queue.iter().map(|queue| ("queue", queue.clone())));
    query.extend(letters.reason.iter().map(|reason| ("reason", reason.clone())));
    query.extend(page.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    let answer = ctx.client.get::<DeadLetters>("/dead", &query).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::whole("ID"),
        Column::whole("TIME"),
        Column::whole("QUEUE"),
        Column::whole("TYPE"),
        Column::cut("REASON"),
    ];
    let mut table = Table::new(columns);
    for message in &answer.body.messages {
        table.row([
            message.id.as_str().map_or_else(|| message.id.to_string(), str::to_owned),
            time::moment(message.at),
            message.queue.clone().unwrap_or_default(),
            message.message_type.clone().unwrap_or_default(),
            reason(message),
        ]);
    }
    let exit = table.print(&ctx.output, "no dead letters")?;
    if let Some(cursor) = &answer.body.next_cursor {
        ctx.output.note(format_args!("there are more: add --cursor {cursor}"));
    }
    Ok(exit)
}
