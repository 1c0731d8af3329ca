//! Dead letters: what nobody could process, listed, sent again or discarded.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Problem, Shared,
    bulk::Bulk,
    cursor::{Cursor, Range},
    path::Number,
    query::Parameters,
};
use crate::{
    bulk::Swept,
    redrive::Redriven,
    store::{DeadFilter, DeadView},
};

/// How much of a body a list shows. A letter on its own is shown whole.
const EXCERPT_BYTES: i32 = 16 * 1024;

/// `GET /api/v1/dead`
#[utoipa::path(
    get,
    path = "/api/v1/dead",
    operation_id = "dead_list",
    tag = "dead letters",
    summary = "Dead letters, newest first",
    description = "",
    params(
        ("queue" = Option<String>, Query, description = "Only of this queue."),
        ("reason" = Option<String>, Query, description = "Only with this reason."),
        ("limit" = Option<i64>, Query, description = "Most entries of the page; 50 unless it says otherwise, at most 500."),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before, as it came."),
    ),
    responses((status = 200, description = "A page.", body = ref("#/components/schemas/DeadLetters")))
)]
pub(crate) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let parameters = parameters.only(&["queue", "reason", "limit", "cursor"])?;
    let limit = parameters.limit(50, 500)?;
    let before = parameters.cursor::<i64>()?;
    let (letters, more) = shared.app.store.view_dead(&filter(parameters), before, limit, EXCERPT_BYTES).await?;
    let next_cursor = letters.last().filter(|_| more).map(|letter| letter.id.encode());
    let messages: Vec<Value> = letters.into_iter().map(view).collect();
    Ok(Json(json!({ "messages": messages, "next_cursor": next_cursor })))
}

/// Reads a filter.
pub(crate) fn filter(parameters: &Parameters) -> DeadFilter {
    let text = |name: &str| parameters.text(name).map(str::to_owned);
    DeadFilter { queue: text("queue"), reason: text("reason") }
}

/// `GET /api/v1/dead/{id}`
#[utoipa::path(
    get,
    path = "/api/v1/dead/{id}",
    operation_id = "dead_show",
    tag = "dead letters",
    summary = "A dead letter, whole",
    description = "",
    params(
        ("id" = i64, Path, description = "The letter."),
    ),
    responses((status = 200, description = "The letter.", body = ref("#/components/schemas/DeadLetter")))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Number(id): Number,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    match shared.app.store.view_dead_letter(id).await? {
        Some(letter) => Ok(Json(view(letter))),
        None => Err(unknown(id)),
    }
}

/// There is no such letter.
pub(crate) fn unknown(id: i64) -> Problem {
    Problem::not_found(format!("there is no dead letter {id}; GET /api/v1/dead lists them"))
}

/// `POST /api/v1/dead/{id}/redrive`
#[utoipa::path(
    post,
    path = "/api/v1/dead/{id}/redrive",
    operation_id = "dead_redrive",
    tag = "dead letters",
    summary = "Send a dead letter again",
    description = "",
    params(
        ("id" = i64, Path, description = "The letter."),
    ),
    responses((status = 200, description = "What was done.", body = ref("#/components/schemas/Redriven")))
)]
pub(crate) async fn redrive(
    State(shared): State<Shared>,
    Number(id): Number,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let (outcome, queue, job_id) = match shared.app.redrive(id).await? {
        Redriven::Sent { queue } => ("sent", Some(queue), None),
        Redriven::Retried { job_id } => ("retried", None, Some(job_id)),
    };
    Ok(Json(json!({ "id": id, "outcome": outcome, "queue": queue, "job_id": job_id })))
}

