//! Finding expressions in a text, before any of it is parsed.

use super::CompileError;

/// A part of a text that may hold expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Literal text, with `$${` already turned into `${`.
    Text(String),
    /// What stands between `${` and `}`, and where it begins, in bytes.
    Source(&'a str, usize),
}

/// Cuts a text into literal text and expressions.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, CompileError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        literal.push_str(&text[at..at + found]);
        at += found;
        if text[at..].starts_with("$${") {
            literal.push_str("${");
            at += 3;
        } else if text[at..].starts_with("${") {
            let start = at + 2;
            let length = expression_length(&text[start..]).ok_or_else(|| {
                CompileError::new("`${` has no matching `}` (for a literal `${` write `$${`)")
                    .at(text[..at].chars().count() + 1)
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Source(&text[start..start + length], start));
            at = start + length + 1;
        } else {
            literal.push('$');
            at += 1;
        }
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// Writes literal text so that [`pieces`] reads it back.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// How long the expression at the start of `text` is, up to its closing brace.
fn expression_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in Tokens::new(text) {
        match token {
            "{" => depth += 1,
            "}" if depth == 0 => return Some(at),
            "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

/// How many words, texts and signs an expression has: what bounds the parser's work.
pub(super) fn token_count(source: &str) -> usize {
    Tokens::new(source).count()
}

/// CEL's tokens, near enough to tell a brace from one in a text or a comment.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The length of the text literal at the start of `rest`, or of all of `rest` when it is not closed.
    fn literal_length(rest: &str, quote_at: usize, raw: bool) -> usize {
        let quoted = &rest[quote_at..];
        let quote = &quoted[..1];
        let triple = quote.repeat(3);
        let close = if quoted.starts_with(&triple) { triple.as_str() } else { quote };
        let mut at = quote_at + close.len();
        while let Some(next) = rest[at..].chars().next() {
            if next == '\\' && !raw {
                at += 1 + rest[at + 1..].chars().next().map_or(0, char::len_utf8);
            } else if rest[at..].starts_with(close) {
                return at + close.len();
            } else {
                at += next.len_utf8();
            }
        }
        rest.len()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                self.at += first.len_utf8();
                continue;
            }
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let prefix = &rest[..word];
            let is_prefix = matches!(prefix.to_ascii_lowercase().as_str(), "" | "r" | "b" | "br" | "rb");
            let length = if is_prefix && rest[word..].starts_with(['"', '\'']) {
                Self::literal_length(rest, word, prefix.contains(['r', 'R']))
            } else if word > 0 {
                word
            } else {
                first.len_utf8()
            };
            let start = self.at;
            self.at += length;
            return Some((start, &rest[..length]));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Piece<'_> {
        Piece::Text(text.into())
    }

    #[test]
    fn expressions_are_found_with_braces_texts_and_comments_in_them() {
        assert_eq!(pieces("a ${b} c").unwrap(), [text("a "), Piece::Source("b", 4), text(" c")]);
        assert_eq!(pieces("${ {'a': {'b': 1}} }").unwrap(), [Piece::Source(" {'a': {'b': 1}} ", 2)]);
        for source in ["'}'", r#""\"}""#, "r'\\'", "'''it's }'''", "a // }\n + b", "b'}'", "'ü}'"] {
            let whole = format!("${{{source}}}");
            assert_eq!(pieces(&whole).unwrap(), [Piece::Source(source, 2)], "{source}");
        }
        assert!(pieces("${a").is_err());
        assert!(pieces("${'}").is_err());
    }

    #[test]
    fn a_dollar_is_a_dollar_and_an_escaped_expression_is_text() {
        assert_eq!(pieces("5 $ or $5 {x}").unwrap(), [text("5 $ or $5 {x}")]);
        assert_eq!(pieces("$${a}").unwrap(), [text("${a}")]);
        assert_eq!(pieces("$$${a}").unwrap(), [text("$${a}")]);
        assert_eq!(pieces("$").unwrap(), [text("$")]);
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(original in "([${}a]|\\PC)*") {
            let escaped = escape(&original);
            let read = pieces(&escaped).unwrap();
            prop_assert_eq!(read, if original.is_empty() { vec![] } else { vec![text(&original)] });
        }

        #[test]
        fn any_text_is_cut_without_panic(any in "([${}'\"\\\\r/]|\\PC)*") {
            let _ = pieces(&any);
            let _ = token_count(&any);
        }
    }
}
