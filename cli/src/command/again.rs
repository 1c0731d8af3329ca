//! Asks again where that does no harm and may help.

use std::time::Duration;

use drover_service::retry::Backoff;
use tokio::time::{Instant, sleep};

use super::Context;
use crate::failure::Failure;

/// How often it is asked.
const TRIES: u32 = 4;
/// First and longest pause between the tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// For how long a server that was there before may be away while somebody waits for something else.
const AWAY: Duration = Duration::from_secs(60);
/// The longest pause that the server may ask for.
const LONGEST_PAUSE_SECONDS: u64 = 10;

/// Sends what is safe to repeat, until the server could answer it or it was tried often enough.
pub(super) async fn again<T, F>(ctx: &Context, send: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    for _ in 1..TRIES {
        match send().await {
            Err(failure) if failure.is_transient() => {
                ctx.output.note(format_args!("{failure}; trying again"));
                sleep(asked_pause(&failure).unwrap_or_else(|| backoff.next())).await;
            }
            answer => return answer,
        }
    }
    send().await
}

/// Looks, on behalf of somebody who waits: a server that was there before may be away for a minute.
pub(super) async fn patiently<T>(mut look: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let (began, mut backoff) = (Instant::now(), Backoff::new(PAUSES.0, PAUSES.1));
    loop {
        match look().await {
            Err(failure) if failure.may_pass() && began.elapsed() < AWAY => {
                sleep(asked_pause(&failure).unwrap_or_else(|| backoff.next())).await;
            }
            answer => return answer,
        }
    }
}

/// The pause that the server asks for.
fn asked_pause(failure: &Failure) -> Option<Duration> {
    let asked = failure.problem().and_then(|problem| problem.retry_after_seconds)?;
    Some(Duration::from_secs(asked.min(LONGEST_PAUSE_SECONDS)))
}
