//! Puts a finished index in its place so that a reader finds the old one or the new one, never half of either.

use std::{io, path::Path};

use tempfile::TempDir;

use crate::{
    layout::{CURRENT, RunId, TEMP_PREFIX},
    process::sync_folder,
};

/// How often a place that others change at the same moment is tried.
const TRIES: u32 = 16;

/// Moves the finished folder to its place. What stood there is removed. On an error nothing has changed.
pub(super) fn put_in_place(finished: TempDir, place: &Path) -> io::Result<()> {
    for _ in 0..TRIES {
        match std::fs::rename(finished.path(), place) {
            Ok(()) => {
                // It has left the place where its guard would remove it.
                let _ = finished.keep();
                return sync_parent(place);
            }
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(error),
        }
        match exchange(finished.path(), place) {
            // The guard now removes what stood there before.
            Ok(()) => return sync_parent(place),
            // It was removed meanwhile: try again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("other attempts keep changing it at the same time"))
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Exchanges two folders in one step where the system can, else in two: then there is a moment with none.
fn exchange(finished: &Path, place: &Path) -> io::Result<()> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::{
            errno::Errno,
            fcntl::{AT_FDCWD, RenameFlags, renameat2},
        };
        match renameat2(AT_FDCWD, finished, AT_FDCWD, place, RenameFlags::RENAME_EXCHANGE) {
            Ok(()) => return Ok(()),
            // This file system has no exchange.
            Err(Errno::EINVAL | Errno::ENOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let aside = finished.join("replaced");
    std::fs::rename(place, &aside)?;
    std::fs::rename(finished, place)?;
    let replaced = place.join("replaced");
    std::fs::create_dir_all(finished)?;
    std::fs::rename(replaced, finished.join("replaced"))
}

/// Lets `current` lead to a run's index, in one step.
pub(super) fn point_current(index_path: &Path, run: &RunId) -> io::Result<()> {
    let links = tempfile::Builder::new().prefix(TEMP_PREFIX).tempdir_in(index_path)?;
    let link = links.path().join(CURRENT);
    std::os::unix::fs::symlink(run.to_string(), &link)?;
    std::fs::rename(&link, index_path.join(CURRENT))?;
    sync_folder(index_path)
}

fn sync_parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn finished(parent: &Path, content: &str) -> TempDir {
        let folder = tempfile::tempdir_in(parent).unwrap();
        std::fs::write(folder.path().join("file"), content).unwrap();
        folder
    }

    #[test]
    fn a_new_folder_replaces_the_old_one_and_nothing_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("place");
        for content in ["one", "two", "three"] {
            put_in_place(finished(parent.path(), content), &place).unwrap();
            assert_eq!(std::fs::read_to_string(place.join("file")).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn current_is_moved_and_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        for run in ["run-1", "run-2"] {
            point_current(parent.path(), &RunId::try_from(run.to_owned()).unwrap()).unwrap();
            assert_eq!(std::fs::read_link(parent.path().join(CURRENT)).unwrap(), Path::new(run));
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_that_swap_at_once_all_succeed() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("place");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (parent, place) = (parent.path(), &place);
                scope.spawn(move || put_in_place(finished(parent, &number.to_string()), place).unwrap());
            }
        });
        assert!(place.join("file").exists());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
