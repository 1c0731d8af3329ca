//! Text out of names and programs, made fit to be quoted in messages and results.

use std::path::Path;

/// The text for a message, at most `bytes` bytes long, cut at a character's border (`…` marks the cut). Control characters
/// are shown as `�`, because terminals obey them and Postgres cannot store NUL.
#[must_use]
pub fn quotable(text: &str, bytes: usize) -> String {
    let head = &text[..text.floor_char_boundary(bytes)];
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    let mut quoted: String = head.chars().map(shown).collect();
    if quoted.len() > bytes || head.len() < text.len() {
        quoted.truncate(quoted.floor_char_boundary(bytes));
        quoted.push('…');
    }
    quoted
}

/// A path for a person; what is no UTF-8 is shown as `�`.
#[must_use]
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The name of a file without its folder and ending.
#[must_use]
pub fn title(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character_and_is_marked() {
        assert_eq!((quotable("aé", 2), quotable("aé", 3)), ("a…".into(), "aé".into()));
        assert_eq!(quotable("a\0b\u{1b}[31m\n", 20), "a\u{fffd}b\u{fffd}[31m\n");
        assert_eq!(title(Path::new("/a/b.c/Trip \"1\"\n.part.mkv")), "Trip \"1\"\n.part");
    }
}
