//! The second look: whether a download is finished.

use std::{
    fs::{OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use chrono::{DateTime, Utc};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::Look;
use crate::fault::Fault;

/// Why a file is not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// It is not what it was at the first look.
    Changing,
    /// It was changed a moment ago.
    Fresh,
    /// Another program holds a lock on it.
    Locked,
    /// There is nothing in it.
    Empty,
}

impl Unfinished {
    /// For a message.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Changing => "it is still being written",
            Self::Fresh => "it was changed a moment ago",
            Self::Locked => "another program has locked it",
            Self::Empty => "it is empty",
        }
    }
}

/// Looks at a file again. `None`: it is finished.
///
/// # Errors
/// [`Fault`], if it cannot be read.
pub fn second_look(first: &Look, now: DateTime<Utc>, quiet: Duration) -> Result<Option<Unfinished>, Fault> {
    // Without waiting for a writer, should it have become a pipe, and not through a link that took its place.
    let opened = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(&first.path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Unfinished::Changing)),
        Err(error) => return Err(Fault::io("read it", &error)),
    };
    let metadata = file.metadata().map_err(|error| Fault::io("read it", &error))?;
    let second = Look::of(&first.path, &metadata).map_err(|error| Fault::io("read it", &error))?;
    if !metadata.is_file() || !first.is_unchanged(&second) {
        return Ok(Some(Unfinished::Changing));
    }
    if second.size_bytes == 0 {
        return Ok(Some(Unfinished::Empty));
    }
    // A time that lies ahead says nothing: the clock of another machine.
    let age = (now - second.modified_at).to_std().ok();
    if age.is_some_and(|age| age < quiet) {
        return Ok(Some(Unfinished::Fresh));
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Unfinished::Locked)),
        // A file system without locks has none to respect.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(error)) => Err(Fault::io("look for locks on it", &error)),
    }
}
