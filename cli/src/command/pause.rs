//! `drover pause` and `drover resume`, of a job

use drover_protocol::JobId;

use super::{Context, pause_types, watch};
use crate::{
    api::{Answer, JobView},
    cli::{Pause, Resume},
    failure::{Exit, Failure},
    render::{style, style::To, text::one_line},
};

pub(crate) async fn pause(ctx: &Context, args: Pause) -> Result<Exit, Failure> {
    let Some(id) = args.what.id else { return pause_types::pause(ctx, &args).await };
    pause_job(ctx, id, args.wait).await
}

pub(crate) async fn resume(ctx: &Context, args: Resume) -> Result<Exit, Failure> {
    let Some(id) = args.what.id else { return pause_types::resume(ctx, &args.what).await };
    let job = ctx.client.post::<JobView>(&format!("/jobs/{id}/resume"), &[]).await?;
    tell(ctx, &job)
}

async fn pause_job(ctx: &Context, id: JobId, wait: bool) -> Result<Exit, Failure> {
    let job = ctx.client.post::<JobView>(&format!("/jobs/{id}/pause"), &[]).await?;
    if !wait || job.body.is_at_rest() {
        return tell(ctx, &job);
    }
    let rests = |job: &JobView| job.is_at_rest() || !job.paused;
    let Some(job) = watch::until(ctx, id, false, rests).await? else { return Ok(Exit::Interrupted) };
    tell(ctx, &job)?;
    if job.body.paused || job.body.status.is_terminal() {
        return Ok(Exit::Done);
    }
    ctx.output.note("somebody has resumed it meanwhile");
    Ok(Exit::JobFailed)
}

fn tell(ctx: &Context, job: &Answer<JobView>) -> Result<Exit, Failure> {
    if ctx.output.json {
        ctx.output.json(&job.raw)?;
        return Ok(Exit::Done);
    }
    let JobView { id, message, paused, .. } = &job.body;
    let message = message.as_deref().filter(|_| *paused).map(|message| format!("  {}", one_line(message)));
    let standing = style::standing(&job.body, To::Stdout);
    ctx.output.line(format_args!("{id} {standing}{}", message.unwrap_or_default()))?;
    Ok(Exit::Done)
}
