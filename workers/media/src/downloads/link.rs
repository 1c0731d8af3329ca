//! From the drop folder into the library: a hard link, or a copy where there can be none.

use std::{
    ffi::OsString,
    fs::{self, File, FileTimes},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::Look;
use crate::{
    draft::{Draft, sync_folder_of},
    fingerprint::fingerprint,
};

/// How many files of one name a folder of the library may hold.
const NAMES: u32 = 100;
const COPY_BYTES: usize = 1024 * 1024;

/// Where a download is in the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was put there now.
    Now(PathBuf),
    /// It was there already.
    Before(PathBuf),
}

/// Why a download is not in the library.
#[derive(Debug)]
pub enum LinkError {
    /// The job was told to stop.
    Cancelled,
    /// The file changed while it was put there.
    Changing,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Puts a file into the library, at the place that it has in the drop folder. Another file of that name stays, and this one
/// gets a number.
///
/// # Errors
/// [`LinkError`]; nothing half-done stays.
pub fn link(
    look: &Look,
    downloads: &Path,
    library: &Path,
    is_cancelled: impl Fn() -> bool,
) -> Result<Linked, LinkError> {
    let place = look.path.strip_prefix(downloads).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let wanted = library.join(place);
    if let Some(folder) = wanted.parent() {
        fs::create_dir_all(folder)?;
    }
    for number in 1..=NAMES {
        let to = numbered(&wanted, number);
        // Whoever takes the name in between is looked at in the next round.
        for _ in 0..2 {
            match fs::symlink_metadata(&to) {
                Ok(there) if is_same(look, &to, &there)? => return Ok(Linked::Before(to)),
                Ok(_) => break,
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Err(_) => {}
            }
            match put(look, &to, &is_cancelled) {
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(Linked::Now(to)),
            }
        }
    }
    let message = format!("the library has {NAMES} files of this name; rename some of them");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message).into())
}

/// `trip.mp4`, `trip (2).mp4`, …
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_path_buf();
    }
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!(" ({number})"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// Whether the file in the library is this one: a link to it, or a copy that an earlier attempt made.
fn is_same(look: &Look, to: &Path, there: &fs::Metadata) -> io::Result<bool> {
    if !there.is_file() {
        return Ok(false);
    }
    let there = Look::of(to, there)?;
    if there.inode == look.inode {
        return Ok(true);
    }
    let alike = (there.size_bytes, there.modified_at) == (look.size_bytes, look.modified_at);
    Ok(alike && fingerprint(to)? == fingerprint(&look.path)?)
}

fn put(look: &Look, to: &Path, is_cancelled: &impl Fn() -> bool) -> Result<(), LinkError> {
    match fs::hard_link(&look.path, to) {
        Ok(()) => {
            let there = Look::of(to, &fs::symlink_metadata(to)?)?;
            if !look.is_unchanged(&there) {
                fs::remove_file(to)?;
                return Err(LinkError::Changing);
            }
            Ok(sync_folder_of(to)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LinkError::Changing),
        Err(error) if needs_copy(&error) => copy(look, to, is_cancelled),
        Err(error) => Err(error.into()),
    }
}

/// Another device, a file system without hard links, too many links, or somebody else's file that may only be read.
fn needs_copy(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

fn copy(look: &Look, to: &Path, is_cancelled: &impl Fn() -> bool) -> Result<(), LinkError> {
    let mut from = File::open(&look.path)?;
    let mut draft = Draft::new_in(to.parent().unwrap_or(Path::new("/")))?;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        if is_cancelled() {
            return Err(LinkError::Cancelled);
        }
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        draft.file().write_all(&buffer[..read])?;
    }
    let metadata = from.metadata()?;
    if !look.is_unchanged(&Look::of(&look.path, &metadata)?) {
        return Err(LinkError::Changing);
    }
    // By it a repeat knows its own copy again.
    draft.file().set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    Ok(draft.finish_new(to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_file_of_a_name_gets_a_number_before_its_ending() {
        let of = |path: &str, number| numbered(Path::new(path), number).display().to_string();
        assert_eq!(of("/l/a.b.mp4", 1), "/l/a.b.mp4");
        assert_eq!(of("/l/a.b.mp4", 3), "/l/a.b (3).mp4");
    }
}
