//! Cancels that wait for jobs which were published and never started, and resumed jobs that wait for their withdrawn message.

use std::{sync::Arc, time::Duration};

use drover_engine::Input;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Pace, ROUND, Round, fold};
use crate::{app::App, store::StoreError};

/// A worker that is of another make and acknowledges no withdrawals is waited for this many leases.
const PATIENCE: u32 = 4;

/// Settles both until shutdown.
pub async fn run(app: Arc<App>, pace: Pace, mut cancelling: watch::Receiver<bool>, shutdown: CancellationToken) {
    loop {
        if cancelling.wait_for(|cancelling| *cancelling).await.is_err() || shutdown.is_cancelled() {
            return;
        }
        let round = match settled(&app, pace).await {
            Ok(inputs) => fold(&app, "settling cancels and withdrawals", inputs).await,
            Err(error) => {
                tracing::warn!(%error, "cancels and withdrawals that could settle cannot be read");
                Round::Broken
            }
        };
        let wait = if round == Round::Applied { Duration::ZERO } else { pace.pressing() };
        if shutdown.run_until_cancelled(app.press.next_settling(wait)).await.is_none() {
            return;
        }
    }
}

async fn settled(app: &App, pace: Pace) -> Result<Vec<Input>, StoreError> {
    let mut inputs = app.store.settled_cancels(ROUND).await?;
    inputs.extend(app.store.settled_withdrawals(ROUND, pace.lease * PATIENCE).await?);
    Ok(inputs)
}
