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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;

    #[tokio::test]
    async fn a_signal_cancels_the_token() {
        let token = on_signal().unwrap();
        assert!(!token.is_cancelled());
        raise(Signal::SIGTERM).unwrap();
        tokio::time::timeout(Duration::from_secs(10), token.cancelled()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn drain_waits_for_tasks_up_to_its_deadline() {
        let tracker = TaskTracker::new();
        tracker.spawn(tokio::time::sleep(Duration::from_secs(5)));
        assert!(!drain(&tracker, Duration::from_secs(1)).await);
        assert!(drain(&tracker, Duration::from_secs(10)).await);
    }
}
