//! Async work from a destructor.

use std::thread;
use std::time::Duration;
use tokio::runtime;

const LIMIT: Duration = Duration::from_secs(20);

/// Runs `work` to its end. It gets a thread and a runtime of its own, as the test's runtime may be shutting down. What
/// goes wrong is only told: the next run reaps what is left.
pub(crate) fn finish(what: String, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
    let run = move || -> anyhow::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(LIMIT, work).await? })
    };
    match thread::spawn(run).join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("could not drop {what}: {error:#}"),
        Err(_) => eprintln!("could not drop {what}: it panicked"),
    }
}
