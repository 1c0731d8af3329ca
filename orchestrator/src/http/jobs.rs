//! Jobs: submit, list, show, cancel, pause, resume, retry, delete.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use drover_protocol::{JobId, JobType, Submission, decode, limits};
use serde_json::{Map, Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    body::{self, Kind},
    cursor::{self, Cursor as _},
    path::Id,
    query::Parameters,
};
use crate::{
    app::{ActionError, Idempotency, Submitted},
    gather::Offer,
    store::{JobFilter, SeenJob},
    why,
};

/// `POST /api/v1/jobs`
#[utoipa::path(
    post,
    path = "/api/v1/jobs",
    operation_id = "jobs_submit",
    tag = "jobs",
    summary = "Submit a workflow or a job",
    description = "",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A second submission with the same key makes no second job; the body may have it instead."),
        ("traceparent" = Option<String>, Header, description = "W3C trace context: the job and all below it become a part of that trace."),
    ),
    request_body(content = ref("#/components/schemas/Submission"), description = "What is to run."),
    responses((status = 201, description = "It was made.", body = ref("#/components/schemas/Submitted")), (status = 200, description = "An earlier submission with the same key had made it.", body = ref("#/components/schemas/Submitted")))
)]
pub(crate) async fn submit(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let app = &shared.app;
    let (head, body) = request.into_parts();
    let header = key(&head.headers)?;
    let body = body::read(&head.headers, body, Kind::Json, app.message_bytes).await?;
    let submission = decode::<Submission>(None, &body, app.message_bytes)?;
    let key = one_key(header, &submission)?;
    let job_type = submission.job_type.clone();
    // By W3C, whoever cannot read it goes on as if there were none.
    let caller = head.headers.get("traceparent").and_then(|value| value.to_str().ok()?.parse().ok());
    let submitted = app.submit(Offer { submission, key, caller }).await?;
    let answer = made(&shared, &submitted).await?;
    Ok(Told::of(submitted.id).with(json!({ "type": job_type })).to(answer))
}

/// What a submission is answered: where the job is, and whether an earlier one had made it.
pub(super) async fn made(shared: &Shared, submitted: &Submitted) -> Result<Response, Problem> {
    let (status, stands) = match submitted.made {
        Some(stands) => (StatusCode::CREATED, stands),
        None => (StatusCode::OK, find(shared, submitted.id, true).await?.status),
    };
    let location = format!("/api/v1/jobs/{}", submitted.id);
    let body = json!({ "id": submitted.id, "status": stands, "duplicate": submitted.made.is_none() });
    Ok((status, [(header::LOCATION, location)], Json(body)).into_response())
}

pub(super) fn key(headers: &HeaderMap) -> Result<Option<Idempotency>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= limits::KEY_BYTES);
    let Some(key) = key else {
        let detail =
            format!("the header Idempotency-Key must have 1 to {} visible ASCII characters", limits::KEY_BYTES);
        return Err(Problem::bad_request(detail).field("Idempotency-Key"));
    };
    Ok(Some(Idempotency { scope: "http".into(), key: key.into() }))
}

/// The key may stand in the header or in the body; two different ones cannot both be meant.
fn one_key(header: Option<Idempotency>, submission: &Submission) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = submission.idempotency_key.clone() else { return Ok(header) };
    if header.is_some_and(|header| header.key != key) {
        let detail = "the header Idempotency-Key and the body's idempotency_key differ; give one of them";
        return Err(Problem::bad_request(detail).field("/idempotency_key"));
    }
    Ok(Some(Idempotency { scope: "http".into(), key }))
}

/// `GET /api/v1/jobs`
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    operation_id = "jobs_list",
    tag = "jobs",
    summary = "List jobs, newest first",
    description = "",
    params(
        ("status" = Option<String>, Query, description = "Statuses, separated by commas."),
        ("type" = Option<String>, Query, description = "Only this workflow or job type."),
        ("parent" = Option<String>, Query, description = "`none` (unless it says otherwise): only jobs without a parent; `any`: all; an id: the sub-jobs of that one."),
        ("label" = Option<Vec<String>>, Query, description = "`KEY:VALUE`; may be repeated, then all must be there."),
        ("paused" = Option<bool>, Query, description = "Only those that are paused, or only those that are not."),
        ("created_after" = Option<String>, Query, description = "RFC 3339."),
        ("created_before" = Option<String>, Query, description = "RFC 3339."),
        ("text" = Option<String>, Query, description = "Only those with this text in their parameters, labels, names or messages, whatever its case. Parameters of more than 16,000 bytes, as they are stored, are not looked into. A page looks through 20,000 jobs at most, so that it may have fewer entries than `limit`, or none, and a `next_cursor`."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 50 unless it says otherwise, at most 500."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Jobs")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&[FILTER, &["text", "limit", "cursor"]].concat())?;
    let limit = parameters.limit(50, 500)?;
    let (jobs, next_cursor) = page(&shared, &filter(parameters)?, parameters, limit).await?;
    Ok(Json(json!({ "jobs": jobs, "next_cursor": next_cursor })))
}

