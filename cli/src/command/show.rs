//! `drover show`

use drover_protocol::JobId;

use super::Context;
use crate::{
    api::JobView,
    failure::{Exit, Failure},
    render::page,
};

pub(crate) async fn run(ctx: &Context, id: JobId, result: bool) -> Result<Exit, Failure> {
    let job = ctx.client.job::<JobView>(id).await?;
    if result {
        let result = job.body.result.as_ref().filter(|result| !result.is_null()).ok_or_else(|| {
            let more = if job.body.status.is_terminal() { "" } else { "; `drover watch` waits for its end" };
            Failure::Usage(format!("job {id} is {} and has no result{more}", job.body.status))
        })?;
        ctx.output.json(result)?;
    } else if ctx.output.json {
        ctx.output.json(&job.raw)?;
    } else {
        ctx.output.line(page::job(&job.body, ctx.output.width()))?;
    }
    Ok(Exit::Done)
}
