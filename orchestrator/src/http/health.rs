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
    let (migrated, pauses) = tokio::join!(
        tokio::time::timeout(PROBE, app.store.is_migrated()),
        tokio::time::timeout(PROBE, app.store.view_pauses(None)),
    );
    let (database, migrated) = match migrated {
        Ok(Ok(migrated)) => (true, migrated),
        Ok(Err(_)) | Err(_) => (false, false),
    };
    let broker = app.broker.is_ready();
    let draining = shared.shutdown.is_cancelled();
    let status =
        if database && migrated && broker && !draining { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Not what makes it unready, but what a person wonders about who sees nothing run.
    let pauses = pauses.ok().and_then(Result::ok).unwrap_or_default();
    let paused: Vec<&Value> = pauses.iter().map(|pause| &pause["type"]).collect();
    let body = json!({
        "database": database, "migrated": migrated, "broker": broker, "draining": draining, "paused": paused,
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.app.metrics.text(&shared.app).await).into_response()
}