/// `DELETE /api/v1/dead/{id}`
#[utoipa::path(
    delete,
    path = "/api/v1/dead/{id}",
    operation_id = "dead_discard",
    tag = "dead letters",
    summary = "Discard a dead letter",
    description = "",
    params(
        ("id" = i64, Path, description = "The letter."),
    ),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn discard(
    State(shared): State<Shared>,
    Number(id): Number,
    parameters: Parameters,
) -> Result<StatusCode, Problem> {
    parameters.only(&[])?;
    if shared.app.store.delete_dead(&[id]).await?.is_empty() {
        return Err(unknown(id));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/dead/redrive`
#[utoipa::path(
    post,
    path = "/api/v1/dead/redrive",
    operation_id = "dead_redrive_many",
    tag = "dead letters",
    summary = "Send again what a filter matches",
    description = "",
    request_body(content = ref("#/components/schemas/Bulk"), description = "Which letters: `queue`, `reason`."),
    responses((status = 200, description = "What was done, and where to go on.", body = ref("#/components/schemas/Swept")))
)]
pub(crate) async fn redrive_many(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let many = Many::read(&shared, &parameters, request).await?;
    let swept = if many.bulk.dry_run {
        many.count(&shared).await?
    } else {
        shared.app.redrive_all(&many.filter, many.range, many.bulk.limit).await?
    };
    Ok(many.answer(swept))
}

/// `POST /api/v1/dead/discard`
#[utoipa::path(
    post,
    path = "/api/v1/dead/discard",
    operation_id = "dead_discard_many",
    tag = "dead letters",
    summary = "Discard what a filter matches",
    description = "",
    request_body(content = ref("#/components/schemas/Bulk"), description = "Which letters: `queue`, `reason`."),
    responses((status = 200, description = "What was done, and where to go on.", body = ref("#/components/schemas/Swept")))
)]
pub(crate) async fn discard_many(
    State(shared): State<Shared>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let many = Many::read(&shared, &parameters, request).await?;
    let swept = if many.bulk.dry_run {
        many.count(&shared).await?
    } else {
        shared.app.discard_all(&many.filter, many.range, many.bulk.limit).await?
    };
    Ok(many.answer(swept))
}

/// A request about many letters. They are taken oldest first, and only those that were there when the first of the requests
/// came: what is sent again and comes back is not sent again for ever.
struct Many {
    bulk: Bulk<Range>,
    filter: DeadFilter,
    range: (i64, i64),
}

impl Many {
    async fn read(shared: &Shared, parameters: &Parameters, request: Request) -> Result<Self, Problem> {
        let bulk = Bulk::<Range>::read(shared, parameters, request, &[]).await?;
        let filter = filter(bulk.filter.only(&["queue", "reason"])?);
        bulk.means_it(filter.queue.is_some() || filter.reason.is_some(), "queue and reason")?;
        let range = match bulk.cursor {
            Some(Range { after, upto }) => (after, upto),
            None => (0, shared.app.store.newest_dead().await?),
        };
        Ok(Self { bulk, filter, range })
    }

    async fn count(&self, shared: &Shared) -> Result<Swept<i64, String>, Problem> {
        Ok(shared.app.count_dead(&self.filter, self.range, self.bulk.limit).await?)
    }

    fn answer(&self, swept: Swept<i64, String>) -> Response {
        let told = self.bulk.told(swept.done);
        let refused: Vec<Value> =
            swept.refused.into_iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect();
        let next_cursor = swept.next.map(|after| Range { after, upto: self.range.1 }.encode());
        let body = json!({
            "matched": swept.matched, "done": swept.done, "refused": refused, "dry_run": self.bulk.dry_run,
            "next_cursor": next_cursor,
        });
        told.to(Json(body).into_response())
    }
}

/// What is shown of a body, and how it is written: a body that is no text is shown in base64.
pub(crate) fn excerpt(letter: &DeadView) -> (String, &'static str) {
    let whole = is_whole(letter);
    match text(&letter.body, whole) {
        Some(text) => (text.to_owned(), "utf-8"),
        None => (STANDARD.encode(&letter.body), "base64"),
    }
}

fn is_whole(letter: &DeadView) -> bool {
    usize::try_from(letter.body_bytes).is_ok_and(|bytes| bytes == letter.body.len())
}

fn view(letter: DeadView) -> Value {
    let (whole, (body, encoding)) = (is_whole(&letter), excerpt(&letter));
    json!({
        "id": letter.id, "at": letter.at, "queue": letter.queue, "reason": letter.reason, "detail": letter.detail,
        "message_id": letter.message_id, "message_type": letter.message_type, "content_type": letter.content_type,
        "body": body, "body_encoding": encoding, "body_bytes": letter.body_bytes, "body_is_whole": whole,
        "truncated": letter.truncated, "redrives": letter.redrives, "properties": letter.properties,
        "job_id": letter.job_id,
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
