//! How often somebody may ask: a bucket of permits each, in memory, that fills up again all the time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most that are kept. Beyond it those that are full, who are as good as new, are forgotten, and if none is, all are: a
/// limit that lapses now and then harms less than memory without one.
const KEPT: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Buckets by whom they are for. Each holds the permits of one minute.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    kept: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Permits that were there.
    permits: f64,
    /// When.
    at: Instant,
    /// How many it holds.
    holds: f64,
}

impl Bucket {
    fn at(self, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        let permits = (self.permits + since * self.holds / MINUTE.as_secs_f64()).min(self.holds);
        Self { permits, at: now, ..self }
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes a permit of so many a minute. `Err`: how long until there is one.
    pub(crate) fn take(&self, key: K, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut kept, &key, now);
        let holds = f64::from(per_minute.max(1));
        let bucket = kept.entry(key).or_insert(Bucket { permits: holds, at: now, holds });
        *bucket = Bucket { holds, ..*bucket }.at(now);
        if bucket.permits >= 1.0 {
            bucket.permits -= 1.0;
            return Ok(());
        }
        Err(MINUTE.div_f64(holds).mul_f64(1.0 - bucket.permits))
    }

    /// Whether there would be no permit.
    pub(crate) fn is_empty(&self, key: &K, now: Instant) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).is_some_and(|bucket| bucket.at(now).permits < 1.0)
    }
}

fn make_room<K: Eq + Hash>(kept: &mut HashMap<K, Bucket>, key: &K, now: Instant) {
    if kept.len() < KEPT || kept.contains_key(key) {
        return;
    }
    kept.retain(|_, bucket| bucket.at(now).permits < bucket.holds);
    if kept.len() >= KEPT {
        kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_permits_are_there_at_once_and_come_back_one_by_one() {
        let (buckets, start) = (Buckets::default(), Instant::now());
        for _ in 0..6 {
            assert_eq!(buckets.take("a", 6, start), Ok(()));
        }
        assert!(buckets.is_empty(&"a", start));
        assert_eq!(buckets.take("a", 6, start), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take("b", 6, start), Ok(()), "another one is not concerned");
        let later = start + Duration::from_secs(10);
        assert!(!buckets.is_empty(&"a", later));
        assert_eq!(buckets.take("a", 6, later), Ok(()));
        assert!(buckets.take("a", 6, later).is_err());
        let much_later = start + Duration::from_secs(3_600);
        let taken = (0..100).filter(|_| buckets.take("a", 6, much_later).is_ok()).count();
        assert_eq!(taken, 6, "no more than one minute's are kept");
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_who_has_used_theirs_up_is_not_forgotten_first() {
        let (buckets, start) = (Buckets::default(), Instant::now());
        assert_eq!(buckets.take(usize::MAX, 1, start), Ok(()));
        for key in 0..KEPT * 2 {
            assert_eq!(buckets.take(key, 600_000, start + Duration::from_millis(key as u64)), Ok(()));
        }
        assert!(buckets.kept.lock().is_ok_and(|kept| kept.len() <= KEPT));
        assert!(buckets.is_empty(&usize::MAX, start + Duration::from_secs(20)));
    }
}
