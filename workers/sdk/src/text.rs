//! Texts on their way out: cut to the wire's limits and free of what the database cannot store.

/// Ends a text that was cut.
const ELLIPSIS: char = '…';

/// A text from outside (a name, a line of a file, what a program said), made fit to be quoted in a message or a result: at
/// most `bytes` bytes long, cut at a character's border (`…` behind that marks the cut). NUL is shown as `␀`, because Postgres
/// cannot store it; other control characters as `�`, because terminals obey them.
#[must_use]
pub fn quotable(text: &str, bytes: usize) -> String {
    let head = &text[..text.floor_char_boundary(bytes)];
    let shown = |c: char| match c {
        '\0' => '␀',
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let mut quoted: String = head.chars().map(shown).collect();
    if quoted.len() > bytes || head.len() < text.len() {
        quoted.truncate(quoted.floor_char_boundary(bytes));
        quoted.push(ELLIPSIS);
    }
    quoted
}

/// Cuts to at most `limit_bytes` at a character's boundary, with an ellipsis, and replaces U+0000, which Postgres cannot
/// store, by U+FFFD. A text that is fine is returned as it came, without copying.
pub(crate) fn clean(text: String, limit_bytes: usize) -> String {
    let text = if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text };
    cut(text, limit_bytes)
}

fn cut(mut text: String, limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return text;
    }
    let end = text.floor_char_boundary(limit_bytes.saturating_sub(ELLIPSIS.len_utf8()));
    text.truncate(end);
    text.push(ELLIPSIS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_with_an_ellipsis() {
        assert_eq!(clean("short".into(), 5), "short");
        assert_eq!(clean("longer".into(), 5), "lo…");
        assert_eq!(clean("ééé".into(), 6), "ééé");
        assert_eq!(clean("éééé".into(), 6), "é…");
    }

    #[test]
    fn a_quoted_text_is_never_longer_than_asked_and_shows_what_cannot_be_shown() {
        assert_eq!((quotable("aé", 2), quotable("aé", 3)), ("a…".into(), "aé".into()));
        assert_eq!(quotable(&"\u{1}".repeat(10), 10), format!("{}…", "\u{fffd}".repeat(3)));
        assert_eq!(quotable("a\0b\u{1b}[31m\n\t", 20), "a␀b\u{fffd}[31m\n\t");
    }

    #[test]
    fn nul_is_replaced() {
        assert_eq!(clean("a\0b".into(), 100), "a\u{FFFD}b");
    }
}
