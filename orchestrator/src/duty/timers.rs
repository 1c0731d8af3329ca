//! Timers: retries that are due, jobs submitted for later, time that is up.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{ROUND, Round, fold};
use crate::app::App;

/// How late a timer may be.
const PERIOD: Duration = Duration::from_millis(200);

/// Fires timers until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    loop {
        let round = match app.store.due(ROUND).await {
            Ok(inputs) => fold(&app, "firing timers", inputs).await,
            Err(error) => {
                tracing::warn!(%error, "timers cannot be read");
                Round::Broken
            }
        };
        let wait = if round == Round::Applied { Duration::ZERO } else { PERIOD };
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}
