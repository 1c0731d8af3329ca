//! CSV and TSV: a header line, then records with as many fields. Fields may be quoted, with line ends and doubled
//! quotes within; blank lines are skipped; Windows line ends and a missing last line end are understood.

use csv_core::ReadRecordResult;

use super::{BadRow, Content, Record, Row, SOURCE_FIELD, encoding_message, too_long_message, typing};
use crate::{
    fault::{Fault, FaultKind, ReadError},
    limits::RECORD_BYTES,
    source::Input,
    text::quotable,
};

/// First size of the buffers; they grow up to what [`RECORD_BYTES`] needs.
const FIRST_BUFFER_BYTES: usize = 16 * 1024;
const FIRST_FIELDS: usize = 64;

#[derive(Debug)]
pub(super) struct Reader<'m> {
    input: Input<'m>,
    parser: csv_core::Reader,
    /// The record as it stands in the file, at most [`RECORD_BYTES`] of it.
    raw: Vec<u8>,
    /// How long the record really is.
    raw_bytes: usize,
    /// The fields without quotes, one behind the other.
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
    /// The columns as the begin of a JSON field: `"name":`.
    columns: Vec<Vec<u8>>,
}

/// The fields of a row, as many as there are columns.
#[derive(Debug)]
pub(super) struct Fields<'r> {
    columns: &'r [Vec<u8>],
    text: &'r str,
    ends: &'r [usize],
}

/// A record that was read into the buffers.
struct Extent {
    line: u64,
    offset: u64,
    text_bytes: usize,
    fields: usize,
    /// Line ends of the record before and of blank lines, that stand at the begin of `raw`.
    leading: usize,
    is_open: bool,
}

impl<'m> Reader<'m> {
    pub(super) fn open(input: Input<'m>, delimiter: u8) -> Result<Self, ReadError> {
        let parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let mut reader = Self {
            input,
            parser,
            raw: Vec::new(),
            raw_bytes: 0,
            text: vec![0; FIRST_BUFFER_BYTES],
            ends: vec![0; FIRST_FIELDS],
            columns: Vec::new(),
        };
        reader.columns = reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<Vec<Vec<u8>>, ReadError> {
        let Some(extent) = self.read_record()? else {
            return Err(Fault::of_file(FaultKind::Empty, "the file holds only blank lines").into());
        };
        let fault = |kind, message: String| ReadError::from(Fault::on_line(extent.line, kind, message));
        let text = match self.check(&extent) {
            Ok(text) => text,
            Err((kind, message)) => return Err(fault(kind, format!("header: {message}"))),
        };
        let fields = Fields { columns: &[], text, ends: &self.ends[..extent.fields] };
        let names: Vec<&str> = fields.iter().collect();
        if let Some(message) = header_message(&names) {
            return Err(fault(FaultKind::Header, message));
        }
        Ok(names
            .into_iter()
            .map(|name| {
                let mut column = Vec::with_capacity(name.len() + 3);
                typing::write_string(name, &mut column);
                column.push(b':');
                column
            })
            .collect())
    }

    pub(super) fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let Some(extent) = self.read_record()? else { return Ok(None) };
        let line = extent.line;
        let raw = trim_line_end(&self.raw[extent.leading..]);
        let bad = |kind, message| Ok(Some(Record::Bad(BadRow { line, kind, message, raw })));
        let text = match self.check(&extent) {
            Ok(text) => text,
            Err((kind, message)) => return bad(kind, message),
        };
        if extent.fields != self.columns.len() {
            let message = format!("{} fields where the header has {} columns", extent.fields, self.columns.len());
            return bad(FaultKind::Columns, message);
        }
        let Ok(raw) = std::str::from_utf8(raw) else {
            return bad(FaultKind::Encoding, "not UTF-8".to_owned());
        };
        let fields = Fields { columns: &self.columns, text, ends: &self.ends[..extent.fields] };
        Ok(Some(Record::Row(Row { line, raw, content: Content::Fields(fields) })))
    }

