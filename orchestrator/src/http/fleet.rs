//! The fleet: job types and workers.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{Problem, Shared, query::Parameters};

/// `GET /api/v1/types`
#[utoipa::path(
    get,
    path = "/api/v1/types",
    operation_id = "fleet_types",
    tag = "fleet",
    summary = "The job types that workers announced",
    description = "",
    responses((status = 200, description = "All of them.", body = ref("#/components/schemas/Types")))
)]
pub(crate) async fn types(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "types": shared.app.store.view_types().await? })))
}

/// `GET /api/v1/workers`
#[utoipa::path(
    get,
    path = "/api/v1/workers",
    operation_id = "fleet_workers",
    tag = "fleet",
    summary = "The workers, the live ones first",
    description = "",
    responses((status = 200, description = "Up to 1,000.", body = ref("#/components/schemas/Workers")))
)]
pub(crate) async fn workers(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "workers": shared.app.store.view_workers().await? })))
}
