//! What changes, as a stream: which trees, not how. Whoever shows one of them reads it anew. Nothing has to be resumed: a client
//! that was away reads what it shows, and goes on.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use drover_protocol::JobId;
use serde_json::json;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{Receiver, error::RecvError, error::TryRecvError},
        mpsc,
    },
    time::{Instant, sleep_until},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use super::{Problem, Shared, events::PAUSE, query::Parameters};
use crate::live::Changed;

/// Most trees that one event names; beyond it says that any may have changed.
const NAMED: usize = 200;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/v1/events`; with `root` only of this tree.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "changes_stream",
    tag = "live",
    summary = "Which trees change: `changed` with the ids of their roots, or null for any",
    description = "",
    params(
        ("root" = Option<uuid::Uuid>, Query, description = "Only this tree."),
    ),
    responses((status = 200, description = "Server-sent events.", body = ref("#/components/schemas/Stream"), content_type = "text/event-stream"))
)]
pub(crate) async fn stream(
    State(shared): State<Shared>,
    parameters: Parameters,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let root = parameters.only(&["root"])?.read::<JobId>("root", "a job's id")?;
    let permit = Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("too many live streams are open; ask for what you show now and then"))?;
    let changes = shared.app.live.watch();
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(shared, root, changes, sender, permit));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Says what changed, gathered over a moment, until the client is gone or this replica ends.
async fn tell(
    shared: Shared,
    root: Option<JobId>,
    mut changes: Receiver<Changed>,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    _permit: OwnedSemaphorePermit,
) {
    loop {
        let mut gathered = Gathered::default();
        let first = tokio::select! {
            first = changes.recv() => first,
            () = sender.closed() => return,
            () = shared.shutdown.cancelled() => return,
        };
        match first {
            Ok(roots) => gathered.add(&roots, root),
            Err(RecvError::Lagged(_)) => gathered.any = true,
            Err(RecvError::Closed) => return,
        }
        let told = Instant::now();
        loop {
            match changes.try_recv() {
                Ok(roots) => gathered.add(&roots, root),
                Err(TryRecvError::Lagged(_)) => gathered.any = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if let Some(event) = gathered.event() {
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
            // People do not read faster.
            sleep_until(told + PAUSE).await;
        }
    }
}

/// Trees that changed since the last event.
#[derive(Debug, Default)]
struct Gathered {
    roots: BTreeSet<JobId>,
    /// Any may have changed.
    any: bool,
}

impl Gathered {
    fn add(&mut self, roots: &[JobId], wanted: Option<JobId>) {
        self.roots.extend(roots.iter().filter(|root| wanted.is_none_or(|wanted| wanted == **root)));
        if self.roots.len() > NAMED {
            self.any = true;
            self.roots.clear();
        }
    }

    fn event(&self) -> Option<Event> {
        let roots = (!self.any).then_some(&self.roots);
        (self.any || !self.roots.is_empty())
            .then(|| Event::default().event("changed").data(json!({ "roots": roots }).to_string()))
    }
}
