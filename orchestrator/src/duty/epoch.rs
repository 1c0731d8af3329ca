//! The broker's epoch: when the broker came back without what it held, what was published and not started goes out again.

use std::{sync::Arc, time::Duration};

use drover_protocol::JobId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ROUND, fold};
use crate::app::App;

/// How often the broker is asked. Seldom: RabbitMQ needs a lock for the answer, and all but always it is the same.
const PERIOD: Duration = Duration::from_secs(30);

/// Looks at the epoch until shutdown; `current` is told, for what is folded from then on.
pub async fn run(app: Arc<App>, current: watch::Sender<Option<String>>, shutdown: CancellationToken) {
    // The epoch of everything that waits to be started, as far as this replica knows.
    let mut settled = None;
    loop {
        match app.broker.epoch().await {
            Ok(epoch) if settled.as_ref() == Some(&epoch) => {}
            Ok(epoch) => {
                // First the stamp: what is published meanwhile need not be published again.
                current.send_replace(Some(epoch.clone()));
                if republish(&app, &epoch).await {
                    settled = Some(epoch);
                }
            }
            Err(error) => tracing::warn!(%error, "the broker's epoch cannot be read"),
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_none() {
            return;
        }
    }
}

/// Publishes again what was published under another epoch and not started. Whether that is all.
async fn republish(app: &App, epoch: &str) -> bool {
    // By id, so that what the fold ignores is not found again.
    let mut after = JobId(Uuid::nil());
    loop {
        let lost = match app.store.lost_dispatches(epoch, after, ROUND).await {
            Ok(lost) => lost,
            Err(error) => {
                tracing::warn!(%error, "what a former broker held cannot be found");
                return false;
            }
        };
        let Some(last) = lost.last() else { return true };
        after = last.job_id();
        tracing::info!(epoch, count = lost.len(), "the broker lost its messages: their jobs are published again");
        if !fold(app, "publishing again", lost).await {
            return false;
        }
    }
}
