//! Many jobs at once: cancel, retry, delete what a filter matches.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use drover_protocol::{JobId, JobStatus};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    bulk::Bulk,
    cursor::Cursor,
    jobs::{self, FILTER},
    query::Parameters,
};
use crate::{
    app::ActionError,
    bulk::{Action, Swept},
    store::JobFilter,
};

/// `POST /api/v1/jobs/cancel`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/cancel",
    operation_id = "sweep_cancel",
    tag = "jobs",
    summary = "Cancel what a filter matches",
    description = "",
    request_body(content = ref("#/components/schemas/Bulk"), description = "Which jobs; `now` as for one."),
    responses((status = 200, description = "What was done, and where to go on.", body = ref("#/components/schemas/Swept")))
)]
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let bulk = Bulk::read(&shared, &parameters, request, &["now"]).await?;
    let now = bulk.options.flag("now")?.unwrap_or(false);
    sweep(&shared, &bulk, Action::Cancel { now }).await
}

/// `POST /api/v1/jobs/retry`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/retry",
    operation_id = "sweep_retry",
    tag = "jobs",
    summary = "Retry what a filter matches",
    description = "",
    request_body(content = ref("#/components/schemas/Bulk"), description = "Which jobs; `from` as for one."),
    responses((status = 200, description = "What was done, and where to go on.", body = ref("#/components/schemas/Swept")))
)]
pub(crate) async fn retry(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let bulk = Bulk::read(&shared, &parameters, request, &["from"]).await?;
    let from_start = jobs::from_start(&bulk.options)?;
    sweep(&shared, &bulk, Action::Retry { from_start }).await
}

/// `POST /api/v1/jobs/delete`
#[utoipa::path(
    post,
    path = "/api/v1/jobs/delete",
    operation_id = "sweep_delete",
    tag = "jobs",
    summary = "Delete what a filter matches",
    description = "",
    request_body(content = ref("#/components/schemas/Bulk"), description = "Which jobs."),
    responses((status = 200, description = "What was done, and where to go on.", body = ref("#/components/schemas/Swept")))
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let bulk = Bulk::read(&shared, &parameters, request, &[]).await?;
    sweep(&shared, &bulk, Action::Delete).await
}

async fn sweep(shared: &Shared, bulk: &Bulk<JobId>, action: Action) -> Result<Response, Problem> {
    let filter = filter(bulk, action)?;
    let swept = if bulk.dry_run {
        shared.app.count_jobs(&filter, bulk.cursor, bulk.limit).await?
    } else {
        shared.app.sweep(action, &filter, bulk.cursor, bulk.limit).await?
    };
    let told = bulk.told(swept.done);
    Ok(told.to(answer(swept, bulk.dry_run).into_response()))
}

/// The filter, with the statuses in which the action can be meant.
fn filter(bulk: &Bulk<JobId>, action: Action) -> Result<JobFilter, Problem> {
    let parameters = bulk.filter.only(FILTER)?;
    let filter = jobs::filter(parameters)?;
    if filter.any_parent {
        let problem = "give none or a job's id: what is done to a workflow is done to all below it";
        return Err(parameters.refused("parent", problem));
    }
    bulk.means_it(filter.narrows(), &FILTER.join(", "))?;
    let names = |statuses: &[JobStatus]| statuses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let takes = names(action.takes());
    let said = filter.statuses.as_deref().unwrap_or_default();
    if let Some(other) = said.iter().find(|status| !takes.contains(status)) {
        let problem = format!("a job that is {other} is not {}; this takes {}", action.done(), takes.join(", "));
        return Err(parameters.refused("status", &problem));
    }
    let statuses = filter.statuses.unwrap_or_else(|| names(action.usually()));
    Ok(JobFilter { statuses: Some(statuses), ..filter })
}

fn answer(swept: Swept<JobId, ActionError>, dry_run: bool) -> Json<Value> {
    let refused = |(id, error): (JobId, ActionError)| {
        let problem = Problem::from(error);
        json!({ "id": id, "kind": problem.kind(), "reason": problem.detail() })
    };
    let refused: Vec<Value> = swept.refused.into_iter().map(refused).collect();
    Json(json!({
        "matched": swept.matched, "done": swept.done, "refused": refused, "dry_run": dry_run,
        "next_cursor": swept.next.map(|id| id.encode()),
    }))
}
