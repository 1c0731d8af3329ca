//! How many messages are fetched ahead.
//!
//! Many are needed to run thousands of short jobs per second; held by a worker whose jobs take long they would starve
//! idle workers, and wander to and fro. So the worker fetches what it begins in half a second.

use std::time::Duration;

use tokio::time::Instant;

/// The rate is looked at once per window.
const WINDOW: Duration = Duration::from_secs(1);
/// A message that waited this long for a permit shows that permits are scarce.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// Fetched ahead: what is begun in this time.
const AHEAD_MILLIS: u64 = 500;

/// Measures how fast jobs are begun.
#[derive(Debug)]
pub(super) struct Pace {
    first: u16,
    most: u16,
    window: Instant,
    begun: u64,
    scarce: bool,
}

impl Pace {
    /// `limit`: how many jobs may run at once; so many are fetched at first.
    pub(super) fn new(limit: u32, most: u16) -> Self {
        let first = u16::try_from(limit).unwrap_or(u16::MAX).clamp(1, most.max(1));
        Self { first, most, window: Instant::now(), begun: 0, scarce: false }
    }

    /// How many to fetch ahead at first.
    pub(super) const fn first(&self) -> u16 {
        self.first
    }

    /// A job was begun after waiting so long for its permit.
    pub(super) fn begun(&mut self, waited: Duration) {
        self.begun += 1;
        self.scarce |= waited >= LONG_WAIT;
    }

    /// No permit came in time.
    pub(super) const fn stood_back(&mut self) {
        self.scarce = true;
    }

    /// At the end of a window: how many to fetch ahead from now on, if that differs much from `current`.
    pub(super) fn change(&mut self, current: u16) -> Option<u16> {
        let elapsed = self.window.elapsed();
        if elapsed < WINDOW {
            return None;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let ahead = u16::try_from(self.begun * AHEAD_MILLIS / millis).unwrap_or(u16::MAX).clamp(1, self.most);
        let scarce = self.scarce;
        *self = Self { window: Instant::now(), begun: 0, scarce: false, ..*self };
        let grow = ahead / 2 >= current;
        // A low rate alone may only mean that the queue is empty.
        let shrink = scarce && ahead <= current / 2;
        (grow || shrink).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn second(pace: &mut Pace, jobs: u32, waited: Duration, current: u16) -> Option<u16> {
        for _ in 0..jobs {
            pace.begun(waited);
        }
        tokio::time::advance(WINDOW).await;
        pace.change(current)
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_rate_of_jobs() {
        let mut pace = Pace::new(4, 256);
        assert_eq!(pace.first(), 4);
        assert_eq!(second(&mut pace, 100, Duration::ZERO, 4).await, Some(50), "short jobs: more ahead");
        assert_eq!(second(&mut pace, 100, Duration::ZERO, 50).await, None);
        assert_eq!(second(&mut pace, 100_000, Duration::ZERO, 50).await, Some(256), "within the limit");
        assert_eq!(second(&mut pace, 2, Duration::ZERO, 256).await, None, "an empty queue is no reason to fetch fewer");
        assert_eq!(second(&mut pace, 2, LONG_WAIT, 256).await, Some(1), "long jobs: fewer ahead");
        pace.stood_back();
        assert_eq!(second(&mut pace, 0, Duration::ZERO, 1).await, None);
        assert_eq!(pace.change(1), None, "only at the end of a window");
    }
}
