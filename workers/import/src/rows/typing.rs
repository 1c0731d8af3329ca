//! The types of values in CSV and TSV files, where everything is text.
//!
//! A value becomes something other than a string only if nothing is lost by it:
//!
//! | text | becomes |
//! | --- | --- |
//! | empty, `null`, `NULL` | null |
//! | `true` `false` `True` `False` `TRUE` `FALSE` | boolean |
//! | `0`, `-17`, `9223372036854775807` | integer, if it fits 64 bits with sign |
//! | `1.5`, `-0.25`, `1.50`, `6.02e23` | number, with its digits as they are written |
//! | `007`, `+5`, `-0`, `1.`, `.5`, `1e5`, ` 1`, `1,5`, `NaN`, more digits than a float holds | string, as it is |
//! | dates, times and everything else | string, as it is |
//!
//! Leading zeros, plus signs and blanks belong to numbers that are names (post codes, phones, articles); an exponent
//! without a decimal point (`1e5`) is more often a name than a number.

/// Most significant digits that survive as a 64-bit float.
const FLOAT_DIGITS: usize = 15;

/// Appends a value as JSON, typed by the rules of this module. The text must not contain NUL.
pub fn write_typed(text: &str, out: &mut Vec<u8>) {
    match text {
        "" | "null" | "NULL" => out.extend_from_slice(b"null"),
        "true" | "True" | "TRUE" => out.extend_from_slice(b"true"),
        "false" | "False" | "FALSE" => out.extend_from_slice(b"false"),
        _ if is_number(text) => out.extend_from_slice(text.as_bytes()),
        _ => write_string(text, out),
    }
}

/// Whether the text is a number that JSON writes in the same way and a reader gets back unharmed.
fn is_number(text: &str) -> bool {
    let Some(first) = text.bytes().next() else { return false };
    if !(first == b'-' || first.is_ascii_digit()) {
        return false;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let Some(point) = unsigned.find('.') else {
        return is_whole(unsigned) && text != "-0" && text.parse::<i64>().is_ok();
    };
    let (whole, rest) = (&unsigned[..point], &unsigned[point + 1..]);
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    is_whole(whole)
        && is_digits(fraction)
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        && significant_digits(whole, fraction) <= FLOAT_DIGITS
        && survives_as_float(text)
}

/// Digits without a leading zero, or just `0`.
fn is_whole(text: &str) -> bool {
    is_digits(text) && (text.len() == 1 || !text.starts_with('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn significant_digits(whole: &str, fraction: &str) -> usize {
    if whole == "0" { fraction.trim_start_matches('0').len() } else { whole.len() + fraction.len() }
}

/// Neither infinite nor rounded to zero.
fn survives_as_float(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
        let is_zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        number.is_finite() && (number.is_normal() || is_zero)
    })
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut clean_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..=0x1F) {
            continue;
        }
        out.extend_from_slice(&bytes[clean_from..at]);
        clean_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean_from..]);
    out.push(b'"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn typed(text: &str) -> Value {
        let mut out = Vec::new();
        write_typed(text, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn what_loses_nothing_is_typed() {
        for (text, expected) in [
            ("", json!(null)),
            ("NULL", json!(null)),
            ("TRUE", json!(true)),
            ("False", json!(false)),
            ("0", json!(0)),
            ("-17", json!(-17)),
            ("9223372036854775807", json!(i64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1.50", json!(1.5)),
            ("-0.25", json!(-0.25)),
            ("0.0", json!(0.0)),
            ("6.02e23", json!(6.02e23)),
            ("1.5E-7", json!(1.5e-7)),
        ] {
            assert_eq!(typed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn everything_else_stays_the_string_it_was() {
        for text in [
            "007",
            "00.5",
            "+5",
            "-0",
            "-",
            "1.",
            ".5",
            "1e5",
            " 1",
            "1 ",
            "1,5",
            "NaN",
            "inf",
            "Null",
            "tRUE",
            "0x1F",
            "1_000",
            "9223372036854775808",
            "1.2345678901234567",
            "1.5e999",
            "1.5e-999",
            "1.5e",
            "1.5e+",
            "1.2.3",
            "2024-02-29",
            "2024-02-29T12:00:00Z",
            "a\"b\\c\nd\te\u{1}",
            "ünïcödé ✓",
        ] {
            assert_eq!(typed(text), json!(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_valid_json_that_still_says_the_same(text in "[^\0]*") {
            match typed(&text) {
                Value::String(string) => prop_assert_eq!(string, text),
                Value::Number(number) => prop_assert_eq!(number.as_f64().unwrap(), text.parse::<f64>().unwrap()),
                Value::Null => prop_assert!(matches!(text.as_str(), "" | "null" | "NULL")),
                Value::Bool(value) => prop_assert_eq!(value.to_string(), text.to_lowercase()),
                other => prop_assert!(false, "{} became {}", text, other),
            }
        }

        #[test]
        fn every_64_bit_integer_is_one(number: i64) {
            prop_assert_eq!(typed(&number.to_string()), json!(number));
        }

        #[test]
        fn numberlike_text_is_never_changed(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,4})?") {
            let mut out = Vec::new();
            write_typed(&text, &mut out);
            let out = String::from_utf8(out).unwrap();
            let quoted = ["\"", &text, "\""].concat();
            let is_null = text.is_empty() && out == "null";
            prop_assert!(is_null || out == text || out == quoted, "{} became {}", text, out);
        }
    }
}
