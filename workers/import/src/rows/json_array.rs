//! A JSON file: one array of objects. The array is cut into its elements without holding more than one of them.

use super::{BadRow, Content, Record, Row, encoding_message, object, too_long_message};
use crate::{
    fault::{Fault, FaultKind, ReadError},
    limits::RECORD_BYTES,
    source::Input,
};

#[derive(Debug)]
pub(super) struct Reader<'m> {
    input: Input<'m>,
    element: Vec<u8>,
    line: u64,
    place: Place,
}

/// Where in the array the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind `[`.
    First,
    /// Behind an element.
    After,
    /// Behind the file's last character.
    End,
}

/// Follows an element to its end.
#[derive(Clone, Copy, Debug)]
struct Cutter {
    depth: u32,
    in_string: bool,
    escaped: bool,
    is_scalar: bool,
}

impl<'m> Reader<'m> {
    pub(super) fn open(input: Input<'m>) -> Result<Self, ReadError> {
        let mut reader = Self { input, element: Vec::new(), line: 1, place: Place::First };
        let Some(first) = reader.next_visible()? else {
            return Err(Fault::of_file(FaultKind::Empty, "the file holds only white space").into());
        };
        if first != b'[' {
            let way_out = if first == b'{' { " (one object per line belongs into a file named .ndjson)" } else { "" };
            let message = format!("expected `[`, the begin of an array of objects, found {}{way_out}", shown(first));
            return Err(Fault::on_line(reader.line, FaultKind::Json, message).into());
        }
        reader.input.consume(1);
        Ok(reader)
    }

    pub(super) fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if self.place == Place::End || !self.go_to_element()? {
            self.place = Place::End;
            return Ok(None);
        }
        let (line, start) = (self.line, self.input.offset());
        let fits = self.read_element()?;
        self.place = Place::After;
        let raw = self.element.as_slice();
        let bad = |kind, message| Ok(Some(Record::Bad(BadRow { line, kind, message, raw })));
        if !fits {
            return bad(FaultKind::TooLong, too_long_message("element"));
        }
        match std::str::from_utf8(raw) {
            Err(error) => bad(FaultKind::Encoding, encoding_message(start, raw, error)),
            Ok(_) if raw.contains(&0) => bad(FaultKind::Nul, "the row contains a NUL character".to_owned()),
            Ok(text) => match object::check(text, line) {
                Err(wrong) => bad(wrong.kind, wrong.message),
                Ok(()) => Ok(Some(Record::Row(Row { line, raw: text, content: Content::Object(text) }))),
            },
        }
    }

    /// Goes to the first byte of the next element; `false` if the array has ended properly.
    fn go_to_element(&mut self) -> Result<bool, ReadError> {
        let first = self.expect_visible()?;
        match (self.place, first) {
            (_, b']') => {
                self.input.consume(1);
                self.expect_nothing()?;
                Ok(false)
            }
            (Place::After, b',') => {
                self.input.consume(1);
                match self.expect_visible()? {
                    found @ (b',' | b']' | b'}') => Err(self.unexpected("an object", found)),
                    _ => Ok(true),
                }
            }
            (Place::After, found) => Err(self.unexpected("`,` or `]`", found)),
            (_, found @ (b',' | b'}')) => Err(self.unexpected("an object or `]`", found)),
            _ => Ok(true),
        }
    }

    fn unexpected(&self, expected: &str, found: u8) -> ReadError {
        Fault::on_line(self.line, FaultKind::Json, format!("expected {expected}, found {}", shown(found))).into()
    }

    /// Reads the element into the buffer, at most [`RECORD_BYTES`] of it. Returns whether it fits.
    fn read_element(&mut self) -> Result<bool, ReadError> {
        self.element.clear();
        let begin_line = self.line;
        let mut fits = true;
        let mut cutter = None;
        loop {
            let available = self.input.fill()?;
            if available.is_empty() {
                let message =
                    format!("the file ends within the element that begins on line {begin_line}; it is cut off");
                return Err(Fault::on_line(begin_line, FaultKind::Json, message).into());
            }
            let cutter = cutter.get_or_insert_with(|| Cutter::at(available[0]));
            let end = cutter.find_end(available);
            let part = &available[..end.unwrap_or(available.len())];
            let kept = part.len().min(RECORD_BYTES - self.element.len());
            self.element.extend_from_slice(&part[..kept]);
            fits &= kept == part.len();
            self.line += memchr::memchr_iter(b'\n', part).count() as u64;
            let consumed = part.len();
            self.input.consume(consumed);
            if end.is_some() {
                return Ok(fits);
            }
        }
    }

    fn expect_nothing(&mut self) -> Result<(), ReadError> {
        match self.next_visible()? {
            None => Ok(()),
            Some(found) => Err(self.unexpected("nothing behind the array", found)),
        }
    }

    fn expect_visible(&mut self) -> Result<u8, ReadError> {
        match self.next_visible()? {
            Some(found) => Ok(found),
            None => {
                let message = "the file ends before the array's closing `]`; it is cut off";
                Err(Fault::on_line(self.line, FaultKind::Json, message).into())
            }
        }
    }

    /// Skips white space; the next byte stays unread.
    fn next_visible(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let available = self.input.fill()?;
            if available.is_empty() {
                return Ok(None);
            }
            let at = available.iter().position(|byte| !byte.is_ascii_whitespace());
            let skipped = at.unwrap_or(available.len());
            let found = at.map(|at| available[at]);
            self.line += memchr::memchr_iter(b'\n', &available[..skipped]).count() as u64;
            self.input.consume(skipped);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

impl Cutter {
    const fn at(first: u8) -> Self {
        let is_scalar = !matches!(first, b'{' | b'[' | b'"');
        Self { depth: 0, in_string: false, escaped: false, is_scalar }
    }

    /// How many of the bytes belong to the element, if it ends within them.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_scalar {
            return bytes.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}'));
        }
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                self.in_string = self.escaped || byte != b'"';
                self.escaped = !self.escaped && byte == b'\\';
                if self.in_string || self.depth > 0 {
                    continue;
                }
                return Some(at + 1);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// A byte for a person.
fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("the byte 0x{byte:02X}") }
}
