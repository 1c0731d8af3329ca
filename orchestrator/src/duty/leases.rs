//! Leases: who is silent is lost, and what it held goes to others. Only while both queues are known to be read without
//! delay: an outage or a backlog on our side loses nobody.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Pace, ROUND, fold};
use crate::{app::App, store::StoreError};

/// Watches over leases until shutdown.
pub async fn run(app: Arc<App>, pace: Pace, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(pace.look())).await.is_some() {
        if let Err(error) = round(&app, pace).await {
            tracing::warn!(%error, "leases cannot be looked at");
        }
    }
}

async fn round(app: &App, pace: Pace) -> Result<(), StoreError> {
    if !app.store.intake_is_current(pace.lease, pace.gap()).await? {
        return Ok(());
    }
    for session in app.store.lose_workers(pace.lease).await? {
        app.metrics.workers_lost.inc();
        tracing::warn!(worker.session = %session, lease_seconds = pace.lease.as_secs_f64(), "worker is lost");
    }
    let lost = app.store.lost_leases(pace.lease, ROUND).await?;
    fold(app, "taking over lost jobs", lost).await;
    Ok(())
}
