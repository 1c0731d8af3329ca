//! Texts that others wrote, made safe to show: they must neither break a layout nor drive the terminal.

/// The text on one line: control characters become spaces. Colours pass, since our own are among them.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |(at, c): (usize, char)| if c.is_control() && !begins_color(&text[at..]) { ' ' } else { c };
    text.char_indices().map(shown).collect()
}

/// The text with its line breaks and tabs; other control characters become visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Whether the text begins with `ESC [ numbers m`.
fn begins_color(text: &str) -> bool {
    let numbers =
        text.strip_prefix("\u{1b}[").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    numbers.is_some_and(|rest| rest.starts_with('m'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_the_terminal_is_taken_out() {
        assert_eq!(one_line("a\nb\u{1b}[2Jc\u{1b}[31mred\u{1b}[0m\u{1b}"), "a b [2Jc\u{1b}[31mred\u{1b}[0m ");
        assert_eq!(printable("a\n\tb\u{1b}[31m"), "a\n\tb\u{fffd}[31m");
    }
}
