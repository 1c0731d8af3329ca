//! The fleet: job types and workers.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Problem, Shared, audited::Told, path::Session, query::Parameters};

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

/// `POST /api/v1/workers/{session}/drain`
#[utoipa::path(
    post,
    path = "/api/v1/workers/{session}/drain",
    operation_id = "fleet_drain",
    tag = "fleet",
    summary = "Tell a worker to take no new jobs, to finish what it runs and to end",
    description = "Jobs that it does not finish within its drain time are given back and begin elsewhere as the same attempt.",
    params(
        ("session" = String, Path, description = "The worker's session, as the list of workers has it."),
    ),
    responses((status = 202, description = "It is told.", body = ref("#/components/schemas/Draining")))
)]
pub(crate) async fn drain(
    State(shared): State<Shared>,
    Session(session): Session,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    shared.app.drain(session).await?;
    let answer = (StatusCode::ACCEPTED, Json(json!({ "session": session, "draining": true })));
    Ok(Told::of(session).to(answer.into_response()))
}
