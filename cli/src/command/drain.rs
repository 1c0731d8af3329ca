//! `drover drain`

use std::time::Duration;

use serde_json::json;

use super::{Context, again::patiently};
use crate::{
    api::{Draining, WorkerView, Workers},
    failure::{Exit, Failure},
};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(ctx: &Context, worker: &str, wait: bool) -> Result<Exit, Failure> {
    let workers = ctx.client.get::<Workers>("/workers", &[]).await?.body.workers;
    let session = meant(&workers, worker)?.session.clone();
    let told = ctx.client.post::<Draining>(&format!("/workers/{session}/drain"), &[]).await?;
    if !wait {
        if ctx.output.json {
            ctx.output.json(&told.raw)?;
        } else {
            ctx.output.line(format_args!("{} was told to drain", told.body.session))?;
        }
        return Ok(Exit::Done);
    }
    tokio::select! {
        status = ended(ctx, &session) => {
            let status = status?;
            if ctx.output.json {
                ctx.output.json(&json!({ "session": session, "status": status }))?;
            } else {
                ctx.output.line(format_args!("{session} {status}"))?;
            }
            Ok(if status == "lost" { Exit::JobFailed } else { Exit::Done })
        }
        _ = tokio::signal::ctrl_c() => {
            ctx.output.note("it was told to drain, and does");
            Ok(Exit::Interrupted)
        }
    }
}

/// The live worker whose session is this, or ends like this.
fn meant<'a>(workers: &'a [WorkerView], worker: &str) -> Result<&'a WorkerView, Failure> {
    let end = worker.to_ascii_lowercase();
    let fits = |one: &&WorkerView| one.status == "live" && one.session.ends_with(&end);
    let found: Vec<&WorkerView> = workers.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::Usage(format!(
            "no live worker's session is or ends with {worker:?}; `drover workers` lists them"
        ))),
        several => {
            let sessions: Vec<&str> = several.iter().map(|one| one.session.as_str()).collect();
            Err(Failure::Usage(format!("{worker:?} fits several workers: {}; give more of it", sessions.join(", "))))
        }
    }
}

/// What became of it, once it is no longer live.
async fn ended(ctx: &Context, session: &str) -> Result<String, Failure> {
    loop {
        let workers = patiently(|| ctx.client.get::<Workers>("/workers", &[])).await?.body.workers;
        let status = workers.into_iter().find(|worker| worker.session == session).map(|worker| worker.status);
        match status {
            Some(status) if status == "live" => tokio::time::sleep(LOOK).await,
            // One that ended long ago is not listed any more.
            status => return Ok(status.unwrap_or_else(|| "down".into())),
        }
    }
}
