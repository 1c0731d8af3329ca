//! Stops the worker's jobs when the broker was out of reach for too long: others have taken them over by then.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{session::Session, state::Stop, table::Table};

/// How often an isolated worker looks whether it may have begun something anew.
const RECHECK: Duration = Duration::from_secs(1);

/// Two leases at least: a worker without news says nothing from one heartbeat to the next, and before its lease has ended nobody
/// takes its jobs.
fn limit(session: &Session) -> Duration {
    session.settings.isolation.max(session.lease.length().unwrap_or_default() * 2)
}

pub(crate) async fn run(session: Arc<Session>, table: Arc<Table>, stop: CancellationToken) {
    loop {
        let limit = limit(&session);
        let silence = session.silence();
        let wait = if silence >= limit {
            let stopped = table.stop_all(Stop::Isolation);
            if stopped > 0 {
                let silent_seconds = silence.as_secs();
                tracing::error!(
                    silent_seconds,
                    stopped,
                    "the broker has been out of reach for too long: jobs are stopped"
                );
            }
            RECHECK
        } else {
            limit - silence
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}
