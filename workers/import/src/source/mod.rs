//! Source files: what they are by name, where they lie, how their bytes are read.

mod find;
mod input;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use find::{FindError, Findings, Found, Unusable, find};
pub use input::Input;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated, with a header line; fields may be quoted.
    Csv,
    /// Tab-separated, with a header line; fields may be quoted.
    Tsv,
    /// One array of objects.
    Json,
    /// One object per line.
    Ndjson,
}

impl Format {
    /// The usual ending of a file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not packed.
    #[default]
    None,
    /// gzip, in one or several members.
    Gzip,
}

/// The endings that are understood, for messages.
pub const KNOWN_ENDINGS: &str = ".csv, .tsv, .json, .ndjson, .jsonl, each also with .gz";

/// What the name says of a file; `None` if its ending is not known. Upper and lower case are the same.
#[must_use]
pub fn by_name(path: &Path) -> Option<(Format, Compression)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (name, compression) =
        name.strip_suffix(".gz").map_or((name.as_str(), Compression::None), |inner| (inner, Compression::Gzip));
    let (stem, ending) = name.rsplit_once('.')?;
    let format = match ending {
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        _ => return None,
    };
    (!stem.is_empty()).then_some((format, compression))
}

/// A file to be processed: an entry of the list that `validate_import` makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Absolute path.
    pub path: String,
    /// How its rows are written; by the name's ending if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How it is packed; by the name's ending if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Its size when it was looked at, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// How many good rows it had when it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl SourceFile {
    /// Format and compression: as given, else by the name.
    #[must_use]
    pub fn shape(&self) -> Option<(Format, Compression)> {
        let named = by_name(Path::new(&self.path));
        let format = self.format.or_else(|| named.map(|(format, _)| format))?;
        let compression = self.compression.or_else(|| named.map(|(_, compression)| compression));
        Some((format, compression.unwrap_or_default()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_compression() {
        for (name, expected) in [
            ("a.csv", Some((Format::Csv, Compression::None))),
            ("A.B.TSV.GZ", Some((Format::Tsv, Compression::Gzip))),
            ("a.json", Some((Format::Json, Compression::None))),
            ("a.jsonl.gz", Some((Format::Ndjson, Compression::Gzip))),
            ("a.txt", None),
            ("a.gz", None),
            ("csv", None),
            (".csv", None),
        ] {
            assert_eq!(by_name(Path::new(name)), expected, "{name}");
        }
    }
}
