//! What was looked up lately, so that neither a stream nor a page that looks again costs a query each.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Hash;

/// What was looked up longer ago is looked up again: so a token that was revoked elsewhere is worth nothing here after this.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// Most that are remembered.
const KEPT: usize = 10_000;

/// What was found, by hash. What is no longer fresh stays known: who was let in before is told from who guesses.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    kept: Mutex<HashMap<Hash, (Instant, V)>>,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<V: Clone> Remembered<V> {
    pub(super) fn fresh(&self, hash: &Hash, now: Instant) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.get(hash)?;
        (now.saturating_duration_since(*at) < FRESH).then(|| value.clone())
    }

    pub(super) fn is_known(&self, hash: &Hash) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains_key(hash)
    }

    /// `at`: when it was asked for, which was before it was found.
    pub(super) fn keep(&self, hash: Hash, value: V, at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(&hash) {
            kept.clear();
        }
        kept.insert(hash, (at, value));
    }

    pub(super) fn forget(&self, hash: &Hash) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(hash);
    }

    pub(super) fn forget_all(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_fresh_for_a_while_and_known_for_longer() {
        let (remembered, start) = (Remembered::default(), Instant::now());
        let (hash, other) = (Hash::of("a"), Hash::of("b"));
        remembered.keep(hash, 7, start);
        assert_eq!(remembered.fresh(&hash, start + FRESH / 2), Some(7));
        assert_eq!(remembered.fresh(&hash, start + FRESH), None);
        assert!(remembered.is_known(&hash) && !remembered.is_known(&other));
        remembered.forget(&hash);
        assert!(!remembered.is_known(&hash));
        for number in 0..=KEPT {
            remembered.keep(Hash::of(&number.to_string()), 1, start);
        }
        assert!(remembered.kept.lock().is_ok_and(|kept| kept.len() <= KEPT));
    }
}
