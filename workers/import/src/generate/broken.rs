//! The ways in which files are broken on purpose.

use crate::{
    fault::FaultKind,
    source::{Compression, Format},
};

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breakage {
    BadUtf8,
    WrongColumnCount,
    DuplicateHeader,
    TruncatedGzip,
    InvalidJson,
    UnclosedQuote,
    NotAnObject,
    Empty,
}

impl Breakage {
    const ALL: [Self; 8] = [
        Self::BadUtf8,
        Self::WrongColumnCount,
        Self::DuplicateHeader,
        Self::TruncatedGzip,
        Self::InvalidJson,
        Self::UnclosedQuote,
        Self::NotAnObject,
        Self::Empty,
    ];

    /// The way of the n-th broken file: all of them in turn.
    pub(super) fn at(number: u64) -> Self {
        let index = usize::try_from(number % Self::ALL.len() as u64).unwrap_or(0);
        Self::ALL[index]
    }

    pub(super) const fn shape(self) -> (Format, Compression) {
        match self {
            Self::BadUtf8 | Self::DuplicateHeader | Self::UnclosedQuote => (Format::Csv, Compression::None),
            Self::WrongColumnCount => (Format::Tsv, Compression::Gzip),
            Self::TruncatedGzip => (Format::Ndjson, Compression::Gzip),
            Self::InvalidJson => (Format::Json, Compression::None),
            Self::NotAnObject | Self::Empty => (Format::Ndjson, Compression::None),
        }
    }

    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::BadUtf8 => "bytes that are no UTF-8 in one row",
            Self::WrongColumnCount => "a row with a field too many",
            Self::DuplicateHeader => "a column name that stands twice",
            Self::TruncatedGzip => "gzip data that ends too early",
            Self::InvalidJson => "an element that is no JSON",
            Self::UnclosedQuote => "a quote that is never closed",
            Self::NotAnObject => "a line that is an array",
            Self::Empty => "no content",
        }
    }

    pub(super) const fn fault(self) -> FaultKind {
        match self {
            Self::BadUtf8 => FaultKind::Encoding,
            Self::WrongColumnCount => FaultKind::Columns,
            Self::DuplicateHeader => FaultKind::Header,
            Self::TruncatedGzip => FaultKind::Gzip,
            Self::InvalidJson | Self::NotAnObject => FaultKind::Json,
            Self::UnclosedQuote => FaultKind::Quote,
            Self::Empty => FaultKind::Empty,
        }
    }

    /// Which row is broken. A quote opens in the last row: any later quote would close it.
    pub(super) fn row_number(self, rows: u64) -> u64 {
        if self == Self::UnclosedQuote { rows.saturating_sub(1) } else { rows / 2 }
    }

    /// Bytes that take the place of that row.
    pub(super) const fn row(self) -> Option<&'static [u8]> {
        match self {
            Self::BadUtf8 => Some(b"1,000001,Bj\xF6rn,,,,,1,1.00,,true,,latin-1\n"),
            Self::WrongColumnCount => Some(b"1\t000001\tAda\t\t\t\t\t1\t1.00\t\ttrue\t\tnote\tone more\n"),
            Self::InvalidJson => Some(b"{\"order_id\": 1, \"note\": 'single quotes'},\n"),
            Self::NotAnObject => Some(b"[1, 2, 3]\n"),
            Self::UnclosedQuote => Some(b"1,000001,\"Ada,,,,,1,1.00,,true,,never closed\n"),
            Self::DuplicateHeader | Self::TruncatedGzip | Self::Empty => None,
        }
    }
}
