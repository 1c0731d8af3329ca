//! Whether the database hears this replica.
//!
//! One that it does not hear is not waited for after a while: its host is taken for gone, and what the broker had delivered
//! there for delivered to others. If only its way to the database is broken, the broker does not notice. So it lets go by
//! itself, early enough for others to fold what it held.

use std::{future::Future, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::duty::Pace;

/// Tells when the database heard this replica.
#[derive(Debug)]
pub struct Beats(watch::Sender<Instant>);

/// See the module.
#[derive(Clone, Debug)]
pub struct Pulse {
    heard_at: watch::Receiver<Instant>,
    limit: Duration,
}

impl Beats {
    /// The database heard what was sent at this time.
    pub fn heard(&self, sent_at: Instant) {
        self.0.send_replace(sent_at);
    }
}

impl Pulse {
    /// The pulse of a replica that is just heard.
    #[must_use]
    pub fn new(pace: Pace) -> (Beats, Self) {
        let (beats, heard_at) = watch::channel(Instant::now());
        (Beats(beats), Self { heard_at, limit: pace.let_go() })
    }

    /// Does the work while this replica is heard. `None`: it was not, for too long.
    pub(super) async fn while_heard<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.fails() => None,
        }
    }

    async fn fails(&mut self) {
        loop {
            let until = *self.heard_at.borrow_and_update() + self.limit;
            match timeout_at(until, self.heard_at.changed()).await {
                Ok(Ok(())) => {}
                // Nobody beats any more: the process ends, and its loops with it.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => return,
            }
        }
    }

    /// Waits until it is heard again. `false`: shutdown came first.
    pub(super) async fn returns(&mut self, shutdown: &CancellationToken) -> bool {
        matches!(shutdown.run_until_cancelled(self.heard_at.changed()).await, Some(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fails_half_way_to_being_taken_for_dead_and_returns_with_the_next_beat() {
        let pace = Pace { lease: Duration::from_secs(20) };
        let (beats, mut pulse) = Pulse::new(pace);
        let beating = async {
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                beats.heard(Instant::now());
            }
            Instant::now()
        };
        let last = pulse.while_heard(beating).await.expect("it is heard all the time");
        assert_eq!(pulse.while_heard(std::future::pending::<()>()).await, None);
        assert_eq!(last.elapsed(), pace.dead_after() / 2);
        let shutdown = CancellationToken::new();
        let (returned, ()) = tokio::join!(pulse.returns(&shutdown), async { beats.heard(Instant::now()) });
        assert!(returned);
        assert_eq!(pulse.while_heard(async { 7 }).await, Some(7));
        shutdown.cancel();
        assert!(!pulse.returns(&shutdown).await);
    }
}