/// A page of the jobs that match a filter and, if one is given, have a text; and the cursor of the next one.
pub(crate) async fn page(
    shared: &Shared,
    filter: &JobFilter,
    parameters: &Parameters,
    limit: i64,
) -> Result<(Vec<Value>, Option<String>), Problem> {
    let (store, before) = (&shared.app.store, parameters.cursor::<JobId>()?);
    let Some(text) = parameters.text("text") else {
        return Ok(cursor::page(store.view_jobs(filter, before, limit + 1).await?, limit));
    };
    let (rows, stopped_at) = store.search_jobs(filter, text, before, limit + 1).await?;
    let (jobs, next) = cursor::page(rows, limit);
    Ok((jobs, next.or_else(|| stopped_at.map(|place| place.encode()))))
}

/// What a filter knows.
pub(crate) const FILTER: &[&str] = &["status", "type", "parent", "label", "paused", "created_after", "created_before"];

/// Reads a filter: of a list, or of what is done to many.
pub(crate) fn filter(parameters: &Parameters) -> Result<JobFilter, Problem> {
    let (any_parent, parent) = match parameters.text("parent") {
        None | Some("none") => (false, None),
        Some("any") => (true, None),
        Some(_) => (false, parameters.read::<JobId>("parent", "none, any or a job's id")?),
    };
    Ok(JobFilter {
        statuses: parameters.statuses()?,
        job_type: parameters.read::<JobType>("type", &format!("a name like {}", JobType::PATTERN))?.map(String::from),
        any_parent,
        parent,
        labels: labels(parameters)?,
        paused: parameters.flag("paused")?,
        created_after: parameters.time("created_after")?,
        created_before: parameters.time("created_before")?,
    })
}

/// The labels that a job must have, as the object that its own must contain.
fn labels(parameters: &Parameters) -> Result<Option<Value>, Problem> {
    let mut labels = Map::new();
    for label in parameters.all("label") {
        let Some((key, value)) = label.split_once(':') else {
            return Err(parameters.unfit("label", label, "KEY:VALUE"));
        };
        if labels.insert(key.into(), value.into()).is_some() {
            let problem = format!("{key:?} is given twice; a job has one value of each label");
            return Err(parameters.refused("label", &problem));
        }
    }
    if labels.len() > limits::LABELS {
        let problem = format!("{} are given; no job has more than {}", labels.len(), limits::LABELS);
        return Err(parameters.refused("label", &problem));
    }
    Ok((!labels.is_empty()).then_some(Value::Object(labels)))
}

/// `GET /api/v1/jobs/{id}`
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}",
    operation_id = "jobs_show",
    tag = "jobs",
    summary = "A job, with its parameters and its result",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 200, description = "The job.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let mut view = find(&shared, id, false).await?.view;
    view["why"] = why::of(&shared.app, id).await?.into();
    Ok(Json(view))
}

/// `POST /api/v1/jobs/{id}/cancel`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/cancel",
    operation_id = "jobs_cancel",
    tag = "jobs",
    summary = "Ask for a job's end",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("now" = Option<bool>, Query, description = "Ends it without waiting; what still runs is named as abandoned."),
    ),
    responses((status = 202, description = "It is being cancelled.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let now = parameters.only(&["now"])?.flag("now")?.unwrap_or(false);
    shared.app.cancel(id, now).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// `POST /api/v1/jobs/{id}/pause`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/pause",
    operation_id = "jobs_pause",
    tag = "jobs",
    summary = "Begin nothing new of a job",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 202, description = "It is paused.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn pause(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    shared.app.pause(id).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// `POST /api/v1/jobs/{id}/resume`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/resume",
    operation_id = "jobs_resume",
    tag = "jobs",
    summary = "Let a paused job go on",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 202, description = "It goes on.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn resume(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    shared.app.resume(id).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// `POST /api/v1/jobs/{id}/retry`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/retry",
    operation_id = "jobs_retry",
    tag = "jobs",
    summary = "Try a job again that has ended",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("from" = Option<String>, Query, description = "`failed` (unless it says otherwise): what did not complete; `start`: everything."),
    ),
    responses((status = 202, description = "It is tried again.", body = ref("#/components/schemas/Job")))
)]
pub(crate) async fn retry(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let from_start = from_start(parameters.only(&["from"])?)?;
    shared.app.retry(id, from_start).await?;
    Ok((StatusCode::ACCEPTED, Json(find(&shared, id, true).await?.view)).into_response())
}

/// Whether a retry does everything again, rather than only what did not complete.
pub(crate) fn from_start(parameters: &Parameters) -> Result<bool, Problem> {
    match parameters.text("from") {
        None | Some("failed") => Ok(false),
        Some("start") => Ok(true),
        Some(other) => Err(parameters.unfit("from", other, "failed or start")),
    }
}

/// `DELETE /api/v1/jobs/{id}`
#[utoipa::path(
    delete,
    path = "/api/v1/jobs/{id}",
    operation_id = "jobs_delete",
    tag = "jobs",
    summary = "Delete a job that has ended, with all that belongs to it",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<StatusCode, Problem> {
    parameters.only(&[])?;
    shared.app.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The job, or that there is none.
pub(crate) async fn find(shared: &Shared, id: JobId, brief: bool) -> Result<SeenJob, Problem> {
    shared.app.store.view_job(id, brief).await?.ok_or_else(|| ActionError::UnknownJob(id).into())
}
