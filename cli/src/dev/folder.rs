//! The folder that a system keeps its data in: one system at a time.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another system is on it.
    #[error(
        "the data in {} are in use by {owner}: stop it, or name another folder with --data-dir (and another --port)",
        .folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// It cannot be made or written.
    #[error("--data-dir {}: {source}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A folder that is ours until this is dropped, or our process is gone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder; makes it where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { folder: path.into(), source };
        // Of a system that root starts, Postgres runs as another user, who must get through to its own folder.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(io)?;
        let path = fs::canonicalize(path).map_err(io)?;
        let lock = path.join("lock");
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Whoever has it may not have written yet who it is.
                let _ = lock.read_to_string(&mut owner);
                let owner = if owner.is_empty() { "another process".to_owned() } else { owner };
                return Err(FolderError::InUse { folder: path, owner });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let owner = format!("process {}", std::process::id());
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(owner.as_bytes())).map_err(io)?;
        Ok(Self { path, _lock: lock })
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where a system keeps its data when nobody says: where the user's programs keep theirs. Root's home is closed to the user
/// that Postgres then runs as.
pub(crate) fn default_folder() -> PathBuf {
    if geteuid().is_root() {
        return "/var/lib/drover/dev".into();
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    base.unwrap_or_else(env::temp_dir).join("drover/dev")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_system_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let held = Folder::open(&path).unwrap();
        let refused = Folder::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains("--data-dir"), "{refused}");
        drop(held);
        assert_eq!(Folder::open(&path).unwrap().path(), path.canonicalize().unwrap());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = Folder::open(&file.join("below")).unwrap_err().to_string();
        assert!(refused.contains("--data-dir") && refused.contains("below"), "{refused}");
    }
}
