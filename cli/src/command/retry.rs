//! `drover retry`

use drover_protocol::JobId;
use serde_json::json;

use super::{
    Context,
    many::{self, Errand, Words},
    watch,
};
use crate::{
    api::{JobView, Problem},
    cli::{From, Selection},
    failure::{Exit, Failure},
};

const WORDS: Words = Words { act: "Retry", done: "retrying", thing: "job" };

pub(crate) async fn run(ctx: &Context, jobs: &Selection, from: From, wait: bool) -> Result<Exit, Failure> {
    let from = match from {
        From::Failed => "failed",
        From::Start => "start",
    };
    match jobs.id {
        Some(id) => one(ctx, id, from, wait).await,
        None => {
            let body = jobs.body(json!({ "from": from }))?;
            many::run(ctx, &Errand { path: "/jobs/retry", body, words: WORDS }, jobs.consent).await
        }
    }
}

async fn one(ctx: &Context, id: JobId, from: &str, wait: bool) -> Result<Exit, Failure> {
    let answer = ctx.client.post::<JobView>(&format!("/jobs/{id}/retry"), &[("from", from.to_owned())]).await;
    let job = answer.map_err(|failure| failure.with_hint(409, |problem| hint(problem, id)))?;
    if wait {
        return watch::wait(ctx, id).await;
    }
    if ctx.output.json {
        ctx.output.json(&job.raw)?;
    } else {
        ctx.output.line(format_args!("{id} {}", job.body.status))?;
    }
    Ok(Exit::Done)
}

fn hint(problem: &Problem, id: JobId) -> Option<String> {
    if problem.kind.as_deref() == Some("parent_finished") {
        return Some(format!("retry the workflow that it belongs to; `drover show {id}` names it as parent"));
    }
    let status = problem.job_status?;
    (!status.is_terminal()).then(|| format!("`drover watch {id}` waits for its end, `drover cancel {id}` ends it"))
}
