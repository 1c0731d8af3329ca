//! `drover prune`

use serde_json::json;

use super::{Context, again::again};
use crate::{
    api::{Pruned, PrunedType},
    failure::{Exit, Failure},
    render::table::{Column, Table},
};

pub(crate) async fn run(ctx: &Context, dry_run: bool) -> Result<Exit, Failure> {
    let mut body = json!({ "dry_run": dry_run });
    let (mut types, mut dead_letters): (Vec<PrunedType>, u64) = (Vec::new(), 0);
    loop {
        let page = again(ctx, || ctx.client.post_json::<Pruned>("/prune", &body)).await?.body;
        dead_letters += page.dead_letters;
        page.types.into_iter().for_each(|found| add(&mut types, found));
        let Some(cursor) = page.next_cursor else { break };
        body["cursor"] = json!(cursor);
    }
    if ctx.output.json {
        ctx.output.json(&json!({ "dry_run": dry_run, "types": types, "dead_letters": dead_letters }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([Column::whole("TYPE"), Column::right("TREES"), Column::right("JOBS")]);
    for PrunedType { job_type, trees, jobs, more } in &types {
        let number = |number: &u64| if *more { format!("{number} and more") } else { number.to_string() };
        table.row([job_type.clone(), number(trees), number(jobs)]);
    }
    let nothing = if dry_run { "no job would go" } else { "no job went" };
    table.print(&ctx.output, nothing)?;
    if dead_letters > 0 {
        ctx.output.line(format_args!("dead letters  {dead_letters}"))?;
    }
    Ok(Exit::Done)
}

/// A type may go on with the next page.
fn add(types: &mut Vec<PrunedType>, found: PrunedType) {
    match types.last_mut().filter(|last| last.job_type == found.job_type) {
        Some(last) => {
            last.trees += found.trees;
            last.jobs += found.jobs;
            last.more |= found.more;
        }
        None => types.push(found),
    }
}
