//! Retention: finished work and dead letters go when their time is over.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Pace, is_eldest};
use crate::{app::App, prune::Pruned, store::StoreError};

const PERIOD: Duration = Duration::from_secs(60);

/// Prunes until shutdown. What was begun then is rolled back, and done by whoever comes next.
pub async fn run(app: Arc<App>, pace: Pace, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        match shutdown.run_until_cancelled(round(&app, pace)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "what is kept no longer is pruned later"),
        }
    }
}

/// Until nothing is left that may go.
async fn round(app: &App, pace: Pace) -> Result<(), StoreError> {
    if !is_eldest(app, pace).await? {
        return Ok(());
    }
    let mut from = None;
    loop {
        let Pruned { types, dead_letters, next } = app.prune(from.as_ref()).await?;
        for gone in types {
            tracing::info!(job.r#type = %gone.job_type, trees = gone.trees, jobs = gone.jobs, "pruned");
        }
        if dead_letters > 0 {
            tracing::info!(dead_letters, "dead letters pruned");
        }
        let Some(next) = next else { return Ok(()) };
        from = Some(next);
    }
}
