//! Recovery, asked for.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
};
use serde_json::{Value, json};

use super::{Problem, Shared, body, cursor::Cursor, query::Parameters};
use crate::store::Place;

/// Most jobs of each kind that one request recovers, and how many unless it says otherwise.
const MOST: i64 = 1_000;
const USUAL: i64 = 500;
/// What was published within the last seconds is left alone, unless the request says otherwise: it is on its way.
const OLDER_THAN_SECONDS: i64 = 5;
/// The highest age that can be asked for.
const OLDEST_SECONDS: i64 = 7 * 86_400;

/// `POST /api/v1/recover`
#[utoipa::path(
    post,
    path = "/api/v1/recover",
    operation_id = "recover_recover",
    tag = "fleet",
    summary = "Dispatch again what RabbitMQ or workers have lost, now",
    description = "",
    request_body(content = ref("#/components/schemas/Recover"), description = "What is meant; may be left out."),
    responses((status = 200, description = "How many.", body = ref("#/components/schemas/Recovered")))
)]
pub(crate) async fn recover(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let fields = body::fields(&shared, request).await?;
    fields.only(&["older_than_seconds", "limit", "cursor"])?;
    let older_than = fields.number("older_than_seconds", 0, OLDEST_SECONDS)?.unwrap_or(OLDER_THAN_SECONDS);
    let older_than = Duration::from_secs(u64::try_from(older_than).unwrap_or(0));
    let recovered = shared.app.recover(older_than, fields.cursor::<Place>()?, fields.limit(USUAL, MOST)?).await?;
    Ok(Json(json!({
        "redispatched": recovered.redispatched, "retried": recovered.retried,
        "next_cursor": recovered.next.map(|place| place.encode()),
    })))
}
