//! JSON objects as rows: checked as a whole, but never rebuilt, so numbers keep every digit and fields their order.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::SOURCE_FIELD;
use crate::{fault::FaultKind, text::quotable};

/// What is wrong with an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) kind: FaultKind,
    pub(super) message: String,
}

/// Checks that the text is one JSON object that can be a row. `line` is the line it begins on.
pub(super) fn check(text: &str, line: u64) -> Result<(), Wrong> {
    let outcome = serde_json::from_str::<Object>(text);
    match outcome {
        Ok(Object(Verdict::Good)) => Ok(()),
        Ok(Object(Verdict::Bad(kind, message))) => Err(Wrong { kind, message }),
        Err(error) => Err(Wrong { kind: FaultKind::Json, message: json_message(text, line, &error) }),
    }
}

/// The parser's words with the line as the file counts it.
fn json_message(text: &str, line: u64, error: &serde_json::Error) -> String {
    let first = text.trim_start().chars().next();
    if error.is_data() {
        return match first {
            Some('[') => "a row must be an object, not an array".to_owned(),
            Some('"') => "a row must be an object, not a string".to_owned(),
            _ => "a row must be an object, not a single value".to_owned(),
        };
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    let error_line = line + (error.line() as u64).saturating_sub(1);
    format!("not valid JSON: {words} (line {error_line}, column {})", error.column())
}

/// Appends the object on one line: line ends and white space between its parts are dropped if there are line ends.
pub(super) fn write_on_one_line(object: &str, out: &mut Vec<u8>) {
    let bytes = object.as_bytes();
    if memchr::memchr2(b'\n', b'\r', bytes).is_none() {
        out.extend_from_slice(bytes);
        return;
    }
    let (mut in_string, mut escaped) = (false, false);
    for &byte in bytes {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}

enum Verdict {
    Good,
    Bad(FaultKind, String),
}

/// The outermost object.
struct Object(Verdict);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Verdict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Verdict, A::Error> {
        let mut names: Vec<Name<'de>> = Vec::with_capacity(16);
        let mut verdict = Verdict::Good;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let has_nul = map.next_value::<Part>()?.has_nul || name.0.contains('\0');
            if has_nul && matches!(verdict, Verdict::Good) {
                let message = format!("field `{}` contains a NUL character", quotable(&name.0, 80));
                verdict = Verdict::Bad(FaultKind::Nul, message);
            }
            names.push(name);
        }
        if matches!(verdict, Verdict::Bad(..)) {
            return Ok(verdict);
        }
        Ok(check_names(names))
    }
}

fn check_names(mut names: Vec<Name<'_>>) -> Verdict {
    names.sort_unstable();
    if names.iter().any(|name| name.0 == SOURCE_FIELD) {
        return Verdict::Bad(FaultKind::Reserved, format!("the name `{SOURCE_FIELD}` is reserved; rename the field"));
    }
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Verdict::Bad(FaultKind::Json, format!("field `{}` stands twice", quotable(&pair[0].0, 80))),
        None => Verdict::Good,
    }
}

/// A field's name, borrowed where it has no escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Any part of a row. Everything in it is parsed in full: what is skipped unparsed would fail a later reader.
struct Part {
    has_nul: bool,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Part, E> {
        Ok(Part { has_nul: memchr::memchr(0, text.as_bytes()).is_some() })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Part, E> {
        Ok(Part { has_nul: false })
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Part, E> {
        Ok(Part { has_nul: false })
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Part, E> {
        Ok(Part { has_nul: false })
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Part, E> {
        Ok(Part { has_nul: false })
    }

    fn visit_unit<E: Error>(self) -> Result<Part, E> {
        Ok(Part { has_nul: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
        let mut has_nul = false;
        while let Some(part) = seq.next_element::<Part>()? {
            has_nul |= part.has_nul;
        }
        Ok(Part { has_nul })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut has_nul = false;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            has_nul |= name.0.contains('\0') | map.next_value::<Part>()?.has_nul;
        }
        Ok(Part { has_nul })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<FaultKind> {
        check(text, 1).err().map(|wrong| wrong.kind)
    }

    #[test]
    fn only_objects_are_rows() {
        assert_eq!(kind(r#"{"a":1,"b":[{"c":null}],"d":1e3}"#), None);
        assert_eq!(kind("{}"), None);
        for text in
            ["[1]", "1", "\"a\"", "null", "{\"a\":1", "{\"a\":1}{", "{'a':1}", "{\"a\":1,}", "{\"a\":1e999}", ""]
        {
            assert_eq!(kind(text), Some(FaultKind::Json), "{text:?}");
        }
    }

    #[test]
    fn the_message_names_the_files_line() {
        let wrong = check("{\"a\":\n\n!}", 10).unwrap_err();
        assert!(wrong.message.contains("line 12, column 1"), "{}", wrong.message);
        assert_eq!(check("[1]", 1).unwrap_err().message, "a row must be an object, not an array");
    }

    #[test]
    fn an_escaped_nul_is_found_wherever_it_hides() {
        for text in [r#"{"a":"\u0000"}"#, r#"{"a":{"b":["x\u0000"]}}"#, r#"{"a\u0000":1}"#, r#"{"a":{"b\u0000":1}}"#] {
            assert_eq!(kind(text), Some(FaultKind::Nul), "{text}");
        }
        assert_eq!(kind(r#"{"a":"\\u0000"}"#), None, "an escaped backslash, then text");
    }

    #[test]
    fn lone_surrogates_and_double_and_reserved_names_are_refused() {
        assert_eq!(kind(r#"{"a":"\ud800"}"#), Some(FaultKind::Json));
        assert_eq!(kind(r#"{"a":1,"b":2,"a":3}"#), Some(FaultKind::Json));
        assert_eq!(kind(r#"{"_source":1}"#), Some(FaultKind::Reserved));
        assert_eq!(kind(r#"{"a":{"_source":1}}"#), None, "only the row's own fields");
    }

    #[test]
    fn a_pretty_object_fits_on_a_line_with_its_strings_untouched() {
        let mut out = Vec::new();
        write_on_one_line("{\n  \"a b\": \"x \\\" \\\\\",\r\n  \"c\": [1, 2.50]\n}", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b":"x \" \\","c":[1,2.50]}"#);
    }
}
