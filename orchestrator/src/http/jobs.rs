//! Jobs: submit, list, show, cancel, retry, delete.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use drover_protocol::{DecodeError, JobId, JobStatus, JobType, Submission, decode, limits};
use serde_json::{Map, Value, json};

use super::{
    Problem, Shared,
    query::{Id, Parameters, next},
};
use crate::{
    app::{ActionError, Idempotency},
    store::{JobFilter, SeenJob},
};

/// `POST /api/v1/jobs`
pub(crate) async fn submit(
    State(shared): State<Shared>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let app = &shared.app;
    let submission = decode::<Submission>(None, &body?, app.message_bytes).map_err(|error| match error {
        DecodeError::TooLarge { .. } => Problem::too_large(error.to_string()),
        _ => Problem::bad_request(error.to_string()),
    })?;
    let submitted = app.submit(submission, key(&headers)?).await?;
    let status = if submitted.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let stands = match submitted.duplicate {
        true => app.store.view_job(submitted.id, true).await?.map_or(JobStatus::Pending, |job| job.status),
        false => JobStatus::Pending,
    };
    if !submitted.duplicate {
        app.metrics.submitted.inc();
    }
    let location = format!("/api/v1/jobs/{}", submitted.id);
    let body = json!({ "id": submitted.id, "status": stands, "duplicate": submitted.duplicate });
    Ok((status, [(header::LOCATION, location)], Json(body)).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<Idempotency>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= limits::KEY_BYTES);
    let Some(key) = key else {
        let detail = format!("the header Idempotency-Key must have 1 to {} visible ASCII characters", limits::KEY_BYTES);
        return Err(Problem::bad_request(detail).field("Idempotency-Key"));
    };
    Ok(Some(Idempotency { scope: "http".into(), key: key.into() }))
}

/// `GET /api/v1/jobs`
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let known = ["status", "type", "parent", "label", "created_after", "created_before", "limit", "cursor"];
    let parameters = parameters.only(&known)?;
    let limit = parameters.limit(50, 500)?;
    let before = parameters.cursor(|text| text.parse::<JobId>().ok())?;
    let page = shared.app.store.view_jobs(&filter(parameters)?, before, limit).await?;
    let next_cursor = next(&page, limit, JobId::to_string);
    let jobs: Vec<Value> = page.into_iter().map(|(_, view)| view).collect();
    Ok(Json(json!({ "jobs": jobs, "next_cursor": next_cursor })))
}

fn filter(parameters: &Parameters) -> Result<JobFilter, Problem> {
    let statuses = parameters.list::<JobStatus>("status")?;
    let (any_parent, parent) = match parameters.text("parent") {
        None | Some("none") => (false, None),
        Some("any") => (true, None),
        Some(_) => (false, parameters.read::<JobId>("parent")?),
    };
    let mut labels = Map::new();
    for label in parameters.all("label") {
        let Some((key, value)) = label.split_once(':') else {
            return Err(Problem::bad_request(format!("query parameter label: {label:?} is not KEY:VALUE")).field("label"));
        };
        labels.insert(key.into(), value.into());
    }
    Ok(JobFilter {
        statuses: statuses.map(|statuses| statuses.iter().map(ToString::to_string).collect()),
        job_type: parameters.read::<JobType>("type")?.map(String::from),
        any_parent,
        parent,
        labels: (!labels.is_empty()).then_some(Value::Object(labels)),
        created_after: parameters.read::<DateTime<Utc>>("created_after")?,
        created_before: parameters.read::<DateTime<Utc>>("created_before")?,
    })
}

/// `GET /api/v1/jobs/{id}`
pub(crate) async fn show(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(find(&shared, id, false).await?.view))
}

/// `POST /api/v1/jobs/{id}/cancel`
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let now = parameters.only(&["now"])?.read::<bool>("now")?.unwrap_or(false);
    shared.app.cancel(id, now).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// `POST /api/v1/jobs/{id}/retry`
pub(crate) async fn retry(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let from_start = match parameters.only(&["from"])?.text("from") {
        None | Some("failed") => false,
        Some("start") => true,
        Some(other) => {
            let detail = format!("query parameter from: {other:?} is neither \"failed\" nor \"start\"");
            return Err(Problem::bad_request(detail).field("from"));
        }
    };
    shared.app.retry(id, from_start).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// `DELETE /api/v1/jobs/{id}`
pub(crate) async fn delete(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<StatusCode, Problem> {
    parameters.only(&[])?;
    if shared.app.store.delete(id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let job = find(&shared, id, true).await?;
    let why = if job.root_id == id { "it has not ended; cancel it first" } else { "it is a sub-job; delete its root" };
    Err(ActionError::NotDeletable(id, why).into())
}

pub(crate) async fn find(shared: &Shared, id: JobId, brief: bool) -> Result<SeenJob, Problem> {
    shared.app.store.view_job(id, brief).await?.ok_or_else(|| ActionError::UnknownJob(id).into())
}
