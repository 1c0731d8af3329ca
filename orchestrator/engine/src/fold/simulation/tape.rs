//! Random choices as a tape of numbers: what is decided by it shrinks as the tape does, since 0 is the plainest choice.

/// See the module.
#[derive(Clone)]
pub struct Tape {
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
    pub fn pick(&mut self, count: usize) -> usize {
        let number = self.numbers.get(self.next).copied().map_or(0, usize::from);
        self.next += 1;
        number % count.max(1)
    }

    /// Whether something happens that does so one time in `odds`.
    pub fn one_in(&mut self, odds: usize) -> bool {
        self.pick(odds) == 1
    }

    /// One of these; `None` when there are none.
    pub fn of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.pick(choices.len());
        choices.get(index).cloned()
    }

    /// Whether every number was used.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.next >= self.numbers.len()
    }
}
