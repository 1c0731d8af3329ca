//! `drover pause` and `drover resume`, of job types.

use std::time::Duration;

use super::{Context, again::patiently};
use crate::{
    api::{Answer, PauseView, Pauses},
    cli::{Pause, What},
    failure::{Exit, Failure},
};

/// How often it is asked who has acknowledged.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn pause(ctx: &Context, args: &Pause) -> Result<Exit, Failure> {
    let query: Vec<_> = args.reason.iter().map(|reason| ("reason", reason.clone())).collect();
    let paused = ctx.client.post::<PauseView>(&path(&args.what, "pause"), &query).await?;
    if !args.wait {
        tell(ctx, &paused)?;
        return Ok(Exit::Done);
    }
    tokio::select! {
        told = acknowledged(ctx, paused) => {
            let told = told?;
            tell(ctx, &told)?;
            Ok(if told.body.paused && told.body.workers.unaware == 0 { Exit::Done } else { Exit::JobFailed })
        }
        _ = tokio::signal::ctrl_c() => {
            ctx.output.note("the pause stays; `drover resume` ends it");
            Ok(Exit::Interrupted)
        }
    }
}

pub(super) async fn resume(ctx: &Context, what: &What) -> Result<Exit, Failure> {
    let resumed = ctx.client.post::<PauseView>(&path(what, "resume"), &[]).await?;
    tell(ctx, &resumed)?;
    if what.all {
        let others = ctx.client.get::<Pauses>("/pauses", &[]).await?.body.paused;
        for PauseView { job_type, .. } in others {
            ctx.output.note(format_args!("{job_type} is still paused: `drover resume --type {job_type}`"));
        }
    }
    Ok(Exit::Done)
}

fn path(what: &What, action: &str) -> String {
    match &what.job_type {
        Some(job_type) => format!("/types/{job_type}/{action}"),
        None => format!("/types/{action}"),
    }
}

/// Waits until every live worker that can has acknowledged, or somebody has resumed it.
async fn acknowledged(ctx: &Context, mut pause: Answer<PauseView>) -> Result<Answer<PauseView>, Failure> {
    while pause.body.paused && pause.body.workers.pending() > 0 {
        tokio::time::sleep(LOOK).await;
        let all = patiently(|| ctx.client.get::<Pauses>("/pauses", &[])).await?;
        let place = all.body.paused.iter().position(|other| other.job_type == pause.body.job_type);
        let raw = place.and_then(|place| all.raw["paused"].get(place)).cloned();
        pause = match raw.map(Answer::read) {
            Some(Ok(still)) => still,
            Some(Err(_)) | None => {
                let raw = serde_json::json!({ "type": pause.body.job_type, "paused": false });
                Answer { body: PauseView { paused: false, ..pause.body }, raw }
            }
        };
    }
    Ok(pause)
}

fn tell(ctx: &Context, pause: &Answer<PauseView>) -> Result<(), Failure> {
    if ctx.output.json {
        return ctx.output.json(&pause.raw);
    }
    ctx.output.line(&pause.body)
}
