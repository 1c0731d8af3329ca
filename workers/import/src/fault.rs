//! What can be wrong with a file or a row of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{limits::ERROR_MESSAGE_BYTES, text};

/// The kind of a fault: a short word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The operating system could not read the file.
    Io,
    /// A link that leads out of the folder.
    Link,
    /// Neither the name nor the job tells how the file is written.
    Format,
    /// The file has no content.
    Empty,
    /// The gzip data is damaged or ends too early.
    Gzip,
    /// Bytes that are no UTF-8.
    Encoding,
    /// A header without a name, with a name twice, or with a reserved one.
    Header,
    /// A row with more or fewer fields than the header has columns.
    Columns,
    /// A quote that is never closed.
    Quote,
    /// Text that is no JSON, or JSON that is no object.
    Json,
    /// A row that uses the reserved name `_source`.
    Reserved,
    /// A NUL character. Postgres and most tools cannot store it.
    Nul,
    /// A record longer than the limit.
    TooLong,
    /// A row that breaks the schema.
    Schema,
}

impl FaultKind {
    /// The word as it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Link => "link",
            Self::Format => "format",
            Self::Empty => "empty",
            Self::Gzip => "gzip",
            Self::Encoding => "encoding",
            Self::Header => "header",
            Self::Columns => "columns",
            Self::Quote => "quote",
            Self::Json => "json",
            Self::Reserved => "reserved",
            Self::Nul => "nul",
            Self::TooLong => "too_long",
            Self::Schema => "schema",
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The line it begins on, from 1; absent where the file as a whole is meant.
    pub line: Option<u64>,
    /// What kind of fault.
    pub kind: FaultKind,
    /// A sentence for people.
    pub message: String,
}

impl Fault {
    /// A fault of the file as a whole.
    pub fn of_file(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self { line: None, kind, message: text::quotable(message.as_ref(), ERROR_MESSAGE_BYTES) }
    }

    /// A fault that begins on a line.
    pub fn on_line(line: u64, kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self { line: Some(line), kind, message: text::quotable(message.as_ref(), ERROR_MESSAGE_BYTES) }
    }

    /// A fault told by the operating system, with its own words.
    pub fn io(doing: &str, error: &std::io::Error) -> Self {
        Self::of_file(FaultKind::Io, format!("cannot {doing}: {error}"))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why reading a file stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The job was cancelled.
    Cancelled,
    /// The rest of the file cannot be read or understood.
    Fault(Fault),
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<crate::meter::Cancelled> for ReadError {
    fn from(_: crate::meter::Cancelled) -> Self {
        Self::Cancelled
    }
}
