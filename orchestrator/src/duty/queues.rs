//! Queues that lost what was in them while the broker kept the rest: one was purged, or deleted and made anew.
//!
//! The epoch does not tell of that. What does: jobs of the type were published long ago and nobody has begun them, and yet its
//! queue is empty, at every look for a full lease in which events were folded without delay. Then they are dispatched again;
//! should a message turn up after all, it is withdrawn, and fences make it harmless.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use drover_broker::BrokerError;
use drover_protocol::JobType;
use tokio_util::sync::CancellationToken;

use super::{Pace, ROUND};
use crate::{
    app::App,
    store::{Place, StoreError},
};

/// Most types of which jobs may wait.
const TYPES: i64 = 1_000;

/// Since when the queue of a type has been empty at every look, while its jobs wait.
type Empty = HashMap<JobType, Instant>;

/// Looks after the queues until shutdown.
pub async fn run(app: Arc<App>, pace: Pace, shutdown: CancellationToken) {
    let mut empty = Empty::new();
    // Three looks in a lease: a queue that has been empty for one lease is found within the next.
    while shutdown.run_until_cancelled(tokio::time::sleep(pace.lease / 3)).await.is_some() {
        if let Err(error) = round(&app, pace.lease, pace.gap(), &mut empty).await {
            tracing::warn!(%error, "what the queues may have lost is looked for again");
            empty.clear();
        }
    }
}

/// Why a round came to no end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the depth of a queue cannot be read: {0}")]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn round(app: &App, lease: Duration, gap: Duration, empty: &mut Empty) -> Result<(), RoundError> {
    if !app.store.intake_is_current(lease, gap).await? {
        // What was begun may not be folded yet.
        empty.clear();
        return Ok(());
    }
    let waiting = app.store.waiting_types(lease, TYPES).await?;
    empty.retain(|job_type, _| waiting.contains(job_type));
    for job_type in waiting {
        // One that is not there has nothing in it either.
        if app.broker.depth(&app.names.jobs_queue(&job_type)).await?.unwrap_or(0) > 0 {
            empty.remove(&job_type);
            continue;
        }
        let since = *empty.entry(job_type.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= lease {
            dispatch_again(app, &job_type, since.elapsed()).await?;
        }
    }
    Ok(())
}

/// Dispatches again what has waited for so long.
async fn dispatch_again(app: &App, job_type: &JobType, waited: Duration) -> Result<(), StoreError> {
    let (mut place, mut count) = (Place::default(), 0);
    loop {
        let (dispatched, next) = app.redispatch(&place, Some(job_type.as_str()), waited, ROUND).await?;
        count += dispatched;
        let Some(next) = next else { break };
        place = next;
    }
    if count > 0 {
        tracing::warn!(job.r#type = %job_type, count, "the queue of a type lost what it held: it was dispatched again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use drover_protocol::JobId;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Desk, job_type};

    /// Longer than nothing, and shorter than it takes to make a job.
    const LEASE: Duration = Duration::from_millis(1);
    const GAP: Duration = Duration::from_secs(60);

    async fn look(desk: &Desk, empty: &mut Empty) {
        round(&desk.app, LEASE, GAP, empty).await.expect("looked");
    }

    async fn dispatch(desk: &Desk, id: JobId) -> Value {
        desk.app.store.view_job(id, false).await.expect("read").expect("it is there").view["dispatch"].clone()
    }

    /// A job that waits in a queue, as far as is known, seen by a first look.
    async fn waiting(empty: &mut Empty) -> (Desk, JobId) {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        desk.relayed().await;
        desk.folded().await;
        look(&desk, empty).await;
        (desk, id)
    }

    /// As if the looks before had been a while ago.
    fn long_ago(empty: &mut Empty) {
        let since = empty.get_mut(&job_type("work")).expect("it was seen to be empty");
        *since = since.checked_sub(LEASE).expect("the machine runs that long");
    }

    #[tokio::test]
    async fn what_waits_for_a_queue_that_stays_empty_is_dispatched_again() {
        let mut empty = Empty::new();
        let (desk, id) = waiting(&mut empty).await;
        assert_eq!(dispatch(&desk, id).await, json!(1), "one look is no proof");
        long_ago(&mut empty);
        look(&desk, &mut empty).await;
        assert_eq!(dispatch(&desk, id).await, json!(2));
        look(&desk, &mut empty).await;
        assert_eq!(dispatch(&desk, id).await, json!(2), "its message is owed, and not in the queue yet");
    }

    #[tokio::test]
    async fn a_queue_with_messages_is_believed() {
        let mut empty = Empty::new();
        let (desk, id) = waiting(&mut empty).await;
        desk.broker.set_depth(1);
        look(&desk, &mut empty).await;
        assert!(empty.is_empty());
        desk.broker.set_depth(0);
        look(&desk, &mut empty).await;
        assert_eq!(dispatch(&desk, id).await, json!(1), "it has not been empty for long");
    }

    #[tokio::test]
    async fn nothing_is_concluded_while_events_are_behind_or_jobs_run() {
        let mut empty = Empty::new();
        let (desk, id) = waiting(&mut empty).await;
        long_ago(&mut empty);
        let client = desk.database.connect().await.expect("a connection");
        client.execute("UPDATE intake SET current_since = clock_timestamp()", &[]).await.expect("set");
        round(&desk.app, GAP, GAP, &mut empty).await.expect("looked");
        assert!(empty.is_empty(), "what was begun may not be folded");
        desk.folded().await;
        desk.start(id).await;
        look(&desk, &mut empty).await;
        assert!(empty.is_empty(), "nothing waits");
        assert_eq!(dispatch(&desk, id).await, json!(1));
    }
}
