//! Paused job types.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use drover_protocol::{JobType, limits};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    query::{Name, Parameters},
};
use crate::store::Types;

/// `GET /api/v1/pauses`
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "paused": shared.app.store.view_pauses(None).await? })))
}

/// `POST /api/v1/types/{name}/pause`
pub(crate) async fn pause_one(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Response, Problem> {
    pause(&shared, Types::One(job_type(name)?), &parameters).await
}

/// `POST /api/v1/types/pause`
pub(crate) async fn pause_all(State(shared): State<Shared>, parameters: Parameters) -> Result<Response, Problem> {
    pause(&shared, Types::All, &parameters).await
}

/// `POST /api/v1/types/{name}/resume`
pub(crate) async fn resume_one(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Response, Problem> {
    resume(&shared, Types::One(job_type(name)?), &parameters).await
}

/// `POST /api/v1/types/resume`
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
    JobType::new(name).map_err(|error| Problem::bad_request(error.to_string()).field("name"))
}
