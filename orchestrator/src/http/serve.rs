//! Accepts connections: a bounded number, none that dawdles over its headers, and an end that comes.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::asked::Peer;

/// Most connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 4_096;
/// How long a client may take over the headers of a request, and how long a connection may be idle between two.
const HEADERS: Duration = Duration::from_secs(30);
/// How long requests under way may take after the shutdown began.
const DRAIN: Duration = Duration::from_secs(10);
/// After the kernel had no file or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves until `shutdown`, then finishes the requests under way, or gives them up after ten seconds.
pub(super) async fn run(router: Router, listener: TcpListener, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (connections, abandon) = (TaskTracker::new(), CancellationToken::new());
    while let Some((stream, peer, slot)) = shutdown.run_until_cancelled(accept(&listener, &slots)).await {
        let serving = serve(stream, peer, router.clone(), shutdown.clone());
        connections.spawn({
            let abandon = abandon.clone();
            async move {
                abandon.run_until_cancelled(serving).await;
                drop(slot);
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(count = connections.len(), "requests were given up that did not end in time");
        abandon.cancel();
        connections.wait().await;
    }
}

/// Waits for room, then for a connection.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, Peer, OwnedSemaphorePermit) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                // Events of a live stream are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                return (stream, Peer(address.ip()), slot);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client was gone before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, shutdown: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
