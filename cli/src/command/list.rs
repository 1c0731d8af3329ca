//! `drover list`

use super::Context;
use crate::{
    api::Jobs,
    cli::List,
    failure::{Exit, Failure},
    render::jobs,
};

pub(crate) async fn run(ctx: &Context, args: &List) -> Result<Exit, Failure> {
    let page = ctx.client.get::<Jobs>("/jobs", &query(args)).await?;
    if ctx.output.json {
        ctx.output.json(&page.raw)?;
        return Ok(Exit::Done);
    }
    if page.body.jobs.is_empty() {
        ctx.output.note("no jobs match");
    } else {
        ctx.output.line(jobs::list(&page.body.jobs, ctx.output.width()))?;
    }
    if let Some(cursor) = &page.body.next_cursor {
        ctx.output.note(format_args!("there are more: add --cursor {cursor}"));
    }
    Ok(Exit::Done)
}

fn query(args: &List) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", args.page.limit.to_string())];
    query.extend(args.filter.query());
    query.extend(args.text.iter().map(|text| ("text", text.clone())));
    query.extend(args.page.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    query
}
