//! The fleet: job types and workers.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{Problem, Shared, query::Parameters};

/// `GET /api/v1/types`
pub(crate) async fn types(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "types": shared.app.store.view_types().await? })))
}

/// `GET /api/v1/workers`
pub(crate) async fn workers(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "workers": shared.app.store.view_workers().await? })))
}
