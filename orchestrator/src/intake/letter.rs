//! What is kept of a dead letter: all of it, within bounds, and nothing that Postgres cannot store.

use drover_broker::{Delivery, Headers, Properties};
use drover_protocol::{JobId, JobMessage, decode};
use serde_json::{Value, json};

use crate::{app::App, store::DeadLetter};

/// Says in the headers of a message how often it was sent again from the dead letters.
pub(crate) const REDRIVES: &str = "redrives";
/// Where the broker says from which exchange and queue a message died first, and why.
const FIRST_EXCHANGE: &str = "x-first-death-exchange";
const FIRST_QUEUE: &str = "x-first-death-queue";
const FIRST_REASON: &str = "x-first-death-reason";
/// Most of a body that is kept. RabbitMQ 4 takes no longer message, so that a longer one could not be sent again anyway.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most of a body that is kept of a letter that Postgres refused.
const BARE_BODY_BYTES: usize = 64 * 1024;
/// Longest reason kept, in characters.
const REASON_CHARS: usize = 1_000;
/// Longest name kept, in characters: AMQP has none that is longer.
const NAME_CHARS: usize = 255;

/// A message that we refused, or the part of it that is bad.
pub(super) fn refused(app: &App, queue: &str, delivery: &Delivery, reason: &str, body: &[u8]) -> DeadLetter {
    let origin = (delivery.exchange.as_str(), delivery.routing_key.as_str());
    DeadLetter {
        queue: name(queue),
        reason: "refused".into(),
        detail: Some(shorten(reason, REASON_CHARS)),
        ..letter(app, &delivery.properties, origin, body)
    }
}

/// Something of ours that was never a message of its own, as it would have been sent.
pub(super) fn of_ours(app: &App, queue: &str, properties: &Properties, reason: &str, body: &[u8]) -> DeadLetter {
    DeadLetter {
        queue: name(queue),
        reason: "refused".into(),
        detail: Some(shorten(reason, REASON_CHARS)),
        ..letter(app, properties, ("", queue), body)
    }
}

/// A message that came by the broker's dead-letter exchange, or that somebody published to it.
pub(super) fn dead(app: &App, delivery: &Delivery) -> DeadLetter {
    let headers = &delivery.properties.headers;
    let header = |name: &str| headers.get(name).map(String::as_str);
    let exchange = header(FIRST_EXCHANGE).unwrap_or(&delivery.exchange);
    // The dead-letter exchange keeps the key that the message was published with.
    let origin = (exchange, delivery.routing_key.as_str());
    DeadLetter {
        queue: name(header(FIRST_QUEUE).unwrap_or(&app.names.dead())),
        // The broker's own word for it: `rejected`, `delivery_limit`, …
        reason: name(header(FIRST_REASON).unwrap_or("published")),
        detail: detail(app, delivery).map(|detail| shorten(&detail, REASON_CHARS)),
        ..letter(app, &delivery.properties, origin, &delivery.body)
    }
}

/// The same without all that Postgres may have refused.
pub(super) fn bare(letter: &DeadLetter, refusal: &str) -> DeadLetter {
    let plain = |text: &str| text.chars().filter(char::is_ascii_graphic).take(NAME_CHARS).collect::<String>();
    let kept = letter.body.len().min(BARE_BODY_BYTES);
    let whole = letter.whole_bytes.unwrap_or_else(|| bytes(letter.body.len()));
    DeadLetter {
        queue: plain(&letter.queue),
        reason: plain(&letter.reason),
        detail: Some(format!("only this much could be kept: {}", shorten(refusal, REASON_CHARS))),
        message_id: letter.message_id.as_deref().map(plain),
        message_type: letter.message_type.as_deref().map(plain),
        content_type: letter.content_type.as_deref().map(plain),
        body: letter.body.get(..kept).unwrap_or_default().to_vec(),
        whole_bytes: Some(whole),
        properties: json!({}),
        job_id: letter.job_id,
        redrives: letter.redrives,
    }
}

/// Whether a queue is that of a job type.
pub(crate) fn is_of_jobs(app: &App, queue: &str) -> bool {
    queue.strip_prefix(&app.names.jobs_exchange()).is_some_and(|rest| rest.starts_with('.'))
}

/// What is wrong with a job message that a worker rejected, as far as can be seen from here.
fn detail(app: &App, delivery: &Delivery) -> Option<String> {
    let Properties { headers, kind, .. } = &delivery.properties;
    let queue = headers.get(FIRST_QUEUE).filter(|queue| is_of_jobs(app, queue))?;
    match decode::<JobMessage>(kind.as_deref(), &delivery.body, app.message_bytes) {
        Err(error) => Some(error.to_string()),
        Ok(job) if app.names.jobs_queue(&job.job_type) != *queue => {
            Some(format!("/type is {:?}, but the queue is {queue:?}", job.job_type.as_str()))
        }
        Ok(_) => None,
    }
}

/// What is kept of any message: `queue` and `reason` are the caller's to say.
fn letter(app: &App, properties: &Properties, (exchange, routing_key): (&str, &str), body: &[u8]) -> DeadLetter {
    let Properties { message_id, correlation_id, kind, content_type, reply_to, app_id, timestamp, headers } =
        properties;
    let kept = body.get(..BODY_BYTES.max(app.message_bytes)).unwrap_or(body);
    let names = |text: &Option<String>| text.as_deref().map(name);
    DeadLetter {
        queue: String::new(),
        reason: String::new(),
        detail: None,
        message_id: names(message_id),
        message_type: names(kind),
        content_type: names(content_type),
        body: kept.to_vec(),
        whole_bytes: (kept.len() < body.len()).then(|| bytes(body.len())),
        properties: json!({
            "exchange": name(exchange),
            "routing_key": name(routing_key),
            "correlation_id": names(correlation_id),
            "reply_to": names(reply_to),
            "app_id": names(app_id),
            "timestamp": timestamp,
            "headers": storable(headers),
        }),
        job_id: job_id(kept),
        redrives: headers.get(REDRIVES).and_then(|count| count.parse().ok()).filter(|count| *count >= 0).unwrap_or(0),
    }
}

/// The job that a body is about, if that can be read.
fn job_id(body: &[u8]) -> Option<JobId> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("job_id").or_else(|| body.get("id"))?.as_str()?.parse().ok()
}

fn bytes(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The broker bounds the headers of a message: they fit into one frame.
fn storable(headers: &Headers) -> Value {
    headers.iter().map(|(key, value)| (without_nul(key), json!(without_nul(value)))).collect()
}

fn name(text: &str) -> String {
    shorten(text, NAME_CHARS)
}

fn shorten(text: &str, chars: usize) -> String {
    without_nul(text).chars().take(chars).collect()
}

/// Postgres keeps no NUL in a text.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
