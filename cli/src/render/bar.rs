//! A bar and its number, as text.

use std::fmt::Write as _;

/// A bar of the given width; a running job's is never quite full.
pub(crate) fn bar(percent: f64, columns: usize) -> String {
    let full = (0..columns).filter(|column| percent >= share(column + 1, columns)).count();
    let mut text = "█".repeat(full);
    // Writing into a string cannot fail.
    let _ = write!(text, "{}", "░".repeat(columns - full));
    text
}

/// How many percent fill the first `part` columns of `whole`.
fn share(part: usize, whole: usize) -> f64 {
    let small = |number: usize| f64::from(u16::try_from(number).unwrap_or(u16::MAX));
    small(part) / small(whole) * 100.0
}

/// Percent without a tail of zeros, never rounded up: 99.99 stays below 100.
pub(crate) fn percent(percent: f64) -> String {
    let text = format!("{:.1}", (percent * 10.0).floor() / 10.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// Amounts as `3/7`, with `?` for an unknown total; nothing when there is nothing to count.
pub(crate) fn amount(done: Option<u64>, total: Option<u64>) -> String {
    match (done, total) {
        (Some(done), Some(total)) => format!("{done}/{total}"),
        (Some(done), None) => format!("{done}/?"),
        (None, Some(total)) => format!("0/{total}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_full() {
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(50.0, 4), "██░░");
        assert_eq!(bar(99.99, 4), "███░");
        assert_eq!(bar(100.0, 4), "████");
    }

    #[test]
    fn percent_is_never_rounded_up() {
        for (value, text) in [(0.0, "0%"), (33.33, "33.3%"), (99.99, "99.9%"), (100.0, "100%")] {
            assert_eq!(percent(value), text);
        }
    }
}
