//! Runs targets.

use std::panic::{self, AssertUnwindSafe};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::{Target, inputs};

/// Which inputs are made.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub u64);

/// An input that broke a promise, as small as it could be made.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What the target said.
    pub reason: String,
}

/// Gives a target so many inputs made of `known`, and stops at the first finding.
///
/// # Errors
/// The finding.
pub fn run(target: &Target, known: Vec<Vec<u8>>, cases: u32, Seed(seed): Seed) -> Result<(), Finding> {
    let config = Config { cases, max_shrink_iters: 5_000, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&inputs(known), |input| check(target, &input).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, input)) => Err(Finding { input, reason: reason.message().to_owned() }),
        Err(TestError::Abort(reason)) => Err(Finding { input: Vec::new(), reason: reason.message().to_owned() }),
    }
}

fn check(target: &Target, input: &[u8]) -> Result<(), String> {
    panic::catch_unwind(AssertUnwindSafe(|| (target.check)(input))).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
