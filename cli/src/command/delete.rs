//! `drover delete`

use drover_protocol::JobId;
use serde_json::json;

use super::{
    Context,
    many::{self, Errand, Words},
};
use crate::{
    api::{JobView, Problem},
    cli::Selection,
    failure::{Exit, Failure},
};

const WORDS: Words = Words { act: "Delete", done: "deleted", thing: "job" };

pub(crate) async fn run(ctx: &Context, jobs: &Selection) -> Result<Exit, Failure> {
    match jobs.id {
        Some(id) => one(ctx, id).await,
        None => {
            let errand = Errand { path: "/jobs/delete", body: jobs.body(json!({}))?, words: WORDS };
            many::run(ctx, &errand, jobs.consent).await
        }
    }
}

async fn one(ctx: &Context, id: JobId) -> Result<Exit, Failure> {
    if let Err(failure) = ctx.client.delete(&format!("/jobs/{id}")).await {
        let parent = parent(ctx, &failure, id).await;
        return Err(failure.with_hint(409, |problem| hint(problem, id, parent)));
    }
    if ctx.output.json {
        ctx.output.json(&json!({ "id": id, "deleted": true }))?;
    } else {
        ctx.output.line(format_args!("{id} deleted"))?;
    }
    Ok(Exit::Done)
}

/// The root of a sub-job, which is what can be deleted.
async fn parent(ctx: &Context, failure: &Failure, id: JobId) -> Option<String> {
    failure.problem().filter(|problem| problem.status == 409)?;
    let job = ctx.client.job::<JobView>(id).await.ok()?;
    job.body.parent_id?;
    job.raw["root_id"].as_str().map(str::to_owned)
}

fn hint(problem: &Problem, id: JobId, root: Option<String>) -> Option<String> {
    match (root, problem.job_status) {
        (Some(root), _) => Some(format!("it is part of a workflow: `drover delete {root}` deletes the whole")),
        (None, Some(status)) if status.is_terminal() => None,
        (None, _) => Some(format!("`drover cancel --wait {id}` ends it; then delete it")),
    }
}
