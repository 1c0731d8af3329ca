//! How many jobs run at once: over all types, per type, and none while there is a reason not to begin any.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The right to run one job.
#[derive(Debug)]
pub(crate) struct Permit {
    _of_type: OwnedSemaphorePermit,
    _of_worker: OwnedSemaphorePermit,
}

/// How many jobs the worker runs at once, and whether it may begin any.
pub(crate) struct Permits {
    concurrency: u32,
    all: Arc<Semaphore>,
    gate: watch::Sender<bool>,
}

/// How many jobs of one type run at once.
#[derive(Clone, Debug)]
pub(crate) struct TypePermits {
    limit: u32,
    semaphore: Arc<Semaphore>,
}

impl TypePermits {
    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }
}

impl Permits {
    /// The gate is closed at first: nothing begins before the welcome.
    pub(crate) fn new(concurrency: u32) -> Self {
        Self { concurrency, all: semaphore(concurrency), gate: watch::Sender::new(false) }
    }

    /// The permits of one type; without a limit of its own it has the worker's.
    pub(crate) fn of_type(&self, limit: Option<u32>) -> TypePermits {
        let limit = limit.unwrap_or(self.concurrency).clamp(1, self.concurrency.max(1));
        TypePermits { limit, semaphore: semaphore(limit) }
    }

    /// Waits for a permit. Cancel-safe.
    pub(crate) async fn acquire(&self, of_type: &TypePermits) -> Permit {
        loop {
            self.gate_opens().await;
            // The type's permit first: a full type must not keep a permit of the worker from the others.
            let of_type = Arc::clone(&of_type.semaphore).acquire_owned().await;
            let of_worker = Arc::clone(&self.all).acquire_owned().await;
            // The semaphores are never closed. The gate may have closed meanwhile.
            if let (Ok(of_type), Ok(of_worker)) = (of_type, of_worker)
                && self.is_open()
            {
                return Permit { _of_type: of_type, _of_worker: of_worker };
            }
        }
    }

    /// The worker is welcome: jobs may begin.
    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }

    /// The worker may have missed a cancel: nothing begins until it is welcome again.
    pub(crate) fn close(&self) {
        self.gate.send_replace(false);
    }

    /// Whether jobs may begin.
    pub(crate) fn is_open(&self) -> bool {
        *self.gate.borrow()
    }

    /// Waits until jobs may begin.
    pub(crate) async fn gate_opens(&self) {
        // The sender lives in `self`, so this ends with the gate's opening only.
        self.gate.subscribe().wait_for(|open| *open).await.ok();
    }
}

fn semaphore(limit: u32) -> Arc<Semaphore> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn blocked(permits: &Permits, of_type: &TypePermits) -> bool {
        timeout(Duration::from_millis(5), permits.acquire(of_type)).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_needs_the_gate_the_type_and_the_worker() {
        let permits = Permits::new(2);
        let (a, b) = (permits.of_type(Some(1)), permits.of_type(None));
        assert_eq!((a.limit(), b.limit()), (1, 2));
        assert!(blocked(&permits, &a).await, "the gate is closed at first");
        permits.open();
        let first = permits.acquire(&a).await;
        assert!(blocked(&permits, &a).await, "the type's limit");
        let second = permits.acquire(&b).await;
        assert!(blocked(&permits, &b).await, "the worker's limit");
        drop(first);
        drop(permits.acquire(&a).await);
        drop(second);
        permits.close();
        assert!(blocked(&permits, &b).await, "the gate is closed again");
    }
}
