//! Cancels that wait for jobs which were published and never started.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Pace, ROUND, fold};
use crate::app::App;

/// Settles cancels until shutdown.
pub async fn run(app: Arc<App>, pace: Pace, mut cancelling: watch::Receiver<bool>, shutdown: CancellationToken) {
    loop {
        if cancelling.wait_for(|cancelling| *cancelling).await.is_err() || shutdown.is_cancelled() {
            return;
        }
        let more = match app.store.settled_cancels(ROUND).await {
            Ok(inputs) => fold(&app, "settling cancels", inputs).await,
            Err(error) => {
                tracing::warn!(%error, "cancels that could settle cannot be read");
                false
            }
        };
        let wait = if more { Duration::ZERO } else { pace.pressing() };
        if shutdown.run_until_cancelled(app.press.next_settling(wait)).await.is_none() {
            return;
        }
    }
}
