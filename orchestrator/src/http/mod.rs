//! The HTTP API, version 1, and the server of the web pages. Errors of the API are `application/problem+json`.

pub(crate) mod answer;
mod asked;
pub(crate) mod audit;
pub(crate) mod audited;
pub(crate) mod body;
mod bulk;
mod changes;
pub(crate) mod cookie;
pub(crate) mod cursor;
pub(crate) mod dead;
pub(crate) mod definitions;
mod etag;
mod events;
mod files;
mod fleet;
mod forwarded;
mod gate;
mod health;
mod host;
pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod parts;
pub(crate) mod path;
mod pauses;
mod problem;
mod prune;
pub(crate) mod query;
mod recover;
mod replay;
pub(crate) mod routes;
pub(crate) mod schedules;
mod serve;
mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Response,
    middleware::{self, Next},
    response::IntoResponse,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use self::{gate::Gate, routes::Routes};
use crate::{access::Action, app::App, ui};

pub(crate) use asked::Peer;
pub use problem::Problem;

/// Longest that a request may take until its answer begins. Shorter than the command line's own patience, so that people
/// read why.
const REQUEST: Duration = Duration::from_secs(25);
/// Most live streams at once: each holds a connection and reads the database on every change.
const STREAMS: usize = 1_000;

/// Most replays at once: each keeps a tree in memory and one core busy.
const REPLAYS: usize = 1;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) replays: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

/// The whole API. Live streams end at `shutdown`.
pub fn router(app: Arc<App>, shutdown: CancellationToken) -> Router {
    let (streams, replays) = (Arc::new(Semaphore::new(STREAMS)), Arc::new(Semaphore::new(REPLAYS)));
    routes(Shared { app, streams, replays, shutdown })
}

fn routes(shared: Shared) -> Router {
    let (routes, _, rights) = all().finish();
    let gate = Gate { app: Arc::clone(&shared.app), rights: Arc::new(rights) };
    routes
        .fallback(nowhere)
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(shared)
        .layer(middleware::from_fn(in_time))
        // Handlers read bodies themselves, each with the limit of what it takes.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(|_panic| -> Response<axum::body::Body> {
            Problem::internal("a handler panicked").into_response()
        }))
        .layer(middleware::from_fn(etag::conditional))
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        .layer(middleware::from_fn(ui::guard::guard))
        .layer(
            // What goes wrong is logged where it is known why; bodies and headers are never logged.
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request| {
                    tracing::debug_span!("http", method = %request.method(), path = request.uri().path())
                })
                .on_request(())
                .on_response(DefaultOnResponse::new().level(Level::DEBUG))
                .on_failure(()),
        )
}

/// Every route of the API and of the pages, with what it is.
fn all() -> Routes {
    let routes = openapi::described()
        .get("/api/v1/openapi.json", Action::Read, openapi::serve)
        .get("/healthz/live", Action::Open, health::live)
        .get("/healthz/ready", Action::Open, health::ready)
        .get("/metrics", Action::Read, health::metrics)
        .get("/files/{name}/{*path}", Action::Read, files::serve);
    ui::routes(routes)
}

/// A person who follows a broken link gets a page, a program a problem.
async fn nowhere(request: Request) -> axum::response::Response {
    let problem =
        Problem::not_found("there is nothing at this address; the API is under /api/v1, the pages begin at /");
    if asked::takes_pages(&request) {
        return ui::Failure::from(problem).into_response();
    }
    problem.into_response()
}

/// A live stream's answer begins at once; what follows has no limit.
async fn in_time(request: Request, next: Next) -> axum::response::Response {
    match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(limit_seconds = REQUEST.as_secs(), "a request took too long");
            let detail = format!("there was no answer within {} seconds; it may have been done", REQUEST.as_secs());
            Problem::timed_out(detail).into_response()
        }
    }
}

/// Serves until `shutdown`; requests under way are finished.
///
/// # Errors
/// None so far: what goes wrong at one connection is that connection's end.
pub async fn serve(app: Arc<App>, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    serve::run(router(app, shutdown.clone()), listener, shutdown).await;
    Ok(())
}
