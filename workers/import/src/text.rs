//! Text out of the data, made fit to be quoted in messages and results.

/// The text for a message, at most `bytes` bytes long, cut at a character's border (`…` marks the cut). NUL is shown as
/// `␀`, because Postgres cannot store it; other control characters as `�`, because terminals obey them.
#[must_use]
pub fn quotable(text: &str, bytes: usize) -> String {
    let head = &text[..text.floor_char_boundary(bytes)];
    let mut quoted = String::with_capacity(head.len());
    for c in head.chars() {
        match c {
            '\0' => quoted.push('␀'),
            '\n' | '\t' => quoted.push(c),
            c if c.is_control() => quoted.push('\u{fffd}'),
            c => quoted.push(c),
        }
    }
    if quoted.len() > bytes || head.len() < text.len() {
        quoted.truncate(quoted.floor_char_boundary(bytes));
        quoted.push('…');
    }
    quoted
}

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
    fn a_cut_never_splits_a_character_and_is_marked() {
        assert_eq!(quotable("aé", 2), "a…");
        assert_eq!(quotable("aé", 3), "aé");
        assert_eq!(quotable(&"\u{1}".repeat(10), 10), format!("{}…", "\u{fffd}".repeat(3)), "never longer than asked");
    }

    #[test]
    fn nul_control_characters_and_bad_bytes_are_shown() {
        assert_eq!(quotable("a\0b\u{1b}[31m\n", 20), "a␀b\u{fffd}[31m\n");
        assert_eq!(raw(b"a\xffb\0\x1b", 10), "a\u{fffd}b␀\u{1b}");
        assert_eq!(raw(b"abcdef", 3), "abc…");
    }
}
