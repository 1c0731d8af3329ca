//! The broker's epoch: when the broker came back without what it held, what it held is dispatched again.
//!
//! A job's row keeps the epoch that its dispatch was published under. The epoch is read at the start, whenever the connection
//! was made anew, and now and then; fences make it harmless if a message turns up after all.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{ROUND, Round, fold};
use crate::{
    app::App,
    store::{Place, StoreError},
};

/// How often the epoch is read where nothing says that it may have changed.
const PERIOD: Duration = Duration::from_secs(60);
/// How soon it is read again after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// Watches the epoch until shutdown.
pub async fn run(
    app: Arc<App>,
    epoch: watch::Sender<Option<String>>,
    reconnected: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut recovered = None;
    loop {
        let wait = match round(&app, &epoch, &mut recovered).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "what the broker may have lost is looked for again");
                RETRY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = reconnected.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Why a round came to no end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the broker's epoch cannot be read: {0}")]
    Broker(#[from] drover_broker::BrokerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("not all of it could be dispatched again")]
    Unfolded,
}

/// `recovered`: the epoch for which everything was dispatched again.
async fn round(
    app: &App,
    epoch: &watch::Sender<Option<String>>,
    recovered: &mut Option<String>,
) -> Result<(), RoundError> {
    let current = app.broker.epoch().await?;
    // From now on rows are written under the new epoch; only then can the search for older ones be complete.
    epoch.send_if_modified(|known| known.replace(current.clone()).as_ref() != Some(&current));
    if recovered.as_ref() == Some(&current) {
        return Ok(());
    }
    let count = dispatch_again(app, &current).await?;
    if count > 0 {
        tracing::warn!(epoch = current, count, "the broker came back without what it held: it was dispatched again");
    }
    *recovered = Some(current);
    Ok(())
}

/// Dispatches again what was published under another epoch and was not started. How many jobs.
async fn dispatch_again(app: &App, epoch: &str) -> Result<usize, RoundError> {
    let (mut after, mut count) = (Place::default(), 0);
    loop {
        let lost = app.store.lost_dispatches(epoch, &after, ROUND).await?;
        let Some((last, _)) = lost.last() else { return Ok(count) };
        after = last.clone();
        count += lost.len();
        let inputs = lost.into_iter().map(|(_, input)| input).collect();
        if fold(app, "dispatching again what the broker lost", inputs).await == Round::Broken {
            return Err(RoundError::Unfolded);
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_protocol::JobId;
    use serde_json::Value;

    use super::*;
    use crate::testing::Desk;

    async fn dispatch(desk: &Desk, id: JobId) -> Value {
        desk.app.store.view_job(id, false).await.expect("read").expect("it is there").view["dispatch"].clone()
    }

    #[tokio::test]
    async fn what_a_lost_broker_held_is_dispatched_again_and_nothing_else() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let (waiting, started) = (desk.submit("work").await, desk.submit("work").await);
        desk.relayed().await;
        desk.start(started).await;
        let owed = desk.submit("work").await;
        assert_eq!(dispatch_again(&desk.app, "test").await.expect("looked"), 0, "the broker still has all");

        assert_eq!(dispatch_again(&desk.app, "another").await.expect("looked"), 2);
        assert_eq!(dispatch(&desk, waiting).await, 2, "it was lost");
        assert_eq!(dispatch(&desk, started).await, 1, "a worker has it");
        assert_eq!(dispatch(&desk, owed).await, 2, "its confirm may be what was lost");
    }
}
