//! The worker's own view of its lease: whether an orchestrator may have taken it for lost.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// A worker that was stopped or cut off past its lease may hold messages of jobs that were cancelled meanwhile, and a cancel
/// settles without those who are lost. So it begins nothing before it was welcomed anew.
#[derive(Default)]
pub(crate) struct OwnLease {
    inner: Mutex<Inner>,
    doubted: Notify,
}

#[derive(Default)]
struct Inner {
    /// How long silence may last, as the welcome said.
    length: Option<Duration>,
    /// When the newest event was sent that the broker is known to hold.
    heard_at: Option<Instant>,
}

impl OwnLease {
    /// The welcome that answers what was sent at `asked_at`.
    pub(crate) fn grant(&self, length: Duration, asked_at: Instant) {
        self.inner().length = Some(length);
        self.heard(asked_at);
    }

    /// How long silence may last. `None`: nobody has said so yet.
    pub(crate) fn length(&self) -> Option<Duration> {
        self.inner().length
    }

    /// The broker holds an event of the worker that was sent then. When it was sent counts: the worker may have been stopped
    /// before it saw the confirm.
    pub(crate) fn heard(&self, sent_at: Instant) {
        let mut inner = self.inner();
        inner.heard_at = inner.heard_at.max(Some(sent_at));
    }

    /// Whether a welcomed worker was silent for longer than it may.
    pub(crate) fn has_lapsed(&self) -> bool {
        let Inner { length: Some(length), heard_at } = *self.inner() else { return false };
        heard_at.is_none_or(|heard_at| heard_at.elapsed() >= length)
    }

    /// It has lapsed: the worker is to be welcomed anew.
    pub(crate) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Waits until it is doubted.
    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_when_the_newest_event_was_sent() {
        let lease = OwnLease::default();
        assert!(!lease.has_lapsed(), "nobody has granted one");
        lease.grant(LENGTH, Instant::now());
        let sent_at = Instant::now();
        tokio::time::advance(LENGTH - Duration::from_secs(1)).await;
        assert!(!lease.has_lapsed());
        // The confirm is seen late: the worker was stopped.
        tokio::time::advance(Duration::from_secs(2)).await;
        lease.heard(sent_at);
        assert!(lease.has_lapsed());
        lease.heard(Instant::now());
        lease.heard(sent_at);
        assert!(!lease.has_lapsed(), "an older event takes nothing back");
    }
}
