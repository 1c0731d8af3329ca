//! Text out of the data, made fit to be quoted in messages and results.

pub use drover_worker::text::quotable;

/// The begin of a record as it was, for a rejects file: NUL is shown as `␀`, what is no UTF-8 as `�`.
#[must_use]
pub fn raw(record: &[u8], bytes: usize) -> String {
    let head = &record[..record.len().min(bytes)];
    let mut text = String::from_utf8_lossy(head).replace('\0', "␀");
    if head.len() < record.len() {
        text.push('…');
    }
    text
}

/// A path for a person and for JSON. Paths that are no UTF-8 are refused before they could be opened by this text.
#[must_use]
pub fn path(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_bad_bytes_are_shown() {
        assert_eq!(raw(b"a\xffb\0\x1b", 10), "a\u{fffd}b␀\u{1b}");
        assert_eq!(raw(b"abcdef", 3), "abc…");
    }
}
