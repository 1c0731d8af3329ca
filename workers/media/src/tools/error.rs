//! How a run of a program goes wrong.

use std::{io, path::Path, process::ExitStatus};

use drover_worker::JobFailure;

use super::Program;
use crate::{
    fault::{Broken, Fault, FaultKind},
    text,
};

/// A program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It cannot be started.
    #[error(
        "{program} cannot be started: {path:?}: {source}; install ffmpeg (Debian: apt-get install ffmpeg), or set \
         {variable} to its path"
    )]
    Missing {
        /// Its name.
        program: &'static str,
        /// What was to be started.
        path: String,
        /// What may name another.
        variable: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed ({status}): {last_line}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote.
        last_line: String,
    },
    /// It did not end in time and was killed.
    #[error("{program} was stopped: it worked for {seconds} s, which is the limit for one file")]
    Slow {
        /// Its name.
        program: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// Its output cannot be used.
    #[error("{program}: {what}")]
    Output {
        /// Its name.
        program: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// This build of it lacks something, whatever the file.
    #[error("{program} has no encoder for clips (one of {wanted}); install another build of it")]
    Unfit {
        /// Its name.
        program: &'static str,
        /// What would do.
        wanted: String,
    },
    /// It cannot be read or waited for.
    #[error("{program}: {source}")]
    Io {
        /// Its name.
        program: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// The job was told to stop.
    #[error("cancelled")]
    Cancelled,
}

impl ToolError {
    pub(super) fn missing(program: Program, path: &Path, source: io::Error) -> Self {
        Self::Missing { program: program.as_str(), path: text::path(path), variable: program.variable(), source }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Slow { .. } => FaultKind::Slow,
            Self::Io { .. } => FaultKind::Io,
            Self::Failed { status, last_line, .. } => of_end(*status, last_line),
            _ => FaultKind::Corrupt,
        }
    }
}

/// What the system says when there is no room.
const FULL: [&str; 3] = ["No space left on device", "Disk quota exceeded", "File too large"];

/// The line that tells of output which could not be written. Some versions of ffmpeg end with success all the same, with
/// half a file.
pub(super) fn write_error(words: &str) -> Option<&str> {
    let says = |line: &str| {
        FULL.iter().any(|full| line.contains(full))
            || ["Error writing trailer", "Error closing file"].iter().any(|begin| line.starts_with(begin))
    };
    words.lines().map(str::trim).find(|line| says(line))
}

/// A program that failed blames the file, unless it says otherwise.
fn of_end(status: ExitStatus, last_line: &str) -> FaultKind {
    use std::os::unix::process::ExitStatusExt;

    use nix::libc::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGXFSZ};

    let signal = status.signal();
    if FULL.iter().any(|words| last_line.contains(words)) || signal == Some(SIGXFSZ) {
        return FaultKind::DiskFull;
    }
    let is_system = ["Permission denied", "Input/output error", "Cannot allocate memory", "No such file"];
    // Ended from outside, as by an operator or when memory ran out. ffmpeg ends with 255 after a signal that it caught.
    let is_stopped =
        status.code() == Some(255) || matches!(signal, Some(SIGHUP | SIGINT | SIGQUIT | SIGTERM | SIGKILL));
    if is_system.iter().any(|words| last_line.contains(words)) || is_stopped {
        return FaultKind::Io;
    }
    FaultKind::Corrupt
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | NotADirectory)
}

impl From<ToolError> for Broken {
    fn from(error: ToolError) -> Self {
        match error {
            // No memory or too many files is over some time.
            ToolError::Missing { ref source, .. } if !is_missing(source) => {
                Self::Job(JobFailure::retryable("program", error.to_string()))
            }
            ToolError::Missing { .. } | ToolError::Unfit { .. } => {
                Self::Job(JobFailure::permanent("program", error.to_string()))
            }
            ToolError::Cancelled => Self::Job(JobFailure::cancelled()),
            other => {
                let kind = other.kind();
                let hint = if kind == FaultKind::DiskFull { "; free some space" } else { "" };
                Self::Item(Fault::new(kind, format!("{other}{hint}")))
            }
        }
    }
}
