//! Somebody waits for a cancel to settle: what that needs is done at once, and not at the next beat.

use std::time::Duration;

use tokio::{sync::Notify, time::sleep};

/// What comes together is taken together: many cancels are no reason to beat without pause.
const GATHER: Duration = Duration::from_millis(10);

/// Wakes the duties on which a cancel waits.
#[derive(Debug, Default)]
pub struct Press {
    beat: Notify,
    settle: Notify,
}

impl Press {
    /// A beat is wanted, and its markers: a cancel was accepted, or a worker has acknowledged one.
    pub fn beat(&self) {
        self.beat.notify_one();
    }

    /// More is folded than before: cancels may settle.
    pub fn settle(&self) {
        self.settle.notify_one();
    }

    /// Waits until a beat is wanted, or for so long.
    pub(super) async fn next_beat(&self, at_most: Duration) {
        tokio::select! {
            () = sleep(at_most) => {}
            () = self.beat.notified() => sleep(GATHER.min(at_most)).await,
        }
    }

    /// Waits until cancels may settle, or for so long.
    pub(super) async fn next_settling(&self, at_most: Duration) {
        tokio::select! {
            () = sleep(at_most) => {}
            () = self.settle.notified() => {}
        }
    }
}
