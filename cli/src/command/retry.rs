//! `drover retry`

use drover_protocol::JobId;

use super::{Context, watch};
use crate::{
    api::{JobView, Problem},
    cli::From,
    failure::{Exit, Failure},
};

pub(crate) async fn run(ctx: &Context, id: JobId, from: From, wait: bool) -> Result<Exit, Failure> {
    let from = match from {
        From::Failed => "failed",
        From::Start => "start",
    };
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
