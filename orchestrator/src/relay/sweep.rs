//! What a crash or a failed publish left in the outbox.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{BATCH, SWEEP, forget, send};
use crate::{app::App, duty::Pace, store::StoreError};

/// Looks through the outbox for what nobody sends, until shutdown.
pub async fn sweep(app: Arc<App>, pace: Pace, shutdown: CancellationToken) {
    let mut released = None;
    loop {
        match round(&app, pace, &mut released).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
        }
        if shutdown.run_until_cancelled(sleep(SWEEP)).await.is_none() {
            return;
        }
    }
}

/// Whether there was anything. `released`: when the claims of silent replicas were ended; whether one has fallen silent is asked
/// once in the time that it takes to be so.
async fn round(app: &App, pace: Pace, released: &mut Option<Instant>) -> Result<bool, StoreError> {
    if released.is_none_or(|at| at.elapsed() >= pace.silence()) {
        app.store.release_claims(pace.silence()).await?;
        *released = Some(Instant::now());
    }
    let rows = app.store.claim_outbox(i64::try_from(BATCH).unwrap_or(i64::MAX), app.context.claim).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    tracing::info!(count = rows.len(), "publishing what was left in the outbox");
    send(app, rows).await;
    forget(app).await;
    Ok(true)
}
