//! How a process is told to end, and how it ends.

use std::{io, process, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at once, with the exit code
/// a shell would show for it.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let (name, exit_code) = tokio::select! {
                Some(()) = terminate.recv() => ("SIGTERM", 128 + 15),
                Some(()) = interrupt.recv() => ("SIGINT", 128 + 2),
                else => return,
            };
            if shutdown.is_cancelled() {
                tracing::warn!(signal = name, "second signal: ending at once");
                process::exit(exit_code);
            }
            tracing::info!(signal = name, "shutting down; a second signal ends at once");
            shutdown.cancel();
        }
    });
    Ok(token)
}

/// Waits for every task of the tracker, at most `deadline` long. `false`: some still run.
pub async fn drain(tracker: &TaskTracker, deadline: Duration) -> bool {
    tracker.close();
    tokio::time::timeout(deadline, tracker.wait()).await.is_ok()
}
