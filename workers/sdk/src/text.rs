//! Texts on their way out: cut to the wire's limits and free of what the database cannot store.

/// Ends a text that was cut.
const ELLIPSIS: char = '…';

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
    fn nul_is_replaced() {
        assert_eq!(clean("a\0b".into(), 100), "a\u{FFFD}b");
    }
}
