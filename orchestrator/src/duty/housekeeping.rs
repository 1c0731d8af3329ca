//! What is kept for a while only.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(60);
/// A message of a cancelled dispatch may lie in a long queue, or come back from a worker that held it: RabbitMQ takes it
/// back after 30 minutes at the latest.
const TOMBSTONE_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// Nobody waits for a replica or a worker that was silent for much less than this, and no message of it is still on its way.
const GONE_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const ROUND: i64 = 10_000;

/// Cleans up until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        if let Err(error) = app.store.delete_tombstones(TOMBSTONE_AGE, ROUND).await {
            tracing::warn!(%error, "old tombstones cannot be deleted");
        }
        if let Err(error) = app.store.forget_replicas(GONE_AGE).await {
            tracing::warn!(%error, "killed replicas cannot be forgotten");
        }
        if let Err(error) = app.store.forget_workers(GONE_AGE, ROUND).await {
            tracing::warn!(%error, "workers that are gone cannot be forgotten");
        }
        if let Err(error) = app.store.delete_old_sessions(ROUND).await {
            tracing::warn!(%error, "sessions that have expired cannot be deleted");
        }
        if let Err(error) = app.store.delete_old_audit(app.door.config.audit_age, ROUND).await {
            tracing::warn!(%error, "old lines of the audit cannot be deleted");
        }
    }
}
