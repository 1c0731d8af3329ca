//! The fleet: job types, workers, dead letters.

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Problem, Shared, cursor,
    query::{Number, Parameters},
};
use crate::store::DeadView;

/// How much of a body a list shows. A letter on its own is shown whole.
const EXCERPT_BYTES: i32 = 16 * 1024;

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
pub(crate) async fn dead_letters(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let before = parameters.cursor::<i64>()?;
    let letters = shared.app.store.view_dead(before, limit + 1, EXCERPT_BYTES).await?;
    let rows = letters.into_iter().map(|letter| (letter.id, view(letter))).collect();
    let (messages, next_cursor) = cursor::page(rows, limit);
    Ok(Json(json!({ "messages": messages, "next_cursor": next_cursor })))
}

/// `GET /api/v1/dead/{id}`
pub(crate) async fn dead_letter(
    State(shared): State<Shared>,
    Number(id): Number,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    match shared.app.store.view_dead_letter(id).await? {
        Some(letter) => Ok(Json(view(letter))),
        None => Err(Problem::not_found(format!("there is no dead letter {id}; GET /api/v1/dead lists them"))),
    }
}

/// A body that is no text is shown in base64.
fn view(letter: DeadView) -> Value {
    let whole = usize::try_from(letter.body_bytes).is_ok_and(|bytes| bytes == letter.body.len());
    let (body, encoding) = match text(&letter.body, whole) {
        Some(text) => (text.to_owned(), "utf-8"),
        None => (STANDARD.encode(&letter.body), "base64"),
    };
    json!({
        "id": letter.id, "at": letter.at, "queue": letter.queue, "reason": letter.reason, "detail": letter.detail,
        "message_id": letter.message_id, "message_type": letter.message_type, "content_type": letter.content_type,
        "body": body, "body_encoding": encoding, "body_bytes": letter.body_bytes, "body_is_whole": whole,
        "properties": letter.properties, "job_id": letter.job_id,
    })
}

/// The body as text, if it is one. An excerpt may end within a character, which is left out then.
fn text(body: &[u8], whole: bool) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(body.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_that_ends_within_a_character_is_text() {
        let body = "aü".as_bytes();
        assert_eq!(text(body, true), Some("aü"));
        assert_eq!(text(&body[..2], false), Some("a"));
        assert_eq!(text(&body[..2], true), None, "a whole body that ends so is no text");
        assert_eq!(text(&[0xff, b'a'], false), None);
    }
}
