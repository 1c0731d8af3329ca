//! Replays.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{Problem, Shared, jobs, path::Id, query::Parameters};
use crate::store::ReplayFailure;

/// `GET /api/v1/jobs/{id}/replay`: the job and all below it, rebuilt from the history of its tree and compared with the rows.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}/replay",
    operation_id = "replay_replay",
    tag = "jobs",
    summary = "Rebuild a job from its history and compare it with what is stored",
    description = "",
    params(
        ("id" = uuid::Uuid, Path, description = "The job."),
    ),
    responses((status = 200, description = "What differs.", body = ref("#/components/schemas/Replayed")))
)]
pub(crate) async fn replay(
    State(shared): State<Shared>,
    Id(id): Id,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let root = jobs::find(&shared, id, true).await?.root_id;
    let _permit =
        shared.replays.try_acquire().map_err(|_| Problem::busy("another job is being replayed; try again"))?;
    let app = &shared.app;
    let replayed = app.store.replay(&app.context.registry, root, id, app.replay).await.map_err(|failure| {
        let detail = format!("job {id} was not replayed: {failure}");
        match failure {
            ReplayFailure::Gone => Problem::not_found(format!("there is no job {id}")),
            ReplayFailure::History(_) => Problem::unprocessable("history_insufficient", detail),
            ReplayFailure::TooManyJobs(_) | ReplayFailure::TooLong(_) => {
                Problem::unprocessable("replay_too_large", detail)
            }
            ReplayFailure::Changing | ReplayFailure::Stopping => Problem::busy(detail),
            ReplayFailure::Store(error) => error.into(),
        }
    })?;
    Ok(Json(json!({
        "job_id": id,
        "root_id": root,
        "inputs": replayed.inputs,
        "jobs": replayed.jobs,
        "unfinished": replayed.unfinished,
        "differences": replayed.differences,
        "more_differences": replayed.more,
    })))
}
