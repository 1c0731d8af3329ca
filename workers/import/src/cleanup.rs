//! Removes what half runs left behind. Only what a run of this id made under a temporary name is touched.

use std::{
    io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::{
    layout::{ROWS_ENDING, RunFolders, RunId, TEMP_PREFIX, index_temp_folder},
    meter::{Cancelled, Meter},
    text,
};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CleanupResult {
    /// How many files.
    pub removed_files: u64,
    /// How much room they took, in bytes.
    pub freed_bytes: u64,
}

/// Why a cleanup stopped.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The job was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A folder of the run is a link that leads elsewhere.
    #[error("{field}: {path} leads to {target}, outside of {field}; nothing was removed there")]
    Outside {
        /// The parameter.
        field: &'static str,
        /// The folder.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// The system refused.
    #[error("cannot clean up {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What is to be removed.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// Where the run's rows are.
    pub output_path: &'r Path,
    /// Where its index is, if its half-built indexes are to go, too.
    pub index_path: Option<&'r Path>,
    /// The run.
    pub run: &'r RunId,
    /// Whether the finished rows stay. The rejects always stay.
    pub keep_rows: bool,
}

/// Removes the leftovers of a run. A missing folder is no error: there is nothing to be removed.
///
/// # Errors
/// [`CleanupError`]. What was removed by then stays removed; a repeat goes on.
pub fn cleanup(request: &Request<'_>, meter: &Meter) -> Result<CleanupResult, CleanupError> {
    let mut cleaner = Cleaner { meter, result: CleanupResult::default() };
    let folders = RunFolders::of(request.output_path, request.run);
    for folder in [&folders.rows, &folders.rejects] {
        let rows_go = !request.keep_rows && folder == &folders.rows;
        if is_within("output_path", request.output_path, folder)? {
            cleaner.remove_files(folder, |name| {
                name.starts_with(TEMP_PREFIX) || (rows_go && name.ends_with(ROWS_ENDING))
            })?;
        }
    }
    if let Some(index_path) = request.index_path {
        let folder = index_temp_folder(index_path, request.run);
        if is_within("index_path", index_path, &folder)? {
            cleaner.remove_files(&folder, |_| true)?;
            remove_folder(&folder)?;
        }
    }
    Ok(cleaner.result)
}

/// Whether the folder is there; an error if links lead it out of its parent.
fn is_within(field: &'static str, parent: &Path, folder: &Path) -> Result<bool, CleanupError> {
    let real = |path: &Path| match path.canonicalize() {
        Ok(real) => Ok(Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CleanupError::Io { path: text::path(path), source }),
    };
    let (Some(real_parent), Some(target)) = (real(parent)?, real(folder)?) else { return Ok(false) };
    let expected: PathBuf = folder.strip_prefix(parent).map(|rest| real_parent.join(rest)).unwrap_or_default();
    if target == expected {
        return Ok(true);
    }
    Err(CleanupError::Outside { field, path: text::path(folder), target: text::path(&target) })
}

struct Cleaner<'m> {
    meter: &'m Meter,
    result: CleanupResult,
}

impl Cleaner<'_> {
    /// Removes the files below a folder whose names are meant. Links are removed, never followed.
    fn remove_files(&mut self, folder: &Path, is_meant: impl Fn(&str) -> bool) -> Result<(), CleanupError> {
        for entry in WalkDir::new(folder).follow_links(false) {
            self.meter.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.io_error().is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound) => continue,
                Err(error) => return Err(CleanupError::Io { path: text::path(folder), source: error.into() }),
            };
            if entry.file_type().is_dir() || !entry.file_name().to_str().is_some_and(&is_meant) {
                continue;
            }
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            match std::fs::remove_file(entry.path()) {
                Ok(()) => {
                    self.result.removed_files += 1;
                    self.result.freed_bytes += bytes;
                    self.meter.add_units(1);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(CleanupError::Io { path: text::path(entry.path()), source }),
            }
        }
        Ok(())
    }
}

/// Removes the emptied folder and those in it.
fn remove_folder(folder: &Path) -> Result<(), CleanupError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CleanupError::Io { path: text::path(folder), source: error })
        }
        _ => Ok(()),
    }
}
