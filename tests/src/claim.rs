//! Names of databases and vhosts that tell whether the test that owns them still lives.
//!
//! The owner holds the lock of a file of that name; the kernel lets go of it however the process ends. A name whose
//! file is here and unlocked is abandoned. A name without a file here may be of a run on another machine: only its
//! age tells.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const PREFIX: &str = "drover_test_";

/// No test of another machine runs that long.
const OLD_AGE: Duration = Duration::from_secs(6 * 3600);

/// A fresh name, owned until it is dropped.
pub(crate) struct Claim {
    name: String,
    _lock: File,
}

impl Claim {
    pub(crate) fn new() -> io::Result<Self> {
        fs::create_dir_all(folder())?;
        let random = Uuid::new_v4().simple().to_string();
        let name = format!("{PREFIX}{}_{}", unix_now().as_secs(), &random[..8]);
        let file = File::create_new(folder().join(&name))?;
        file.lock()?;
        Ok(Self { name, _lock: file })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        forget(&self.name);
    }
}

/// What had the name is gone.
pub(crate) fn forget(name: &str) {
    let _ = fs::remove_file(folder().join(name));
}

/// Of `names`, those of tests that are gone. Names that no test gave are left alone.
pub(crate) fn abandoned(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().filter(|name| is_abandoned(name)).collect()
}

fn is_abandoned(name: &str) -> bool {
    let Some((seconds, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else { return false };
    match File::open(folder().join(name)) {
        Ok(file) => match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            seconds.parse().is_ok_and(|born| unix_now() > Duration::from_secs(born) + OLD_AGE)
        }
        Err(_) => false,
    }
}

/// One folder per user: file locks of others could not be opened.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("drover-tests-{}", nix::unistd::getuid()))
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_abandoned_once_its_owner_is_gone() {
        let claim = Claim::new().expect("a claim");
        let name = claim.name().to_owned();
        assert!(!is_abandoned(&name), "its owner lives");
        drop(claim);

        // What a killed process leaves: the file, unlocked.
        fs::write(folder().join(&name), "").expect("write");
        assert!(is_abandoned(&name));
        forget(&name);
        assert!(!is_abandoned(&name), "young and without a file: it may belong to another machine");
    }

    #[test]
    fn without_a_file_the_age_decides_and_foreign_names_are_left_alone() {
        let names = ["drover_test_1000000000_0a0a0a0a", "drover_test_", "drover_test_x_y", "postgres", "/"];
        assert_eq!(abandoned(names.map(str::to_owned)), ["drover_test_1000000000_0a0a0a0a"]);
    }
}
