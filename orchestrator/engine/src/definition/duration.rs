//! Durations as people write them: `500ms`, `30s`, `1h30m`, `2d`.

use std::{fmt::Write, time::Duration};

/// The units, longest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration.
///
/// # Errors
/// A sentence that says how to write one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let usage = || {
        format!(
            "{text:?} is not a duration: write a whole number and a unit (ms, s, m, h, d), e.g. \"30s\" or \"1h30m\""
        )
    };
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    let mut last_length = u64::MAX;
    if rest.is_empty() {
        return Err(usage());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(usage)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| usage())?;
        let length = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length).ok_or_else(usage)?;
        if length >= last_length {
            return Err(usage());
        }
        last_length = length;
        let part = number.checked_mul(length).ok_or_else(|| format!("{text:?} is too long"))?;
        millis = millis.checked_add(part).ok_or_else(|| format!("{text:?} is too long"))?;
        rest = tail;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration so that [`parse`] reads it back. Parts below a millisecond are lost.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, length) in UNITS {
        if millis >= length {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{name}", millis / length);
            millis %= length;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// For `#[serde(with)]`.
pub mod text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the duration as text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*duration))
    }

    /// Reads the duration from text.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
