//! `drover list`

use chrono::SecondsFormat;

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
        return Ok(Exit::Done);
    }
    ctx.output.line(jobs::list(&page.body.jobs, ctx.output.width()))?;
    if let Some(cursor) = &page.body.next_cursor {
        ctx.output.note(format_args!("there are more: add --cursor {cursor}"));
    }
    Ok(Exit::Done)
}

fn query(args: &List) -> Vec<(&'static str, String)> {
    let time = |at: &chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let statuses: Vec<&str> = args.status.iter().map(|status| status.as_str()).collect();
    let mut query = vec![("limit", args.page.limit.to_string()), ("parent", args.parent.clone())];
    query.extend((!statuses.is_empty()).then(|| ("status", statuses.join(","))));
    query.extend(args.job_type.iter().map(|job_type| ("type", job_type.clone())));
    query.extend(args.label.iter().map(|(key, value)| ("label", format!("{key}:{value}"))));
    query.extend(args.paused.then(|| ("paused", "true".to_owned())));
    query.extend(args.created_after.iter().map(|at| ("created_after", time(at))));
    query.extend(args.created_before.iter().map(|at| ("created_before", time(at))));
    query.extend(args.page.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    query
}
