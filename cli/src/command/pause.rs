//! `drover pause` and `drover resume`

use drover_protocol::JobId;

use super::{Context, watch};
use crate::{
    api::{Answer, JobView},
    failure::{Exit, Failure},
    render::{style, style::To, text::one_line},
};

pub(crate) async fn pause(ctx: &Context, id: JobId, wait: bool) -> Result<Exit, Failure> {
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

pub(crate) async fn resume(ctx: &Context, id: JobId) -> Result<Exit, Failure> {
    let job = ctx.client.post::<JobView>(&format!("/jobs/{id}/resume"), &[]).await?;
    tell(ctx, &job)
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
