//! The beat: this replica lives, how far it has folded, and a marker through each queue.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use drover_broker::{PublishError, Topology};
use tokio::{
    sync::watch,
    task::JoinHandle,
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
    let mut markers: Option<JoinHandle<()>> = None;
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
                // A broker that confirms nothing must not keep the next beat: the others would do what is this replica's.
                if markers.as_ref().is_none_or(JoinHandle::is_finished) {
                    let mut sending = tokio::spawn(send(Arc::clone(&app), beat.now));
                    let sent = timeout(pace.beat(), &mut sending).await.is_ok();
                    markers = (!sent).then_some(sending);
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "this replica cannot say that it lives"),
            Err(_) => tracing::warn!("this replica cannot say that it lives: the database does not answer"),
        }
        let wait = if *cancelling.borrow() { pace.pressing() } else { pace.beat() };
        if shutdown.run_until_cancelled(app.press.next_beat(wait)).await.is_none() {
            break;
        }
    }
    if let Some(sending) = markers {
        sending.abort();
    }
    if let Err(error) = app.store.leave(identity.id).await {
        tracing::warn!(%error, "this replica cannot say goodbye");
    }
}

/// Sends the markers: one that is lost is followed by the next. They go the way of what workers report, so one that finds
/// no queue tells that somebody deleted a part of it; workers may not declare it.
async fn send(app: Arc<App>, now: DateTime<Utc>) {
    let queues = [app.names.events_queue(), app.names.heartbeats_queue()];
    let markers = queues.map(|queue| Marker { at: now }.publication(&app, queue));
    let outcomes = app.broker.publish(markers.into()).await;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drover_tests::wait::{self, Seen};

    use super::*;
    use crate::{intake, testing::Desk};

    #[tokio::test]
    async fn a_broker_that_confirms_nothing_does_not_silence_a_replica() {
        let desk = Desk::new().await;
        desk.broker.hold();
        let pace = Pace { lease: Duration::from_secs(1) };
        let identity = Identity { id: desk.app.context.claim.by, host: "here".into() };
        let (beats, _) = intake::Pulse::new(pace);
        let (tell, _) = watch::channel(false);
        let stop = CancellationToken::new();
        let beating =
            tokio::spawn(run(Arc::clone(&desk.app), identity, Default::default(), beats, pace, tell, stop.clone()));
        let client = desk.database.connect().await.expect("a connection");
        wait::until("the replica to say that it lives, again and again", Duration::from_secs(20), async || {
            let row = client.query_opt("SELECT seen_at - started_at > interval '1 second' FROM orchestrators", &[]);
            let lives = row.await?.is_some_and(|row| row.get(0));
            Ok(if lives { Seen::Yes(()) } else { Seen::not_yet("no beat") })
        })
        .await
        .expect("it lives");
        stop.cancel();
        beating.await.expect("it ends, too");
    }
}
