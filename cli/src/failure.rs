//! How a command ends badly, and the exit code of every end.

use std::{io, process::ExitCode};

use drover_protocol::JobStatus;

use crate::{api::Problem, dev::DevError};

/// What a script sees of the end. The help text lists the same codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked happened; the job that was waited for completed.
    Done = 0,
    /// The job that was waited for failed or was cancelled; or it is not what its history leads to.
    JobFailed = 1,
    /// The command or the request was wrong.
    Refused = 2,
    /// The job that was waited for completed with errors.
    JobHadErrors = 3,
    /// The server could not be reached, could not answer, or could not be started.
    Unreachable = 4,
    /// Ctrl-C, as a shell shows it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The code for a job that was waited for.
    pub(crate) const fn of(status: JobStatus) -> Self {
        match status {
            JobStatus::Completed => Self::Done,
            JobStatus::CompletedWithErrors => Self::JobHadErrors,
            JobStatus::Failed | JobStatus::Cancelled => Self::JobFailed,
            // Only a terminal status ends the waiting.
            JobStatus::Pending | JobStatus::Running | JobStatus::Cancelling => Self::Unreachable,
        }
    }
}

/// Why a command could not do what was asked. The text is for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The server says that the request is wrong.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// As `Refused`, with what to do about it.
    #[error("{0}\nhint: {1}")]
    RefusedWithHint(Box<Problem>, String),
    /// The server could not do it now.
    #[error("{0}")]
    Unavailable(Box<Problem>),
    /// No connection.
    #[error(
        "cannot reach Drover at {url}: {reason}\nhint: start it with `drover-orchestrator`, or name another address \
         with --url or DROVER_URL"
    )]
    Connect {
        /// The base address.
        url: String,
        /// What the operating system says.
        reason: String,
    },
    /// The connection broke, or no answer came in time.
    #[error("the connection to {url} broke: {reason}")]
    Broken {
        /// The base address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Somebody answered, but not Drover's API.
    #[error("{url} does not answer like Drover's API: {reason}\nhint: --url or DROVER_URL names the orchestrator")]
    NotTheApi {
        /// The address that was asked.
        url: String,
        /// What is odd.
        reason: String,
    },
    /// A system of our own does not start, or ended.
    #[error("{0}")]
    Start(String),
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        Self::Start(error.to_string())
    }
}

impl Failure {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Refused(_) | Self::RefusedWithHint(..) => Exit::Refused,
            Self::Unavailable(_)
            | Self::Connect { .. }
            | Self::Broken { .. }
            | Self::NotTheApi { .. }
            | Self::Start(_) => Exit::Unreachable,
            // The reader has gone, as `head` does: it has what it wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Refused,
        }
    }

    /// The server's own words, where it gave any.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) | Self::RefusedWithHint(problem, _) | Self::Unavailable(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the same request may succeed in a moment.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Broken { .. })
    }

    /// Whether it may be otherwise soon, where the server was there before.
    pub(crate) const fn may_pass(&self) -> bool {
        self.is_transient() || matches!(self, Self::Connect { .. })
    }

    /// Adds what to do about a refusal of the given HTTP status.
    pub(crate) fn with_hint(self, status: u16, hint: impl FnOnce(&Problem) -> Option<String>) -> Self {
        match self {
            Self::Refused(problem) if problem.status == status => match hint(&problem) {
                Some(hint) => Self::RefusedWithHint(problem, hint),
                None => Self::Refused(problem),
            },
            other => other,
        }
    }
}
