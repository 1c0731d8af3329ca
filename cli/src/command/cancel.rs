//! `drover cancel`

use drover_protocol::{JobId, JobStatus};
use serde_json::json;

use super::{
    Context,
    many::{self, Errand, Words},
    watch,
};
use crate::{
    api::JobView,
    cli::Selection,
    failure::{Exit, Failure},
};

const WORDS: Words = Words { act: "Cancel", done: "cancelling", thing: "job" };

pub(crate) async fn run(ctx: &Context, jobs: &Selection, now: bool, wait: bool) -> Result<Exit, Failure> {
    match jobs.id {
        Some(id) => one(ctx, id, now, wait).await,
        None => {
            let options = if now { json!({ "now": true }) } else { json!({}) };
            let errand = Errand { path: "/jobs/cancel", body: jobs.body(options)?, words: WORDS };
            many::run(ctx, &errand, jobs.consent).await
        }
    }
}

async fn one(ctx: &Context, id: JobId, now: bool, wait: bool) -> Result<Exit, Failure> {
    let query = if now { vec![("now", "true".to_owned())] } else { Vec::new() };
    let job = ctx.client.post::<JobView>(&format!("/jobs/{id}/cancel"), &query).await?;
    if wait && !job.body.status.is_terminal() {
        let Some(job) = watch::wait_for(ctx, id).await? else { return Ok(Exit::Interrupted) };
        return Ok(asked_for(job.body.status));
    }
    if ctx.output.json {
        ctx.output.json(&job.raw)?;
    } else {
        ctx.output.line(format_args!("{id} {}", job.body.status))?;
    }
    Ok(if wait { asked_for(job.body.status) } else { Exit::Done })
}

/// Asked for was a cancelled job.
const fn asked_for(status: JobStatus) -> Exit {
    match status {
        JobStatus::Cancelled => Exit::Done,
        // It ended otherwise before the cancel reached it.
        JobStatus::Completed => Exit::JobFailed,
        other => Exit::of(other),
    }
}
