//! Waiting between tries.
//!
//! The only module that names the crate `backoff`: it is unmaintained (RUSTSEC-2025-0012; its dependency `instant` is
//! RUSTSEC-2024-0384), so none of its types is in our API and replacing it touches this file alone.

use std::{fmt::Display, time::Duration};

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};
use tokio_util::sync::CancellationToken;

/// Each delay is this much longer than the one before, jitter aside.
const MULTIPLIER: f64 = 2.0;
/// A delay is drawn from half to one and a half of the nominal one, so that a fleet does not come back in step.
const JITTER: f64 = 0.5;

/// Growing delays with jitter that never give up.
#[derive(Debug)]
pub struct Backoff {
    delays: ExponentialBackoff,
    max: Duration,
}

impl Backoff {
    /// The first delay is about `initial`, later ones double; none is longer than `max`.
    #[must_use]
    pub fn new(initial: Duration, max: Duration) -> Self {
        // The nominal ceiling is lower than `max` so that the delays at the ceiling still differ by their jitter.
        let ceiling = max.div_f64(1.0 + JITTER);
        let delays = ExponentialBackoffBuilder::new()
            .with_initial_interval(initial.min(ceiling))
            .with_max_interval(ceiling)
            .with_multiplier(MULTIPLIER)
            .with_randomization_factor(JITTER)
            // The crate's default gives up after 15 minutes.
            .with_max_elapsed_time(None)
            .build();
        Self { delays, max }
    }

    /// How long to wait before the next try.
    #[allow(clippy::should_implement_trait, reason = "an endless source of delays is not used as an iterator")]
    pub fn next(&mut self) -> Duration {
        self.delays.next_backoff().unwrap_or(self.max).min(self.max)
    }

    /// Begins again with the shortest delay: call it after a success.
    pub fn reset(&mut self) {
        self.delays.reset();
    }

    /// Waits for the next delay. `false`: `shutdown` came first.
    pub async fn wait(&mut self, shutdown: &CancellationToken) -> bool {
        let delay = self.next();
        shutdown.run_until_cancelled(tokio::time::sleep(delay)).await.is_some()
    }
}

/// Calls `op` until it succeeds, with a warning that names `what` for each failure. `None`: `shutdown` came first.
pub async fn retry<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut backoff: Backoff,
    shutdown: &CancellationToken,
    mut op: impl FnMut() -> F,
) -> Option<T> {
    loop {
        let error = match shutdown.run_until_cancelled(op()).await? {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let delay = backoff.next();
        tracing::warn!(error = %error, retry_in_seconds = delay.as_secs_f64(), "{what} failed");
        shutdown.run_until_cancelled(tokio::time::sleep(delay)).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_stay_there() {
        let max = Duration::from_secs(3);
        let mut backoff = Backoff::new(Duration::from_millis(100), max);
        let first = backoff.next();
        assert!(first >= Duration::from_millis(50) && first <= Duration::from_millis(150), "first delay {first:?}");
        let delays: Vec<Duration> = (0..1_000).map(|_| backoff.next()).collect();
        assert!(delays.iter().all(|delay| *delay <= max));
        assert!(delays[10..].iter().all(|delay| *delay >= max / 3), "it stays at the ceiling, with jitter");
        assert!(delays[10..].iter().max() != delays[10..].iter().min(), "jitter");
    }

    #[test]
    fn reset_begins_again() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(60));
        for _ in 0..20 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(15));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_goes_on_until_it_succeeds_far_beyond_a_quarter_of_an_hour() {
        let mut tries = 0;
        let shutdown = CancellationToken::new();
        let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(600));
        let value = retry("the test", backoff, &shutdown, || {
            tries += 1;
            ready(if tries < 30 { Err("not yet") } else { Ok(tries) })
        })
        .await;
        assert_eq!(value, Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_ends_with_shutdown() {
        let shutdown = CancellationToken::new();
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
        let mut tries = 0;
        let value: Option<()> = retry("the test", backoff, &shutdown, || {
            tries += 1;
            if tries == 3 {
                shutdown.cancel();
            }
            ready(Err("never"))
        })
        .await;
        assert_eq!(value, None);
        assert_eq!(tries, 3);
    }
}
