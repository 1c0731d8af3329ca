//! The HTTP API, version 1: one file per resource. Errors are `application/problem+json`.

mod definitions;
mod events;
mod fleet;
mod health;
mod jobs;
mod parts;
mod problem;
mod query;

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer, trace::TraceLayer};

use crate::app::App;

pub use problem::Problem;

/// Longest that a request may take; live streams have no limit.
const REQUEST: Duration = Duration::from_secs(30);
/// Most live streams at once: each holds a connection and reads the database on every change.
const STREAMS: usize = 1_000;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

/// The whole API.
pub fn router(app: Arc<App>, shutdown: CancellationToken) -> Router {
    let body_bytes = app.message_bytes;
    let shared = Shared { app, streams: Arc::new(Semaphore::new(STREAMS)), shutdown };
    let requests = Router::new()
        .route("/api/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/api/v1/jobs/{id}", get(jobs::show).delete(jobs::delete))
        .route("/api/v1/jobs/{id}/cancel", post(jobs::cancel))
        .route("/api/v1/jobs/{id}/retry", post(jobs::retry))
        .route("/api/v1/jobs/{id}/jobs", get(parts::sub_jobs))
        .route("/api/v1/jobs/{id}/items/{name}", get(parts::items))
        .route("/api/v1/jobs/{id}/logs", get(parts::logs))
        .route("/api/v1/jobs/{id}/history", get(parts::history))
        .route("/api/v1/definitions", get(definitions::list))
        .route("/api/v1/definitions/{name}", get(definitions::show).put(definitions::apply))
        .route("/api/v1/types", get(fleet::types))
        .route("/api/v1/workers", get(fleet::workers))
        .route("/api/v1/dead", get(fleet::dead))
        .route("/healthz/live", get(health::live))
        .route("/healthz/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::GATEWAY_TIMEOUT, REQUEST));
    requests
        .route("/api/v1/jobs/{id}/events", get(events::stream))
        .fallback(async || Problem::not_found("there is nothing at this address; the API is under /api/v1"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(CatchPanicLayer::custom(|_panic| {
            axum::response::IntoResponse::into_response(Problem::internal("a handler panicked"))
        }))
        .layer(TraceLayer::new_for_http())
        .with_state(shared)
}

/// Serves until `shutdown`; requests under way are finished.
pub fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> impl Future<Output = io::Result<()>> {
    let router = router(app, shutdown.clone());
    async move { axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await }
}