    /// Checks what holds for the header and for rows, and gives the text of the fields.
    fn check(&self, extent: &Extent) -> Result<&str, (FaultKind, String)> {
        if extent.is_open {
            let hint = "a quote that opens a field is never closed; the rest of the file was taken as that field";
            return Err((FaultKind::Quote, hint.to_owned()));
        }
        if self.raw_bytes > RECORD_BYTES {
            let hint = too_long_message("record") + " (a quote that is not closed?)";
            return Err((FaultKind::TooLong, hint));
        }
        let raw = &self.raw[extent.leading..];
        if let Err(error) = std::str::from_utf8(raw) {
            return Err((FaultKind::Encoding, encoding_message(extent.offset, raw, error)));
        }
        let text = &self.text[..extent.text_bytes];
        if memchr::memchr(0, text).is_some() {
            return Err((FaultKind::Nul, "the row contains a NUL character".to_owned()));
        }
        std::str::from_utf8(text).map_err(|_| (FaultKind::Encoding, "not UTF-8".to_owned()))
    }

    /// Reads the next record into the buffers. What is beyond [`RECORD_BYTES`] is parsed to find its end, and forgotten.
    fn read_record(&mut self) -> Result<Option<Extent>, ReadError> {
        self.raw.clear();
        self.raw_bytes = 0;
        let (first_line, first_offset) = (self.parser.line(), self.input.offset());
        let (mut text_bytes, mut fields) = (0, 0);
        loop {
            let available = self.input.fill()?;
            let at_end = available.is_empty();
            // A last line without line end gets one: then only an open quote leaves the record unfinished.
            let bytes = if at_end { b"\n" } else { available };
            let (result, read, written, ended) =
                self.parser.read_record(bytes, &mut self.text[text_bytes..], &mut self.ends[fields..]);
            if !at_end {
                let kept = read.min(RECORD_BYTES.saturating_sub(self.raw.len()));
                self.raw.extend_from_slice(&bytes[..kept]);
                self.raw_bytes += read;
                self.input.consume(read);
            }
            text_bytes += written;
            fields += ended;
            let is_open = match result {
                ReadRecordResult::Record => false,
                ReadRecordResult::InputEmpty if at_end => true,
                ReadRecordResult::InputEmpty => continue,
                ReadRecordResult::OutputFull => {
                    text_bytes = grow(&mut self.text, text_bytes);
                    continue;
                }
                ReadRecordResult::OutputEndsFull => {
                    fields = grow(&mut self.ends, fields);
                    continue;
                }
                ReadRecordResult::End => return Ok(None),
            };
            let leading = self.raw.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            if is_open && leading == self.raw.len() {
                return Ok(None);
            }
            let blank_lines = memchr::memchr_iter(b'\n', &self.raw[..leading]).count() as u64;
            let (line, offset) = (first_line + blank_lines, first_offset + leading as u64);
            return Ok(Some(Extent { line, offset, text_bytes, fields, leading, is_open }));
        }
    }
}

impl Fields<'_> {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            // Both ends stand beside delimiters of the checked text, so they are characters' borders.
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }

    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (column, value)) in self.columns.iter().zip(self.iter()).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(column);
            typing::write_typed(value, out);
        }
        out.push(b'}');
    }
}

/// Makes room behind `used` items; once the buffer has its full size, the record is too long and its begin is given up.
fn grow<T: Clone + Default>(buffer: &mut Vec<T>, used: usize) -> usize {
    if buffer.len() > RECORD_BYTES {
        return 0;
    }
    buffer.resize((buffer.len() * 2).min(RECORD_BYTES + 1), T::default());
    used
}

/// What is wrong with the columns' names, all of it in one sentence.
fn header_message(names: &[&str]) -> Option<String> {
    let mut wrong = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let column = at + 1;
        if name.trim().is_empty() {
            wrong.push(format!("column {column} has no name"));
        } else if *name == SOURCE_FIELD {
            wrong.push(format!("column {column} has the reserved name `{SOURCE_FIELD}`"));
        }
    }
    let mut first_of = std::collections::HashMap::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = first_of.insert(*name, at).filter(|_| !name.trim().is_empty()) {
            wrong.push(format!("columns {} and {} are both named `{}`", first + 1, at + 1, quotable(name, 60)));
        }
    }
    (!wrong.is_empty()).then(|| format!("header: {}", wrong.join("; ")))
}

fn trim_line_end(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}
