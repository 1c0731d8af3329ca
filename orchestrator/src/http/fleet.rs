//! The fleet: job types, workers, dead letters.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    query::{Parameters, next},
};
use crate::store::DeadView;

/// `GET /api/v1/types`
pub(crate) async fn types(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "types": shared.app.store.view_types().await? })))
}

/// `GET /api/v1/workers`
pub(crate) async fn workers(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({ "workers": shared.app.store.view_workers().await? })))
}

/// `GET /api/v1/dead`
pub(crate) async fn dead(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let before = parameters.cursor(|text| text.parse::<i64>().ok())?;
    let page = shared.app.store.view_dead(before, limit).await?;
    let page: Vec<(i64, Value)> = page.into_iter().map(|letter| (letter.id, view(letter))).collect();
    let next_cursor = next(&page, limit, i64::to_string);
    let messages: Vec<Value> = page.into_iter().map(|(_, view)| view).collect();
    Ok(Json(json!({ "messages": messages, "next_cursor": next_cursor })))
}

/// A body that is no text is shown in hex.
fn view(letter: DeadView) -> Value {
    let (body, encoding) = match String::from_utf8(letter.body) {
        Ok(text) => (text, "utf-8"),
        Err(error) => (error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(), "hex"),
    };
    json!({
        "id": letter.id, "at": letter.at, "queue": letter.queue, "reason": letter.reason, "detail": letter.detail,
        "message_id": letter.message_id, "message_type": letter.message_type, "content_type": letter.content_type,
        "body": body, "body_encoding": encoding, "properties": letter.properties, "job_id": letter.job_id,
    })
}
