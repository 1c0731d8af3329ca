//! Colours and signs of statuses. Colours vanish by themselves where the output is no terminal.

use console::{Style, style};
use drover_protocol::{JobStatus, LogLevel, StepStatus};

use crate::api::JobView;

/// Which of the two outputs is painted: each may be a terminal or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
}

impl To {
    /// An empty style for this output.
    pub(crate) fn style(self) -> Style {
        match self {
            Self::Stdout => Style::new(),
            Self::Stderr => Style::new().for_stderr(),
        }
    }
}

/// The status of a job, coloured.
pub(crate) fn job(status: JobStatus, to: To) -> String {
    let style = to.style();
    let style = match status {
        JobStatus::Pending => style.dim(),
        JobStatus::Running => style.cyan(),
        JobStatus::Cancelling | JobStatus::CompletedWithErrors => style.yellow(),
        JobStatus::Completed => style.green(),
        JobStatus::Failed => style.red(),
        JobStatus::Cancelled => style.magenta(),
    };
    style.apply_to(status.as_str()).to_string()
}

/// Where a job stands: its status, and whether it is paused.
pub(crate) fn standing(view: &JobView, to: To) -> String {
    let status = job(view.status, to);
    if view.paused { format!("{status}, {}", to.style().yellow().apply_to("paused")) } else { status }
}

/// The sign of a step's status, coloured; one column wide.
pub(crate) fn sign(status: StepStatus, to: To) -> String {
    let style = to.style();
    let (style, sign) = match status {
        StepStatus::Pending => (style.dim(), "·"),
        StepStatus::Running => (style.cyan(), "▶"),
        StepStatus::Completed => (style.green(), "✓"),
        StepStatus::CompletedWithErrors => (style.yellow(), "!"),
        StepStatus::Failed => (style.red(), "✗"),
        StepStatus::Cancelled => (style.magenta(), "■"),
        StepStatus::Skipped => (style.dim(), "-"),
    };
    style.apply_to(sign).to_string()
}

/// The status of a worker, coloured.
pub(crate) fn worker(status: &str, draining: bool) -> String {
    match status {
        "live" if draining => style("draining").yellow().to_string(),
        "live" => style(status).green().to_string(),
        "lost" => style(status).red().to_string(),
        other => style(other).dim().to_string(),
    }
}

/// A log level, coloured, five columns wide.
pub(crate) fn level(level: LogLevel) -> String {
    let style = match level {
        LogLevel::Trace | LogLevel::Debug => Style::new().dim(),
        LogLevel::Info => Style::new().green(),
        LogLevel::Warn => Style::new().yellow(),
        LogLevel::Error => Style::new().red().bold(),
    };
    style.apply_to(format!("{:<5}", level.as_str())).to_string()
}
