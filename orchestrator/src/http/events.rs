//! A job, live: server-sent events. Subscribed before the first look, so that no change falls in between.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use drover_protocol::JobId;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
        mpsc,
    },
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use super::{Problem, Shared, jobs, path::Id, query::Parameters};
use crate::{live::Changed, store::SeenJob};

/// Looks come no closer together than this: people do not read faster.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// Word of a change in another replica may be lost: the job is looked at this often in any case.
const LOOK: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/v1/jobs/{id}/events`
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/events",
    operation_id = "events_stream",
    tag = "live",
    summary = "A job, live: `job` with every change, `end` with the last",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 200, description = "Server-sent events; the data are the job.", body = ref("#/components/schemas/Stream"), content_type = "text/event-stream"))
)]
pub(crate) async fn stream(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    parameters.only(&[])?;
    let permit = Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("too many live streams are open; ask for the job itself now and then"))?;
    let changes = shared.app.live.watch();
    let first = jobs::find(&shared, id, true).await?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(follow(shared, id, first, changes, sender, permit));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(keep_alive))
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// Sends the job whenever it has changed, until it has ended, the client is gone, or this replica ends.
async fn follow(
    shared: Shared,
    id: JobId,
    first: SeenJob,
    mut changes: Receiver<Changed>,
    sender: Sender,
    _permit: OwnedSemaphorePermit,
) {
    let mut seen = first;
    let mut sent = None;
    loop {
        let looked = Instant::now();
        let ended = seen.status.is_terminal();
        if sent != Some(seen.version) || ended {
            sent = Some(seen.version);
            let event = Event::default()
                .event(if ended { "end" } else { "job" })
                .id(seen.version.to_string())
                .data(seen.view.to_string());
            if sender.send(Ok(event)).await.is_err() || ended {
                return;
            }
        }
        tokio::select! {
            () = changed(&mut changes, seen.root_id) => {}
            () = sleep(LOOK) => {}
            () = sender.closed() => return,
            () = shared.shutdown.cancelled() => return,
        }
        // What else changes until then is shown by the same look; what changes after it is heard of by the next wait.
        sleep_until(looked + PAUSE).await;
        while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        match shared.app.store.view_job(id, true).await {
            Ok(Some(job)) => seen = job,
            // Deleted: the stream ends, and the client finds out by asking.
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "a live stream looks again later"),
        }
    }
}

/// Waits for a change of the tree. Word that was missed counts as one.
async fn changed(changes: &mut Receiver<Changed>, root: JobId) {
    loop {
        match changes.recv().await {
            Ok(roots) if !roots.contains(&root) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            // Nobody tells any more: the looks in between have to do.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
