//! Paused job types.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drover_protocol::{JobType, limits};
use serde_json::{Value, json};

use super::{Problem, Shared, path::Name, query::Parameters};
use crate::store::Types;

/// `GET /api/v1/pauses`
#[utoipa::path(
    get,
    path = "/api/v1/pauses",
    operation_id = "pauses_list",
    tag = "fleet",
    summary = "The paused job types",
    description = "",
    responses((status = 200, description = "All of them.", body = ref("#/components/schemas/Pauses")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "paused": shared.app.store.view_pauses(None).await? })))
}

/// `POST /api/v1/types/{name}/pause`
#[utoipa::path(
    post,
    path = "/api/v1/types/{name}/pause",
    operation_id = "pauses_pause_one",
    tag = "fleet",
    summary = "Keep workers from taking jobs of a type",
    description = "",
    params(
        ("name" = String, Path, description = "The job type."),
        ("reason" = Option<String>, Query, description = "Why, for others."),
    ),
    responses((status = 202, description = "How it stands.", body = ref("#/components/schemas/Pause")))
)]
pub(crate) async fn pause_one(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Response, Problem> {
    pause(&shared, Types::One(job_type(name)?), &parameters).await
}

/// `POST /api/v1/types/pause`
#[utoipa::path(
    post,
    path = "/api/v1/types/pause",
    operation_id = "pauses_pause_all",
    tag = "fleet",
    summary = "Keep workers from taking any job",
    description = "",
    params(
        ("reason" = Option<String>, Query, description = "Why, for others."),
    ),
    responses((status = 202, description = "How it stands.", body = ref("#/components/schemas/Pause")))
)]
pub(crate) async fn pause_all(State(shared): State<Shared>, parameters: Parameters) -> Result<Response, Problem> {
    pause(&shared, Types::All, &parameters).await
}

/// `POST /api/v1/types/{name}/resume`
#[utoipa::path(
    post,
    path = "/api/v1/types/{name}/resume",
    operation_id = "pauses_resume_one",
    tag = "fleet",
    summary = "Let workers take jobs of a type again",
    description = "",
    params(
        ("name" = String, Path, description = "The job type."),
    ),
    responses((status = 202, description = "How it stands.", body = ref("#/components/schemas/Pause")))
)]
pub(crate) async fn resume_one(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Response, Problem> {
    resume(&shared, Types::One(job_type(name)?), &parameters).await
}

/// `POST /api/v1/types/resume`
#[utoipa::path(
    post,
    path = "/api/v1/types/resume",
    operation_id = "pauses_resume_all",
    tag = "fleet",
    summary = "Let workers take jobs again, but of types that are paused by themselves",
    description = "",
    responses((status = 202, description = "How it stands.", body = ref("#/components/schemas/Pause")))
)]
pub(crate) async fn resume_all(State(shared): State<Shared>, parameters: Parameters) -> Result<Response, Problem> {
    resume(&shared, Types::All, &parameters).await
}

async fn pause(shared: &Shared, types: Types, parameters: &Parameters) -> Result<Response, Problem> {
    let reason = parameters.only(&["reason"])?.text("reason");
    if let Some(reason) = reason.filter(|reason| reason.len() > limits::KEY_BYTES) {
        return Err(parameters.unfit("reason", reason, &format!("a text of at most {} bytes", limits::KEY_BYTES)));
    }
    shared.app.pause_types(&types, reason).await?;
    standing(shared, &types).await
}

async fn resume(shared: &Shared, types: Types, parameters: &Parameters) -> Result<Response, Problem> {
    parameters.only(&[])?;
    shared.app.resume_types(&types).await?;
    standing(shared, &types).await
}

/// How it stands now.
async fn standing(shared: &Shared, types: &Types) -> Result<Response, Problem> {
    let paused = shared.app.store.view_pauses(Some(types)).await?.pop();
    let body = paused.unwrap_or_else(|| json!({ "type": types.name(), "paused": false }));
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

fn job_type(name: String) -> Result<JobType, Problem> {
    JobType::new(name).map_err(|error| Problem::bad_request(error.to_string()).field("type"))
}
