//! The loops of a replica. One that panics takes the whole process along: without one of them it would look alive and do only a part of
//! its work, and other replicas wait for what it holds.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Loops that end with a token.
#[derive(Clone)]
pub(crate) struct Loops {
    tasks: TaskTracker,
    /// Ends the process.
    stop: CancellationToken,
    panicked: Arc<AtomicBool>,
}

impl Loops {
    /// None yet. `stop` is cancelled when one of them panics.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, panicked: Arc::default() }
    }

    /// Others of the same process.
    pub(crate) fn others(&self) -> Self {
        Self { tasks: TaskTracker::new(), ..self.clone() }
    }

    /// Begins one.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Self { stop, panicked, .. } = self.clone();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                panicked.store(true, Ordering::SeqCst);
                tracing::error!("a loop of this orchestrator has panicked: it ends, for another to go on");
                stop.cancel();
            }
        });
    }

    /// Waits for their ends. Whether all of them came in time.
    pub(crate) async fn drain(&self, within: Duration) -> bool {
        drover_service::shutdown::drain(&self.tasks, within).await
    }

    /// Whether one of them has panicked, of these or of the others.
    pub(crate) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_panics_ends_the_process_and_an_orderly_end_does_not() {
        let loops = Loops::new(CancellationToken::new());
        loops.spawn(async {});
        assert!(loops.drain(Duration::from_secs(10)).await);
        assert!(!loops.panicked() && !loops.stop.is_cancelled());

        let others = loops.others();
        others.spawn(async { panic!("as it happens") });
        others.stop.cancelled().await;
        assert!(loops.panicked());
    }
}
