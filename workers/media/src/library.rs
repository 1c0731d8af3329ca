//! The library's folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use crate::{
    downloads::{Look, is_video},
    fault::{Fault, FaultKind},
    limits::FILES,
};

/// What is in the library.
#[derive(Debug, Default)]
pub struct Seen {
    /// Its videos, sorted by path.
    pub videos: Vec<Look>,
    /// What could not be read.
    pub faults: Vec<(PathBuf, Fault)>,
}

/// Looks through the library. Hidden files and links are none of it.
///
/// # Errors
/// When the folder itself cannot be read, or holds more than a million videos.
pub fn walk(folder: &Path, is_cancelled: impl Fn() -> bool) -> io::Result<Seen> {
    std::fs::read_dir(folder)?;
    let mut seen = Seen::default();
    let hidden = |name: &std::ffi::OsStr| std::os::unix::ffi::OsStrExt::as_bytes(name).starts_with(b".");
    let entries = WalkDir::new(folder).min_depth(1).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| !hidden(entry.file_name())) {
        if is_cancelled() {
            break;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_path_buf();
                seen.faults.push((path, Fault::io("read it", &error.into())));
                continue;
            }
        };
        if !entry.file_type().is_file() || !is_video(entry.path()) {
            continue;
        }
        let path = entry.path();
        if path.to_str().is_none() {
            let message = "its name is no UTF-8, which the library's database cannot hold; rename it";
            seen.faults.push((path.to_path_buf(), Fault::new(FaultKind::Name, message)));
            continue;
        }
        match entry.metadata().map_err(io::Error::from).and_then(|metadata| Look::of(path, &metadata)) {
            Ok(look) => seen.videos.push(look),
            // It went away in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => seen.faults.push((path.to_path_buf(), Fault::io("read it", &error))),
        }
        if seen.videos.len() > FILES {
            let message = format!("it holds more than {FILES} videos, which is the limit of one library");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
    }
    Ok(seen)
}

/// Whether a file is not there. One that cannot be looked at may be.
#[must_use]
pub fn is_gone(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => !metadata.is_file(),
        Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}
