//! A private Postgres server: a real one, from the binaries of the machine, with data, port and password of its own.
//!
//! | file | what |
//! | --- | --- |
//! | `find` | where the binaries are, and what installs them |
//! | `owner` | as whom the server runs: Postgres refuses to run as root |
//! | `cluster` | the folder with the data |
//! | `server` | the process, which never outlives ours |

mod cluster;
mod find;
mod owner;
mod server;

use std::{io, path::PathBuf};

pub(crate) use server::Server;

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgresError {
    /// Nothing is installed.
    #[error(
        "no Postgres server is installed on this machine ({}). Install it:\n{}\nor name a running one with --database-url",
        find::LOOKED_AT,
        find::how_to_install()
    )]
    NotInstalled,
    /// The data are of a major version that is not installed.
    #[error(
        "the data in {} are of Postgres {wanted}, and installed is {installed}. Install Postgres {wanted}, or name another \
         folder with --data-dir",
        .folder.display()
    )]
    OtherVersion {
        /// The data.
        folder: PathBuf,
        /// Their version.
        wanted: String,
        /// What is there.
        installed: String,
    },
    /// Root has nobody to run it as.
    #[error(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody`: start this as another user"
    )]
    NoOwner,
    /// The owner cannot get at its folder.
    #[error(
        "the user `{user}`, as whom Postgres runs when started by root, cannot enter {}: name a folder below one that \
         everybody may enter with --data-dir, as /var/lib/drover/dev",
        .folder.display()
    )]
    Closed {
        /// As whom it runs.
        user: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of Postgres failed.
    #[error("{program} failed: {words}")]
    Program {
        /// Which one.
        program: &'static str,
        /// Its words.
        words: String,
    },
    /// The server ended, or did not answer.
    #[error("the private Postgres server does not start. The end of {}:\n{words}", .log.display())]
    NotStarted {
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        words: String,
    },
}

impl PostgresError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
