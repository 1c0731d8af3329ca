//! The beat: this replica lives, how far it has folded, and a marker through each queue.

use std::sync::Arc;

use drover_broker::{Publication, PublishError, Topology};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Pace;
use crate::{
    app::App,
    intake::{Beats, Behind, Hearing, Marker},
};

/// Who this replica is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// A new one at each start.
    pub id: Uuid,
    /// Where it runs.
    pub host: String,
}

/// Beats until shutdown. `cancelling` tells the other duties whether a cancel waits to settle.
pub async fn run(
    app: Arc<App>,
    identity: Identity,
    behind: [Behind; 2],
    beats: Beats,
    pace: Pace,
    cancelling: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut hearing = Hearing::new(Arc::clone(&app.broker));
    loop {
        let unheard = hearing.behind(pace.beat()).await;
        let by = behind.iter().map(Behind::by).max().unwrap_or_default().max(unheard);
        let sent_at = Instant::now();
        let beat = app.store.beat(identity.id, &identity.host, env!("CARGO_PKG_VERSION"), by);
        // A connection that hangs must not keep the next beat, on another one, from being heard.
        match timeout(pace.dead_after(), beat).await {
            Ok(Ok(beat)) => {
                beats.heard(sent_at);
                cancelling.send_if_modified(|was| std::mem::replace(was, beat.cancelling) != beat.cancelling);
                conclude(&app, pace).await;
                let queues = [app.names.events_queue(), app.names.heartbeats_queue()];
                let markers = queues.map(|queue| Marker { at: beat.now }.publication(&app, queue));
                send(&app, markers.into()).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "this replica cannot say that it lives"),
            Err(_) => tracing::warn!("this replica cannot say that it lives: the database does not answer"),
        }
        let wait = if *cancelling.borrow() { pace.pressing() } else { pace.beat() };
        if shutdown.run_until_cancelled(app.press.next_beat(wait)).await.is_none() {
            break;
        }
    }
    if let Err(error) = app.store.leave(identity.id).await {
        tracing::warn!(%error, "this replica cannot say goodbye");
    }
}

/// Sends the markers: one that is lost is followed by the next. They go the way of what workers report, so one that finds
/// no queue tells that somebody deleted a part of it; workers may not declare it.
async fn send(app: &App, markers: Vec<Publication>) {
    let outcomes = app.broker.publish(markers).await;
    if !outcomes.iter().any(|outcome| matches!(outcome, Err(PublishError::Unroutable { .. }))) {
        return;
    }
    tracing::warn!("exchanges or queues of events are missing: they are declared again");
    if let Err(error) = app.broker.declare(&Topology::base(&app.names)).await {
        tracing::error!(%error, "they cannot be declared");
    }
}

async fn conclude(app: &App, pace: Pace) {
    match app.store.folded_through(pace.dead_after()).await {
        Ok(further) if further => app.press.settle(),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "how far the queues are folded cannot be told"),
    }
}

impl Marker {
    /// It came out of its queue.
    pub(crate) async fn received(self, app: &App, queue: &str, pace: Pace) {
        if let Err(error) = app.store.marker_received(queue, self.at, pace.lag(), pace.gap()).await {
            tracing::warn!(%error, "a marker cannot be noted");
        }
    }
}
