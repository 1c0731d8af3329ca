//! How often a job is tried, and how long is waited in between.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// The retry policy of a step's sub-jobs. Serializes in the form the definition has it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How many attempts there are in all; at least 1.
    pub attempts: u32,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The wait before the second attempt.
    #[serde(with = "duration::text")]
    pub initial: Duration,
    /// The longest wait.
    #[serde(with = "duration::text")]
    pub max: Duration,
    /// Whether each wait is shortened by a random share, at most half of it, so that many failures at once do not all
    /// come back at once.
    pub jitter: bool,
}

/// How the wait grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// It doubles.
    #[default]
    Exponential,
    /// It stays.
    Fixed,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: Backoff::Exponential,
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            jitter: true,
        }
    }
}

impl RetryPolicy {
    /// How long to wait after the `failures`-th failed attempt (from 1). `jitter` is a random number in 0..1; anything
    /// else is taken as the nearer bound.
    #[must_use]
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = match self.backoff {
            Backoff::Fixed => 0,
            // 2^31 times even a millisecond is beyond every allowed maximum.
            Backoff::Exponential => failures.saturating_sub(1).min(31),
        };
        let whole = self.initial.saturating_mul(1 << doublings).min(self.max);
        if !self.jitter {
            return whole;
        }
        let share = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
        whole.mul_f64(1.0 - share / 2.0)
    }

    /// Whether another attempt follows after `failures` failed ones.
    #[must_use]
    pub const fn allows(&self, failures: u32) -> bool {
        failures < self.attempts
    }
}
