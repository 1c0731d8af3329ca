//! Whether this replica lives and can serve, and what it counted.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Shared;

/// A probe must not wait for the pool.
const PROBE: Duration = Duration::from_secs(2);

/// `GET /healthz/live`: the process answers. Whatever it depends on may be away.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /healthz/ready`: it can take and dispatch jobs now. Says which part is away.
pub(crate) async fn ready(State(shared): State<Shared>) -> Response {
    let app = &shared.app;
    let migrated = tokio::time::timeout(PROBE, app.store.is_migrated()).await;
    let (database, migrated) = match migrated {
        Ok(Ok(migrated)) => (true, migrated),
        Ok(Err(_)) | Err(_) => (false, false),
    };
    let broker = app.broker.is_ready();
    let draining = shared.shutdown.is_cancelled();
    let status =
        if database && migrated && broker && !draining { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "database": database, "migrated": migrated, "broker": broker, "draining": draining });
    (status, Json(body)).into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.app.metrics.text()).into_response()
}
