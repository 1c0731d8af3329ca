//! Tapes for property tests.

use proptest::{collection::vec, prelude::*};

pub(super) use crate::fold::simulation::tape::Tape;

pub(super) fn tapes(length: usize) -> impl Strategy<Value = Tape> {
    vec(any::<u16>(), 0..length).prop_map(Tape::from)
}

pub(super) fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("FOLD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
