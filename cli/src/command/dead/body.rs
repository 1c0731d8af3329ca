//! The body of a dead letter, as a person can read it.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{api::DeadLetter, render::text::printable};

/// Most characters of a text that are shown.
const SHOWN_CHARS: usize = 8_000;
/// Most bytes of what is no text that are shown.
const SHOWN_BYTES: usize = 512;
/// Bytes of a line.
const COLUMNS: usize = 16;

/// The body's bytes, as they came.
pub(super) fn bytes(letter: &DeadLetter) -> Vec<u8> {
    match letter.body_encoding.as_str() {
        "base64" => STANDARD.decode(&letter.body).unwrap_or_default(),
        _ => letter.body.clone().into_bytes(),
    }
}

/// JSON indented, other text as it is, anything else in hexadecimal; the beginning of it, if it is long.
pub(super) fn shown(letter: &DeadLetter) -> String {
    if letter.body_encoding == "base64" {
        return hexadecimal(&bytes(letter));
    }
    let text = match serde_json::from_str::<Value>(&letter.body) {
        Ok(value) => format!("{value:#}"),
        Err(_) => printable(&letter.body),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((end, _)) => format!("{}…\nthe rest is not shown; --body prints all of it", &text[..end]),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(COLUMNS).take(SHOWN_BYTES / COLUMNS).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let plain: String = line.iter().map(plain).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{:08x}  {:<47}  {plain}", index * COLUMNS, hex.join(" "));
    }
    if bytes.len() > SHOWN_BYTES {
        text.push_str("the rest is not shown; --body prints all of it");
    }
    text.trim_end().to_owned()
}
