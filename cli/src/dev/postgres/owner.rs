//! As whom the server runs.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use nix::unistd::{Gid, Uid, User, chown, geteuid};

use super::PostgresError;

/// Users to run it as when we are root, the best one first.
const USERS: &[&str] = &["postgres", "nobody"];

/// We ourselves, or an unprivileged user when we are root.
#[derive(Clone, Debug)]
pub(super) struct Owner(Option<(String, Uid, Gid)>);

impl Owner {
    pub(super) fn choose() -> Result<Self, PostgresError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let user = USERS.iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.ok_or(PostgresError::NoOwner)?;
        Ok(Self(Some((user.name, user.uid, user.gid))))
    }

    /// A program that is to run as the owner, with none of our Postgres settings.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((_, uid, gid))) = self {
            // With the user goes the list of further groups.
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C");
        command
    }

    /// Gives a file or folder to the owner.
    pub(super) fn give(&self, path: &Path) -> Result<(), PostgresError> {
        let Self(Some((_, uid, gid))) = self else { return Ok(()) };
        chown(path, Some(*uid), Some(*gid)).map_err(|error| PostgresError::io(path)(error.into()))
    }

    /// Whether the owner gets to the folder: root may have put it where nobody else may go.
    pub(super) fn check(&self, folder: &Path) -> Result<(), PostgresError> {
        let Self(Some((user, ..))) = self else { return Ok(()) };
        let enters = self.command("test").arg("-x").arg(folder).current_dir("/").status();
        if enters.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        Err(PostgresError::Closed { user: user.clone(), folder: folder.into() })
    }
}
