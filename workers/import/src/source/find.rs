//! Finds the files of a folder.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{Compression, Format, KNOWN_ENDINGS, by_name};
use crate::{
    fault::{Fault, FaultKind},
    meter::{Cancelled, Meter},
    text,
};

/// A file whose name says that it is to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Absolute path; it is UTF-8.
    pub path: String,
    /// By its name.
    pub format: Format,
    /// By its name.
    pub compression: Compression,
    /// Bytes on disk.
    pub size_bytes: u64,
}

/// Something that should be imported and cannot even be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The path, as far as it can be shown.
    pub path: String,
    /// Why.
    pub fault: Fault,
}

/// What a folder holds, in order of the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The files to be read.
    pub files: Vec<Found>,
    /// What cannot be read.
    pub unusable: Vec<Unusable>,
    /// How many other files there are: another ending, or a link that is not followed.
    pub ignored: u64,
}

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is no such path, or it cannot be read.
    #[error(
        "import_path: cannot read {path}: {source}; give a folder or file that exists where \
         the worker runs and that the worker may read"
    )]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is a single file of an unknown kind.
    #[error("import_path: {path} is a file with an unknown ending; known are {KNOWN_ENDINGS}")]
    UnknownFile {
        /// The path.
        path: String,
    },
    /// The job was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Finds the files below a folder (or the one file), sorted by path. Hidden files and folders are skipped. Links are
/// followed only on demand, and never out of the folder.
///
/// # Errors
/// [`FindError`] if the folder itself cannot be read. What cannot be read below it is in [`Findings::unusable`].
pub fn find(import_path: &Path, follow_links: bool, meter: &Meter) -> Result<Findings, FindError> {
    let unreadable = |source| FindError::Unreadable { path: text::path(import_path), source };
    let root = import_path.canonicalize().map_err(unreadable)?;
    if root.is_dir() {
        std::fs::read_dir(&root).map_err(unreadable)?;
    } else if by_name(import_path).is_none() {
        return Err(FindError::UnknownFile { path: text::path(import_path) });
    }
    let mut search = Search { root, follow_links, found: Findings::default(), seen: HashSet::new() };
    let mut walk = WalkDir::new(import_path).follow_links(follow_links).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        meter.check()?;
        let step = match entry {
            Ok(entry) => search.visit(&entry),
            Err(error) => search.failed(&error),
        };
        if step == Step::Around {
            walk.skip_current_dir();
        }
    }
    search.found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(search.found)
}

#[derive(PartialEq, Eq)]
enum Step {
    On,
    Around,
}

struct Search {
    root: PathBuf,
    follow_links: bool,
    found: Findings,
    /// Where followed links led, so that a file with two names is imported once.
    seen: HashSet<PathBuf>,
}

impl Search {
    fn visit(&mut self, entry: &DirEntry) -> Step {
        let kind = entry.file_type();
        if entry.depth() > 0 && is_hidden(entry) {
            return if kind.is_dir() { Step::Around } else { Step::On };
        }
        if entry.depth() > 0 && entry.path_is_symlink() && !self.may_follow(entry) {
            return if kind.is_dir() { Step::Around } else { Step::On };
        }
        if kind.is_dir() {
            return Step::On;
        }
        match by_name(entry.path()) {
            None if entry.path().to_str().is_none() => {
                self.unusable(entry.path(), Fault::of_file(FaultKind::Io, "its name is not UTF-8; rename it"));
            }
            None => self.found.ignored += 1,
            Some((format, compression)) => self.take(entry, format, compression),
        }
        Step::On
    }

    fn take(&mut self, entry: &DirEntry, format: Format, compression: Compression) {
        let metadata = match std::fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(error) => return self.unusable(entry.path(), Fault::io("read it", &error)),
        };
        if !metadata.is_file() {
            let fault = Fault::of_file(FaultKind::Io, "it is not a regular file");
            return self.unusable(entry.path(), fault);
        }
        let Some(path) = entry.path().to_str() else {
            return self.unusable(entry.path(), Fault::of_file(FaultKind::Io, "its path is not UTF-8; rename it"));
        };
        if self.follow_links && !self.seen.insert(entry.path().canonicalize().unwrap_or_else(|_| entry.path().into())) {
            self.found.ignored += 1;
            return;
        }
        self.found.files.push(Found { path: path.to_owned(), format, compression, size_bytes: metadata.len() });
    }

    /// Whether a link is to be followed: on demand, and only within the folder.
    fn may_follow(&mut self, entry: &DirEntry) -> bool {
        if !self.follow_links {
            self.found.ignored += 1;
            return false;
        }
        match entry.path().canonicalize() {
            Ok(target) if target.starts_with(&self.root) => true,
            Ok(target) => {
                let message = format!("it is a link to {}, outside of the folder: not followed", target.display());
                self.unusable(entry.path(), Fault::of_file(FaultKind::Link, message));
                false
            }
            Err(error) => {
                self.unusable(entry.path(), Fault::io("follow the link", &error));
                false
            }
        }
    }

    fn failed(&mut self, error: &walkdir::Error) -> Step {
        let path = error.path().unwrap_or(&self.root).to_path_buf();
        let fault = match (error.loop_ancestor(), error.io_error()) {
            (Some(ancestor), _) => {
                Fault::of_file(FaultKind::Link, format!("it is a link back to {}: not followed", ancestor.display()))
            }
            (None, Some(cause)) => Fault::io("read it", cause),
            (None, None) => Fault::of_file(FaultKind::Io, error.to_string()),
        };
        self.unusable(&path, fault);
        Step::On
    }

    fn unusable(&mut self, path: &Path, fault: Fault) {
        self.found.unusable.push(Unusable { path: text::path(path), fault });
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}
