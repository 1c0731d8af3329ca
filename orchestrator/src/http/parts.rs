//! What belongs to a job: sub-jobs, items lists, log lines, history.

use axum::{Json, extract::State};
use drover_protocol::LogLevel;
use serde_json::{Value, json};

use super::{
    Problem, Shared, cursor, jobs,
    path::{Id, Name},
    query::Parameters,
};
use crate::store::{SeenJob, Trail};

/// `GET /api/v1/jobs/{id}/jobs`
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/jobs",
    operation_id = "parts_sub_jobs",
    tag = "jobs",
    summary = "The sub-jobs of a workflow, in the order of its steps",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("step" = Option<String>, Query, description = "Only this step."),
        ("status" = Option<String>, Query, description = "Statuses, separated by commas."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 50 unless it says otherwise, at most 500."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Jobs")))
)]
pub(crate) async fn sub_jobs(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["step", "status", "limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let after = parameters.cursor::<(i32, i32)>()?.unwrap_or((-1, -1));
    let statuses = parameters.statuses()?;
    jobs::find(&shared, id, true).await?;
    let store = &shared.app.store;
    let rows = store.view_sub_jobs(id, after, parameters.text("step"), statuses.as_deref(), limit + 1).await?;
    let (jobs, next_cursor) = cursor::page(rows, limit);
    Ok(Json(json!({ "jobs": jobs, "next_cursor": next_cursor })))
}

/// `GET /api/v1/jobs/{id}/items/{name}`: the values of a list of the current dispatch. A page ends early where its values
/// are large.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/items/{name}",
    operation_id = "parts_items",
    tag = "jobs",
    summary = "The values of a long list that a job sent",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("name" = String, Path, description = "The list."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 1,000 unless it says otherwise, at most 10,000."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Items")))
)]
pub(crate) async fn items(
    State(shared): State<Shared>,
    Id(id): Id,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["limit", "cursor"])?;
    let limit = parameters.limit(1_000, 10_000)?;
    let after = parameters.cursor::<(i64, i64)>()?.unwrap_or((-1, -1));
    jobs::find(&shared, id, true).await?;
    let (rows, more) = shared.app.store.view_items(id, &name, after, limit).await?;
    let next_cursor = rows.last().filter(|_| more).map(|(place, _)| cursor::Cursor::encode(place));
    let values: Vec<Value> = rows.into_iter().map(|(_, value)| value).collect();
    Ok(Json(json!({ "values": values, "next_cursor": next_cursor })))
}

/// `GET /api/v1/jobs/{id}/logs`
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/logs",
    operation_id = "parts_logs",
    tag = "jobs",
    summary = "Log lines, oldest first",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("tree" = Option<bool>, Query, description = "With those of the jobs below; so unless it says otherwise."),
        ("level" = Option<String>, Query, description = "Only this level and those above it: trace, debug, info, warn or error."),
        ("after" = Option<i64>, Query, description = "The number after which the page begins: `next_after` of the page before."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 1,000 unless it says otherwise, at most 5,000."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Logs")))
)]
pub(crate) async fn logs(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["tree", "level", "after", "limit"])?;
    let limit = parameters.limit(1_000, 5_000)?;
    let whole = parameters.flag("tree")?.unwrap_or(true);
    let after = parameters.after()?;
    let levels = levels(parameters)?;
    let trail = trail(&jobs::find(&shared, id, true).await?, id, whole);
    let store = &shared.app.store;
    let (page, more) = store.view_logs(trail, after, levels.as_deref(), limit).await?;
    let mut answer = numbered("logs", page, more, after);
    // Whoever reads on has heard of it.
    if after == 0 {
        answer["expired"] = store.expired_logs(trail).await?.into();
    }
    Ok(Json(answer))
}

/// The level asked for and all above it.
pub(crate) fn levels(parameters: &Parameters) -> Result<Option<Vec<LogLevel>>, Problem> {
    let all = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    let Some(text) = parameters.text("level") else { return Ok(None) };
    let Some(least) = all.iter().find(|level| level.as_str() == text) else {
        return Err(parameters.unfit("level", text, "trace, debug, info, warn or error"));
    };
    Ok(Some(all.into_iter().filter(|level| level >= least).collect()))
}

/// `GET /api/v1/jobs/{id}/history`: what happened to the job and to all jobs below it.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/history",
    operation_id = "parts_history",
    tag = "jobs",
    summary = "What happened to a job and to all below it",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
        ("after" = Option<i64>, Query, description = "The number after which the page begins: `next_after` of the page before."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 1,000 unless it says otherwise, at most 5,000."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/History")))
)]
pub(crate) async fn history(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["after", "limit"])?;
    let limit = parameters.limit(1_000, 5_000)?;
    let after = parameters.after()?;
    let trail = trail(&jobs::find(&shared, id, true).await?, id, true);
    let (page, more) = shared.app.store.view_history(trail, after, limit).await?;
    Ok(Json(numbered("events", page, more, after)))
}

/// Whose lines are meant: a job's own, or with those of the jobs below it.
pub(crate) fn trail(job: &SeenJob, id: drover_protocol::JobId, whole: bool) -> Trail {
    let root = job.root_id;
    match (whole && job.is_workflow, root == id) {
        (false, _) => Trail::Job { id, root },
        (true, true) => Trail::Tree { root },
        (true, false) => Trail::Below { id, root },
    }
}

/// A page of numbered lines. `next_after` is where to go on, also when there is nothing yet; `more` says that there is.
/// A page ends early where its lines are large.
fn numbered(name: &str, page: Vec<(i64, Value)>, more: bool, after: i64) -> Value {
    let next_after = page.last().map_or(after, |(id, _)| *id);
    let lines: Vec<Value> = page.into_iter().map(|(_, line)| line).collect();
    json!({ name: lines, "next_after": next_after, "more": more })
}
