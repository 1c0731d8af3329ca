//! Intake: what the queues bring, in batches as large as what has arrived and never waited for.

mod briefing;
mod dead;
mod events;
mod hearing;
mod heartbeats;
mod letter;
mod logs;
mod marker;
mod pulse;
mod submissions;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use drover_broker::{BrokerError, Deliveries, Delivery, Settle};
use drover_service::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::app::App;

pub(crate) use dead::JobFence;
use dead::{Bad, bury, bury_event};
pub use hearing::Hearing;
pub(crate) use letter::{REDRIVES, is_of_jobs};
pub use marker::Marker;
pub use pulse::{Beats, Pulse};
pub use {
    dead::run as dead_letters, events::run as events, heartbeats::run as heartbeats, logs::run as logs,
    submissions::run as submissions,
};

/// Most unsettled deliveries of one queue: what a batch may take, and as much again on its way.
const PREFETCH: u16 = 1_000;
/// Most messages of one batch.
const MESSAGES: usize = 500;
/// A batch that holds so many bytes takes no further message: each may have some hundred kilobytes, and takes several times as much
/// once it is decoded.
const BATCH_BYTES: usize = 4 << 20;

/// How far a queue is folded by this replica.
#[derive(Clone, Debug, Default)]
pub struct Behind(Arc<Mutex<Option<Instant>>>);

/// A delivery may be on its way from the broker while the loop thinks that it is idle.
const IN_FLIGHT: Duration = Duration::from_millis(150);

impl Behind {
    /// A batch is taken up.
    fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// All that had arrived is committed.
    fn idle(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Everything that had been received this long ago is committed.
    #[must_use]
    pub fn by(&self) -> Duration {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.map_or(Duration::ZERO, |began| began.elapsed()) + IN_FLIGHT
    }
}

/// Waits for a delivery, then takes along what else has arrived. `None`: shutdown, or the broker is closed.
async fn batch(
    deliveries: &mut Box<dyn Deliveries>,
    behind: &Behind,
    shutdown: &CancellationToken,
) -> Option<Vec<Delivery>> {
    let first = match deliveries.try_next() {
        Some(first) => first,
        None => {
            behind.idle();
            shutdown.run_until_cancelled(deliveries.next()).await??
        }
    };
    behind.begin();
    let mut bytes = first.body.len();
    let mut batch = vec![first];
    while batch.len() < MESSAGES && bytes < BATCH_BYTES {
        let Some(next) = deliveries.try_next() else { break };
        bytes += next.body.len();
        batch.push(next);
    }
    Some(batch)
}

/// Settles a committed batch: all of it in one frame, but for what could not be put away.
async fn settle(deliveries: &dyn Deliveries, batch: &[Delivery], kept: &[usize]) {
    let Some(last) = batch.last() else { return };
    if kept.is_empty() {
        deliveries.ack_through(last.tag).await;
        return;
    }
    for (index, delivery) in batch.iter().enumerate() {
        let how = if kept.contains(&index) { Settle::GiveBack } else { Settle::Ack };
        deliveries.settle(delivery.tag, how).await;
    }
}

/// Tries a unit of work, of so many pieces, until it succeeds or fails for good; `None`: shutdown came first. A macro, since the compiler
/// cannot yet tell that the future of an async closure is `Send`.
macro_rules! until_done {
    ($what:expr, $shutdown:expr, $work:expr) => {
        until_done!($what, $shutdown, 1, $work)
    };
    ($what:expr, $shutdown:expr, $pieces:expr, $work:expr) => {{
        let mut backoff =
            drover_service::retry::Backoff::new(std::time::Duration::from_millis(50), std::time::Duration::from_secs(5));
        loop {
            match $work.await {
                Err(error) if $crate::store::StoreError::is_worth_repeating(&error, $pieces) => {
                    tracing::warn!(%error, "{} is tried again", $what);
                    if !backoff.wait($shutdown).await {
                        break None;
                    }
                }
                outcome => break Some(outcome),
            }
        }
    }};
}
use until_done;

/// Subscribes to a queue, trying until it succeeds. `None`: shutdown came first.
async fn subscribe(app: &App, queue: &str, prefetch: u16, shutdown: &CancellationToken) -> Option<Box<dyn Deliveries>> {
    subscribed(queue, shutdown, || app.broker.consume(queue, prefetch)).await
}

/// The same for a queue into which others than workers write.
async fn subscribe_apart(
    app: &App,
    queue: &str,
    prefetch: u16,
    shutdown: &CancellationToken,
) -> Option<Box<dyn Deliveries>> {
    subscribed(queue, shutdown, || app.broker.consume_apart(queue, prefetch)).await
}

async fn subscribed<F>(
    queue: &str,
    shutdown: &CancellationToken,
    consume: impl Fn() -> F,
) -> Option<Box<dyn Deliveries>>
where
    F: Future<Output = Result<Box<dyn Deliveries>, BrokerError>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        match consume().await {
            Ok(deliveries) => return Some(deliveries),
            Err(error) => {
                tracing::warn!(%error, queue, "subscribing failed; it is tried again");
                if !backoff.wait(shutdown).await {
                    return None;
                }
            }
        }
    }
}
