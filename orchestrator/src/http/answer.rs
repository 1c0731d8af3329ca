//! Answers to jobs that wait for a signal.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use drover_engine::Answer;
use drover_protocol::message::find_nul;
use serde_json::{Map, Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    body::{self, Kind},
    jobs,
    path::Id,
    query::Parameters,
};
use crate::access::caller;

/// Longest reason, in bytes.
const REASON_BYTES: usize = 2_000;

/// `POST /api/v1/jobs/{id}/answer`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/answer",
    operation_id = "jobs_answer",
    tag = "jobs",
    summary = "Approve or refuse what waits for an answer",
    description = "The job itself, or the one sub-job below it that waits; where several do, `step` says which.",
    params(
        ("id" = uuid::Uuid, Path, description = "The job, or a workflow above it."),
    ),
    request_body(content = ref("#/components/schemas/Answer"), description = "The answer."),
    responses((status = 200, description = "The job that was answered.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn answer(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body, Kind::Json, shared.app.message_bytes).await?;
    let mut fields: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))?;
    let data = fields.remove("data").filter(|data| !data.is_null());
    if let Some(field) = data.as_ref().and_then(|data| find_nul(data, "/data")) {
        let detail = format!("{field} holds a NUL character (U+0000), which cannot be stored; remove it");
        return Err(Problem::bad_request(detail).field(field));
    }
    let fields = Parameters::of_object("", fields)?;
    fields.only(&["approved", "step", "dispatch", "reason", "data"])?;
    let approved = fields.flag("approved")?;
    let approved = approved.ok_or_else(|| fields.refused("approved", "it is missing; it must be true or false"))?;
    let reason = reason(fields.text("reason"))?;
    let (step, seen) = (fields.text("step"), fields.number("dispatch", 1, u32::MAX.into())?);
    let seen = seen.and_then(|seen| u32::try_from(seen).ok());
    let answered = shared.app.answer(id, step, seen, of_caller(approved, reason.clone(), data)).await?;
    let told = Told::of(id).with(told(approved, step, reason.as_deref()));
    Ok(told.to(Json(jobs::find(&shared, answered, false).await?.view).into_response()))
}

/// The answer of whoever asks.
pub(crate) fn of_caller(approved: bool, reason: Option<String>, data: Option<Value>) -> Answer {
    Answer { approved, by: caller().name().map(str::to_owned), reason, data }
}

/// Why, if it says anything.
pub(crate) fn reason(reason: Option<&str>) -> Result<Option<String>, Problem> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES) {
        let detail = format!("/reason has more than {REASON_BYTES} bytes, which is the limit; put more into data");
        return Err(Problem::bad_request(detail).field("/reason"));
    }
    Ok(reason.map(str::to_owned))
}

/// What the audit keeps of it.
pub(crate) fn told(approved: bool, step: Option<&str>, reason: Option<&str>) -> Value {
    let mut told = json!({ "approved": approved });
    for (name, value) in [("step", step), ("reason", reason)] {
        if let Some(value) = value {
            told[name] = value.into();
        }
    }
    told
}
