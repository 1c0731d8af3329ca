//! Schedules: when workflows are submitted by themselves.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    audited::Told,
    cursor::{self, Cursor},
    jobs,
    path::Name,
    query::Parameters,
};

/// Among schedules: the last one shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct After(pub(crate) String);

impl Cursor for After {
    const LIST: u8 = b'c';

    fn bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().filter(|name| !name.contains('\0')).map(Self)
    }
}

/// `GET /api/v1/schedules`
#[utoipa::path(
    get,
    path = "/api/v1/schedules",
    operation_id = "schedules_list",
    tag = "schedules",
    summary = "The schedules, by name",
    description = "",
    params(
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 50 unless it says otherwise, at most 500."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/Schedules")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let after = parameters.cursor::<After>()?.map_or_else(String::new, |after| after.0);
    let (store, context) = (&shared.app.store, &shared.app.context);
    let found = store.view_schedules(context, &after, None, limit + 1).await?;
    let rows = found.into_iter().map(|schedule| (After(schedule.name.clone()), schedule.view(false))).collect();
    let (schedules, next_cursor) = cursor::page(rows, limit);
    Ok(Json(json!({ "schedules": schedules, "next_cursor": next_cursor })))
}

/// `GET /api/v1/schedules/{name}`
#[utoipa::path(
    get,
    path = "/api/v1/schedules/{name}",
    operation_id = "schedules_show",
    tag = "schedules",
    summary = "A schedule, with its next times",
    description = "",
    params(("name" = String, Path, description = "The workflow.")),
    responses((status = 200, description = "Where it stands. `next`: what its cron text says, also while it is off.", body = ref("#/components/schemas/Schedule")))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(shared.app.schedule(&name).await?.view(true)))
}

/// `POST /api/v1/schedules/{name}/enable`
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{name}/enable",
    operation_id = "schedules_enable",
    tag = "schedules",
    summary = "Turn a schedule on",
    description = "Times that went by while it was off are not made up for.",
    params(("name" = String, Path, description = "The workflow.")),
    responses((status = 200, description = "Where it stands now.", body = ref("#/components/schemas/Schedule")))
)]
pub(crate) async fn enable(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    switch(&shared, &name, &parameters, true).await
}

/// `POST /api/v1/schedules/{name}/disable`
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{name}/disable",
    operation_id = "schedules_disable",
    tag = "schedules",
    summary = "Turn a schedule off",
    description = "It stays off, whatever later versions of its definition say, until it is turned on. Runs that were made go on.",
    params(("name" = String, Path, description = "The workflow.")),
    responses((status = 200, description = "Where it stands now.", body = ref("#/components/schemas/Schedule")))
)]
pub(crate) async fn disable(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    switch(&shared, &name, &parameters, false).await
}

async fn switch(shared: &Shared, name: &str, parameters: &Parameters, on: bool) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(shared.app.switch_schedule(name, on).await?.view(true)))
}

/// `POST /api/v1/schedules/{name}/run`
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{name}/run",
    operation_id = "schedules_run",
    tag = "schedules",
    summary = "Run a schedule now",
    description = "With its input, whether it is on or off and whatever runs. Its times stay as they are.",
    params(
        ("name" = String, Path, description = "The workflow."),
        ("Idempotency-Key" = Option<String>, Header, description = "A second request with the same key makes no second job."),
    ),
    responses((status = 201, description = "It was made.", body = ref("#/components/schemas/Submitted")), (status = 200, description = "An earlier request with the same key had made it.", body = ref("#/components/schemas/Submitted")))
)]
pub(crate) async fn run(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let submitted = shared.app.run_schedule(&name, jobs::key(&headers)?).await?;
    let answer = jobs::made(&shared, &submitted).await?;
    Ok(Told::of(name).with(json!({ "job_id": submitted.id })).to(answer))
}
