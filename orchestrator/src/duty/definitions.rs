//! Definitions that another replica registered.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(2);

/// Keeps the registry up to date until shutdown. Submissions ask the database itself; this is for child workflows.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        if let Err(error) = app.store.refresh(&app.context.registry).await {
            tracing::warn!(%error, "the current definitions cannot be read");
        }
    }
}
