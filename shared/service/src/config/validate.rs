//! What the shape alone does not say: ranges.

use std::{fmt::Display, ops::RangeInclusive};

/// A configuration that can tell whether its values make sense.
pub trait Validate {
    /// Checks ranges and combinations.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    fn validate(&self) -> Result<(), Invalid>;
}

/// A value that fits its type and makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The key with its section, as `worker.concurrency`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Invalid {
    /// `key` has a `problem`.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

/// Checks that a value lies in a range.
///
/// # Errors
/// When it does not; the text names the range.
pub fn in_range<T: PartialOrd + Display>(key: &str, value: &T, range: &RangeInclusive<T>) -> Result<(), Invalid> {
    if range.contains(value) {
        return Ok(());
    }
    Err(Invalid::new(key, format!("must be from {} to {}", range.start(), range.end())))
}

/// Checks that a number of seconds is above zero and finite.
///
/// # Errors
/// When it is not.
pub fn above_zero(key: &str, seconds: f64) -> Result<(), Invalid> {
    if seconds.is_finite() && seconds > 0.0 { Ok(()) } else { Err(Invalid::new(key, "must be above 0")) }
}
