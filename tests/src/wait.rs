//! Waiting with a deadline. The only place in the tests where a poll interval lives.

use anyhow::{Context, bail};
use std::fmt::Display;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Short beside what tests wait for, long beside what a probe costs.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What a probe saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// It is there.
    Yes(T),
    /// Not yet; and what is there instead, for the failure message.
    NotYet(String),
}

impl<T> Seen<T> {
    /// Not yet: `instead` is there.
    pub fn not_yet(instead: impl Display) -> Self {
        Self::NotYet(instead.to_string())
    }
}

/// Polls until `probe` sees what it looks for. A probe's error ends the wait at once; the deadline cuts off a probe
/// that hangs.
///
/// ```
/// use drover_tests::wait::{self, Seen};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let mut polls = 0;
/// let seen = wait::until("the third poll", std::time::Duration::from_secs(5), async || {
///     polls += 1;
///     Ok(if polls == 3 { Seen::Yes(polls) } else { Seen::not_yet(format!("poll {polls}")) })
/// });
/// assert_eq!(seen.await?, 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The probe's own, or that the deadline passed: with `what` was waited for and what the last probe saw instead.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Seen<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut last = "no probe came to an end".to_owned();
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(seen) => match seen.with_context(|| format!("while waiting for {what}"))? {
                Seen::Yes(value) => return Ok(value),
                Seen::NotYet(instead) => last = instead,
            },
            Err(_) => bail!("waited {limit:?} for {what}; the probe hung; the one before saw: {last}"),
        }
        if Instant::now() + POLL_INTERVAL > deadline {
            bail!("waited {limit:?} for {what}; last seen: {last}");
        }
        sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_missed_deadline_tells_what_was_there_instead() {
        let result = until::<()>("three rows", SHORT, async || Ok(Seen::not_yet("2 rows"))).await;
        let message = result.expect_err("must time out").to_string();
        assert_eq!(message, "waited 100ms for three rows; last seen: 2 rows");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_cut_off() {
        let result = until::<()>("an answer", SHORT, async || std::future::pending().await).await;
        assert!(result.expect_err("must time out").to_string().contains("the probe hung"));
    }

    #[tokio::test]
    async fn an_error_of_the_probe_ends_the_wait() {
        let result = until::<()>("an answer", Duration::from_secs(60), async || bail!("it is dead")).await;
        assert_eq!(format!("{:#}", result.expect_err("must fail")), "while waiting for an answer: it is dead");
    }
}
