//! Random choices as a tape of numbers: what is decided by it shrinks as the tape does, since 0 is the plainest choice.

use proptest::{collection::vec, prelude::*};

#[derive(Clone)]
pub(super) struct Tape {
    numbers: Vec<u16>,
    next: usize,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tape::from(vec!{:?})", self.numbers)
    }
}

impl From<Vec<u16>> for Tape {
    fn from(numbers: Vec<u16>) -> Self {
        Self { numbers, next: 0 }
    }
}

impl Tape {
    /// One of `count` choices; the first when the tape is at its end.
    pub(super) fn pick(&mut self, count: usize) -> usize {
        let number = self.numbers.get(self.next).copied().map_or(0, usize::from);
        self.next += 1;
        number % count.max(1)
    }

    /// Whether something happens that does so one time in `odds`.
    pub(super) fn one_in(&mut self, odds: usize) -> bool {
        self.pick(odds) == 1
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.pick(choices.len());
        choices.get(index).cloned()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.next >= self.numbers.len()
    }
}

pub(super) fn tapes(length: usize) -> impl Strategy<Value = Tape> {
    vec(any::<u16>(), 0..length).prop_map(Tape::from)
}

pub(super) fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("FOLD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
