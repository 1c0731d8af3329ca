//! Schedules whose time has come.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{app::App, store::StoreError};

/// How late a schedule may be.
const PERIOD: Duration = Duration::from_secs(1);
/// Most schedules of one round; the rest is found in the next.
const ROUND: i64 = 100;

/// Submits what is due until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    loop {
        let wait = match round(&app).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "schedules are looked at again");
                PERIOD
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Whether there may be more. One that cannot be settled now keeps none of the others.
async fn round(app: &App) -> Result<bool, StoreError> {
    let due = app.store.due_schedules(ROUND).await?;
    let (mut fired, mut failed) = (false, None);
    for name in &due {
        match app.fire_schedule(name).await {
            Ok(something) => fired |= something,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(fired), Err)
}
