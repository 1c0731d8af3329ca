//! What belongs to a job: sub-jobs, items lists, log lines, history.

use axum::{
    Json,
    extract::{Path, State},
};
use drover_protocol::{JobStatus, LogLevel};
use serde_json::{Value, json};

use super::{
    Problem, Shared, jobs,
    query::{Id, Parameters, next},
};

/// `GET /api/v1/jobs/{id}/jobs`
pub(crate) async fn sub_jobs(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["step", "status", "limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let after = parameters.cursor(place)?.unwrap_or((-1, -1));
    let statuses = parameters.list::<JobStatus>("status")?;
    let statuses: Option<Vec<String>> = statuses.map(|statuses| statuses.iter().map(ToString::to_string).collect());
    jobs::find(&shared, id, true).await?;
    let store = &shared.app.store;
    let page = store.view_sub_jobs(id, after, parameters.text("step"), statuses.as_deref(), limit).await?;
    let next_cursor = next(&page, limit, |(step, batch)| format!("{step}.{batch}"));
    let jobs: Vec<Value> = page.into_iter().map(|(_, view)| view).collect();
    Ok(Json(json!({ "jobs": jobs, "next_cursor": next_cursor })))
}

/// A cursor among sub-jobs: step and batch.
fn place(text: &str) -> Option<(i32, i32)> {
    let (step, batch) = text.split_once('.')?;
    Some((step.parse().ok()?, batch.parse().ok()?))
}

/// `GET /api/v1/jobs/{id}/items/{name}`: `limit` counts chunks, as the worker sent them.
pub(crate) async fn items(
    State(shared): State<Shared>,
    Id(id): Id,
    Path((_, name)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["limit", "cursor"])?;
    let limit = parameters.limit(10, 100)?;
    let after = parameters.cursor(|text| text.parse::<i64>().ok())?.unwrap_or(-1);
    jobs::find(&shared, id, true).await?;
    let page = shared.app.store.view_items(id, &name, after, limit).await?;
    let next_cursor = next(&page, limit, i64::to_string);
    let values: Vec<Value> = page
        .into_iter()
        .flat_map(|(_, chunk)| match chunk {
            Value::Array(values) => values,
            other => vec![other],
        })
        .collect();
    Ok(Json(json!({ "values": values, "next_cursor": next_cursor })))
}

/// `GET /api/v1/jobs/{id}/logs`
pub(crate) async fn logs(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["tree", "level", "after", "limit"])?;
    let limit = parameters.limit(1_000, 5_000)?;
    let tree = parameters.read::<bool>("tree")?.unwrap_or(true);
    let after = parameters.read::<i64>("after")?.unwrap_or(0);
    let levels = levels(parameters)?;
    jobs::find(&shared, id, true).await?;
    let page = shared.app.store.view_logs(id, tree, after, &levels, limit).await?;
    let next_after = page.last().map_or(after, |(id, _)| *id);
    let logs: Vec<Value> = page.into_iter().map(|(_, line)| line).collect();
    Ok(Json(json!({ "logs": logs, "next_after": next_after })))
}

/// The level asked for and all above it.
fn levels(parameters: &Parameters) -> Result<Vec<LogLevel>, Problem> {
    let all = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    let Some(text) = parameters.text("level") else { return Ok(all.to_vec()) };
    let Some(least) = all.iter().find(|level| level.as_str() == text) else {
        let detail = format!("query parameter level: {text:?} is none of trace, debug, info, warn, error");
        return Err(Problem::bad_request(detail).field("level"));
    };
    Ok(all.into_iter().filter(|level| level >= least).collect())
}

/// `GET /api/v1/jobs/{id}/history`
pub(crate) async fn history(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["after", "limit"])?;
    let limit = parameters.limit(1_000, 5_000)?;
    let after = parameters.read::<i64>("after")?.unwrap_or(0);
    jobs::find(&shared, id, true).await?;
    let page = shared.app.store.view_history(id, after, limit).await?;
    let next_after = page.last().map_or(after, |(id, _)| *id);
    let events: Vec<Value> = page.into_iter().map(|(_, event)| event).collect();
    Ok(Json(json!({ "events": events, "next_after": next_after })))
}
