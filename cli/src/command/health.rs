//! `drover health`

use super::Context;
use crate::failure::{Exit, Failure};

pub(crate) async fn run(ctx: &Context) -> Result<Exit, Failure> {
    let answer = ctx.client.ready().await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
    } else {
        ctx.output.line(&answer.body)?;
    }
    Ok(if answer.body.is_ready() { Exit::Done } else { Exit::Unreachable })
}
