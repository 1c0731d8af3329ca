//! NDJSON: one object per line. Blank lines are skipped; Windows line ends are understood.

use super::{BadRow, Content, Record, Row, encoding_message, object, too_long_message};
use crate::{
    fault::{Fault, FaultKind, ReadError},
    limits::RECORD_BYTES,
    source::Input,
};

#[derive(Debug)]
pub(super) struct Reader<'m> {
    input: Input<'m>,
    buffer: Vec<u8>,
    line: u64,
    seen_any: bool,
}

enum Line {
    End,
    Fits,
    TooLong,
}

impl<'m> Reader<'m> {
    pub(super) const fn open(input: Input<'m>) -> Self {
        Self { input, buffer: Vec::new(), line: 0, seen_any: false }
    }

    pub(super) fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let (start, size) = loop {
            let start = self.input.offset();
            let size = self.read_line()?;
            match size {
                Line::End if self.seen_any => return Ok(None),
                Line::End => return Err(Fault::of_file(FaultKind::Empty, "the file holds only blank lines").into()),
                Line::Fits if self.buffer.trim_ascii().is_empty() => {}
                Line::Fits | Line::TooLong => break (start, size),
            }
        };
        self.seen_any = true;
        let (line, raw) = (self.line, self.buffer.trim_ascii_end());
        let bad = |kind, message| Ok(Some(Record::Bad(BadRow { line, kind, message, raw })));
        if matches!(size, Line::TooLong) {
            return bad(FaultKind::TooLong, too_long_message("line"));
        }
        match std::str::from_utf8(raw) {
            Err(error) => bad(FaultKind::Encoding, encoding_message(start, raw, error)),
            Ok(_) if raw.contains(&0) => bad(FaultKind::Nul, "the line contains a NUL character".to_owned()),
            Ok(text) => match object::check(text, line) {
                Err(wrong) => bad(wrong.kind, wrong.message),
                Ok(()) => Ok(Some(Record::Row(Row { line, raw: text, content: Content::Object(text.trim_ascii()) }))),
            },
        }
    }

    /// Reads the next line into the buffer, at most [`RECORD_BYTES`] of it; the rest of a longer one is skipped.
    fn read_line(&mut self) -> Result<Line, ReadError> {
        self.buffer.clear();
        let mut size = Line::End;
        loop {
            let available = self.input.fill()?;
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            let kept = part.len().min(RECORD_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(&part[..kept]);
            if matches!(size, Line::End) {
                size = Line::Fits;
            }
            if kept < part.len() {
                size = Line::TooLong;
            }
            let consumed = end.map_or(available.len(), |end| end + 1);
            self.input.consume(consumed);
            if end.is_some() {
                break;
            }
        }
        self.line += 1;
        Ok(size)
    }
}
