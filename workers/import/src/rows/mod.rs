//! Rows out of files of any format, one at a time, in constant memory. Validation and processing read through here, so
//! they never disagree on what a good row is.

mod delimited;
mod json_array;
mod ndjson;
mod object;
pub mod typing;

use std::path::Path;

use crate::{
    fault::{FaultKind, ReadError},
    meter::Meter,
    source::{Compression, Format, Input},
};

/// The name under which each output row tells where it came from. No input may use it.
pub const SOURCE_FIELD: &str = "_source";

/// One record of a file.
#[derive(Debug)]
pub enum Record<'r> {
    /// A good row.
    Row(Row<'r>),
    /// A record that is no row.
    Bad(BadRow<'r>),
}

/// A good row.
#[derive(Debug)]
pub struct Row<'r> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The record as it stands in the file.
    pub raw: &'r str,
    content: Content<'r>,
}

#[derive(Debug)]
enum Content<'r> {
    Fields(delimited::Fields<'r>),
    /// Checked: an object, every part of it valid JSON.
    Object(&'r str),
}

/// A record that is no row.
#[derive(Debug)]
pub struct BadRow<'r> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What kind of fault.
    pub kind: FaultKind,
    /// A sentence for people.
    pub message: String,
    /// The record as it stands in the file; of a record that is too long, its beginning.
    pub raw: &'r [u8],
}

impl Row<'_> {
    /// Appends the row as one line of JSON: an object with typed values, without [`SOURCE_FIELD`] and line end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.content {
            Content::Fields(fields) => fields.write_json(out),
            Content::Object(object) => object::write_on_one_line(object, out),
        }
    }
}

/// Reads a file's rows in order.
#[derive(Debug)]
pub struct RowReader<'m>(Inner<'m>);

#[derive(Debug)]
enum Inner<'m> {
    Delimited(Box<delimited::Reader<'m>>),
    Json(json_array::Reader<'m>),
    Ndjson(ndjson::Reader<'m>),
}

impl<'m> RowReader<'m> {
    /// Opens a file; of a CSV or TSV file the header is read and checked.
    ///
    /// # Errors
    /// [`ReadError`]: the fault of the file as a whole.
    pub fn open(path: &Path, format: Format, compression: Compression, meter: &'m Meter) -> Result<Self, ReadError> {
        let input = Input::open(path, compression, meter)?;
        Ok(Self(match format {
            Format::Csv => Inner::Delimited(Box::new(delimited::Reader::open(input, b',')?)),
            Format::Tsv => Inner::Delimited(Box::new(delimited::Reader::open(input, b'\t')?)),
            Format::Json => Inner::Json(json_array::Reader::open(input)?),
            Format::Ndjson => Inner::Ndjson(ndjson::Reader::open(input)),
        }))
    }

    /// The next record, `None` at the end of the file.
    ///
    /// # Errors
    /// [`ReadError`]: the rest of the file cannot be read.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        match &mut self.0 {
            Inner::Delimited(reader) => reader.next_record(),
            Inner::Json(reader) => reader.next_record(),
            Inner::Ndjson(reader) => reader.next_record(),
        }
    }
}

/// The message for a record beyond the limit.
fn too_long_message(what: &str) -> String {
    format!("the {what} is longer than {} bytes", crate::limits::RECORD_BYTES)
}

/// The message for bytes that are no UTF-8; `offset` is where the record begins in the unpacked file.
fn encoding_message(offset: u64, record: &[u8], error: std::str::Utf8Error) -> String {
    let at = error.valid_up_to();
    let byte = record.get(at).copied().unwrap_or_default();
    format!("not UTF-8: byte 0x{byte:02X} at offset {} of the file", offset + at as u64)
}
