//! Where a run's files lie, and how they are named.
//!
//! ```text
//! <output_path>/<run_id>/rows/orders.csv.gz-3f0c….ndjson       the rows of one source file
//! <output_path>/<run_id>/rejects/orders.csv.gz-3f0c….ndjson    its rejected rows, if there are any
//! <output_path>/<run_id>/{rows,rejects}/.drover-tmp-XXXXXX     half-written
//! <index_path>/<run_id>/                                       the finished index
//! <index_path>/current -> <run_id>                             the index to be searched
//! <index_path>/.drover-tmp.<run_id>/XXXXXX/                    half-built
//! ```

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the name of every half-written file begins with.
pub const TEMP_PREFIX: &str = ".drover-tmp-";
/// The link to the index to be searched.
pub const CURRENT: &str = "current";
/// Ending of the files of rows and rejects.
pub const ROWS_ENDING: &str = ".ndjson";

const RUN_ID_BYTES: usize = 128;
const STEM_BYTES: usize = 80;

/// The name of a run: its folder. The workflow's id is a good one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
pub struct RunId(String);

/// A run id that cannot be a folder's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "run_id: {0:?} cannot be used; give 1 to 128 letters, digits, `.`, `_` or `-`, beginning with a letter or \
     digit, and not `{CURRENT}`"
)]
pub struct RunIdError(String);

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = text.len() <= RUN_ID_BYTES
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().all(allowed)
            && text != CURRENT;
        if good { Ok(Self(text)) } else { Err(RunIdError(crate::text::quotable(&text, RUN_ID_BYTES))) }
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folders of one run below the output path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolders {
    /// `<output_path>/<run_id>`.
    pub run: PathBuf,
    /// The rows, a file per source file.
    pub rows: PathBuf,
    /// The rejected rows, a file per source file that has some.
    pub rejects: PathBuf,
}

impl RunFolders {
    /// The folders of a run; nothing is made.
    #[must_use]
    pub fn of(output_path: &Path, run: &RunId) -> Self {
        let run = output_path.join(&run.0);
        Self { rows: run.join("rows"), rejects: run.join("rejects"), run }
    }
}

/// The folder of a run's finished index.
#[must_use]
pub fn index_folder(index_path: &Path, run: &RunId) -> PathBuf {
    index_path.join(&run.0)
}

/// The folder of a run's half-built indexes.
#[must_use]
pub fn index_temp_folder(index_path: &Path, run: &RunId) -> PathBuf {
    index_path.join(format!(".drover-tmp.{}", run.0))
}

/// The name of the output file of a source file: the same at every run, different for every path, readable.
#[must_use]
pub fn output_name(source_path: &str) -> String {
    let file_name = source_path.rsplit('/').next().unwrap_or_default();
    let readable: String = file_name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
        .take(STEM_BYTES)
        .collect();
    let readable = readable.trim_start_matches('.');
    let hash = Sha256::digest(source_path.as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{hash}{ROWS_ENDING}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_a_plain_folder_name() {
        for good in ["a", "0192f3c4-7b1e-7000-8000-000000000001", "run.1_b"] {
            assert!(RunId::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "../x", "current", "ü", "a\0", &"x".repeat(129)] {
            let message = RunId::try_from(bad.to_owned()).unwrap_err().to_string();
            assert!(message.starts_with("run_id: "), "{bad:?}");
        }
    }

    #[test]
    fn output_names_are_stable_safe_and_distinct() {
        assert_eq!(output_name("/a/orders.csv.gz"), "orders.csv.gz-068a5e865950905e.ndjson");
        assert_ne!(output_name("/a/x.csv"), output_name("/b/x.csv"));
        let odd = output_name("/a/..é b\n.csv");
        assert!(
            !odd.starts_with('.') && odd.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
            "{odd}"
        );
        assert!(output_name(&format!("/a/{}.csv", "x".repeat(250))).len() < 255);
    }
}
