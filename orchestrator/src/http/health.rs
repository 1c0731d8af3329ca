//! Whether this replica lives and can serve, and what it counted.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::Shared;

/// A probe must not wait for the pool.
const PROBE: Duration = Duration::from_secs(2);

/// `GET /healthz/live`
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// `GET /healthz/ready`
pub(crate) async fn ready(State(shared): State<Shared>) -> Response {
    let app = &shared.app;
    let database = matches!(tokio::time::timeout(PROBE, app.store.ping()).await, Ok(Ok(())));
    let broker = app.broker.is_ready();
    let draining = shared.shutdown.is_cancelled();
    let status = if database && broker && !draining { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "database": database, "broker": broker, "draining": draining }))).into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.app.metrics.text()).into_response()
}
