//! `drover watch`, and `--wait` of the other commands.

use std::time::Duration;

use drover_protocol::JobId;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::Context;
use crate::{
    api::{Answer, JobView},
    failure::{Exit, Failure},
    follow::{Update, follow},
    render::{live::Live, page, style::To},
};

/// How often the elapsed time on the screen moves.
const TICK: Duration = Duration::from_secs(1);

/// Follows a job on standard error; its end goes to standard output.
pub(crate) async fn run(ctx: &Context, id: JobId) -> Result<Exit, Failure> {
    let Some(job) = until(ctx, id, ctx.output.json, |_| false).await? else { return Ok(Exit::Interrupted) };
    if !ctx.output.json {
        ctx.output.line(page::end(&job.body, To::Stdout))?;
    }
    Ok(Exit::of(job.body.status))
}

/// Follows a job on standard error, its end too: standard output has what the command itself says.
pub(crate) async fn wait(ctx: &Context, id: JobId) -> Result<Exit, Failure> {
    Ok(wait_for(ctx, id).await?.map_or(Exit::Interrupted, |job| Exit::of(job.body.status)))
}

/// As [`wait`]; gives the job as it ended, or `None` when the waiting was interrupted.
pub(crate) async fn wait_for(ctx: &Context, id: JobId) -> Result<Option<Answer<JobView>>, Failure> {
    let Some(job) = until(ctx, id, false, |_| false).await? else { return Ok(None) };
    if ctx.output.json {
        ctx.output.json(&job.raw)?;
    } else {
        ctx.output.note(page::end(&job.body, To::Stderr));
    }
    Ok(Some(job))
}

/// Follows a job on standard error until it ends, or is as `wanted`. `None`: Ctrl-C came first.
pub(crate) async fn until(
    ctx: &Context,
    id: JobId,
    each_as_json: bool,
    wanted: impl Fn(&JobView) -> bool,
) -> Result<Option<Answer<JobView>>, Failure> {
    let mut shown = Value::Null;
    let mut print = |job: &Answer<JobView>| {
        if !each_as_json || shown == job.raw {
            return Ok(());
        }
        shown.clone_from(&job.raw);
        ctx.output.json_line(&job.raw)
    };
    let mut updates = follow(ctx.client.clone(), id);
    let mut live = if each_as_json { Live::silent() } else { Live::new() };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(Ok(Update::Job(job))) => {
                    print(&job)?;
                    live.show(&job.body);
                    if wanted(&job.body) {
                        live.leave();
                        return Ok(Some(*job));
                    }
                }
                Some(Ok(Update::Lost(reason))) => live.lost(&reason),
                Some(Ok(Update::End(job))) => {
                    print(&job)?;
                    live.end(&job.body);
                    return Ok(Some(*job));
                }
                Some(Err(failure)) => {
                    live.leave();
                    return Err(failure);
                }
                // The follower always says how it ended.
                None => return Ok(None),
            },
            _ = tick.tick() => live.tick(),
            _ = &mut interrupt => {
                live.leave();
                ctx.output.note(format_args!(
                    "job {id} goes on. `drover watch {id}` follows it again, `drover cancel {id}` ends it"
                ));
                return Ok(None);
            }
        }
    }
}
