//! Dead letters: what nobody could process goes to one queue with the reason, and from there to where people look.

use std::sync::Arc;

use bytes::Bytes;
use drover_broker::{Delivery, Properties, Publication};
use drover_engine::Input;
use drover_protocol::{JobError, JobEvent, JobId, JobMessage, MessageType, decode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Behind, batch, settle, subscribe, until_done};
use crate::{app::App, relay::properties, store::DeadLetter};

/// Headers that a buried message carries.
const REASON: &str = "reason";
const QUEUE: &str = "queue";
const KIND: &str = "message_type";
/// The broker's own.
const FIRST_QUEUE: &str = "x-first-death-queue";
/// Longest reason kept, in characters.
const REASON_CHARS: usize = 1_000;

/// Puts a message of a queue, or the part of it that is bad, where a person finds it. Whether that succeeded.
pub async fn bury(app: &App, queue: String, delivery: &Delivery, reason: &str, body: &[u8]) -> bool {
    tracing::warn!(queue, %reason, "a message cannot be processed; it goes to the dead letters");
    let original = &delivery.properties;
    let mut headers = original.headers.clone();
    headers.insert(REASON.into(), shorten(reason));
    headers.insert(QUEUE.into(), queue);
    let properties = Properties { headers, ..original.clone() };
    publish(app, body.to_vec(), properties).await
}

/// Puts an event that broke its transaction where a person finds it.
pub(super) async fn bury_event(app: &App, event: &JobEvent, reason: &str) {
    let headers = [(REASON.to_owned(), shorten(reason)), (QUEUE.to_owned(), app.names.events_queue())];
    let properties = Properties { headers: headers.into(), ..properties::<JobEvent>(app) };
    publish(app, serde_json::to_vec(event).unwrap_or_default(), properties).await;
}

async fn publish(app: &App, body: Vec<u8>, properties: Properties) -> bool {
    app.metrics.dead_letters.inc();
    let publication = Publication {
        exchange: app.names.dead(),
        routing_key: String::new(),
        body: Bytes::from(body),
        properties: Properties { message_id: Some(uuid::Uuid::now_v7().to_string()), ..properties },
        mandatory: true,
    };
    let outcomes = app.broker.publish(vec![publication]).await;
    outcomes.iter().all(|outcome| match outcome {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a dead letter was not published; the message is given back");
            false
        }
    })
}

/// Takes the dead letters into the database until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let behind = Behind::default();
    let Some(mut deliveries) = subscribe(&app, &app.names.dead(), &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let letters: Vec<DeadLetter> = taken.iter().map(|delivery| letter(&app, delivery)).collect();
        match until_done!("keeping dead letters", &shutdown, app.store.insert_dead_letters(&letters)) {
            None => return,
            Some(Ok(())) => {
                if fail_jobs(&app, &taken, &shutdown).await.is_none() {
                    return;
                }
                settle(&*deliveries, &taken, &[]).await;
            }
            Some(Err(error)) => {
                tracing::error!(%error, "dead letters cannot be kept; they stay in the queue until the next start");
                return;
            }
        }
    }
}

/// A job whose message is dead never starts: it fails, with the reason. That of an older dispatch changes nothing.
async fn fail_jobs(app: &App, taken: &[Delivery], shutdown: &CancellationToken) -> Option<()> {
    for delivery in taken {
        let properties = &delivery.properties;
        if properties.kind.as_deref() != Some(JobMessage::type_property().as_str()) {
            continue;
        }
        let Ok(fence) = serde_json::from_slice::<JobFence>(&delivery.body) else { continue };
        let reason = detail(app, delivery).unwrap_or_else(|| death_reason(properties));
        let message = format!("its message went to the dead letters: {reason}");
        let error = JobError::permanent("dead_letter", message);
        let input = Input::Undeliverable { job_id: fence.id, dispatch: fence.dispatch, error };
        match until_done!("failing a job", shutdown, app.store.fold(&app.context, vec![input.clone()]))? {
            Ok(folded) => app.committed(folded),
            Err(error) => tracing::error!(%error, job.id = %fence.id, "the job of a dead letter cannot be failed"),
        }
    }
    Some(())
}

/// Enough of a job message to say whose it is.
#[derive(Deserialize)]
struct JobFence {
    id: JobId,
    dispatch: u32,
}

/// What is wrong with a message: as whoever buried it says, or, of a job message that a worker rejected, as can be seen.
fn detail(app: &App, delivery: &Delivery) -> Option<String> {
    let Properties { headers, kind, .. } = &delivery.properties;
    if let Some(reason) = headers.get(REASON) {
        return Some(reason.clone());
    }
    let of_jobs = format!("{}.", app.names.jobs_exchange());
    let queue = headers.get(FIRST_QUEUE).filter(|queue| queue.starts_with(&of_jobs))?;
    match decode::<JobMessage>(kind.as_deref(), &delivery.body, app.message_bytes) {
        Err(error) => Some(shorten(&error.to_string())),
        Ok(job) if app.names.jobs_queue(&job.job_type) != *queue => {
            Some(format!("/type is {:?}, but the queue is {queue:?}", job.job_type.as_str()))
        }
        Ok(_) => None,
    }
}

fn letter(app: &App, delivery: &Delivery) -> DeadLetter {
    let properties = &delivery.properties;
    let header = |name: &str| properties.headers.get(name).cloned();
    let body: Option<Value> = serde_json::from_slice(&delivery.body).ok();
    let job_id = body
        .as_ref()
        .and_then(|body| body.get("job_id").or_else(|| body.get("id")))
        .and_then(Value::as_str)
        .and_then(|id| id.parse::<JobId>().ok());
    DeadLetter {
        queue: header(QUEUE).or_else(|| header(FIRST_QUEUE)).unwrap_or_else(|| "unknown".into()),
        reason: if header(REASON).is_some() { "refused".into() } else { death_reason(properties) },
        detail: detail(app, delivery),
        message_id: properties.message_id.clone(),
        message_type: header(KIND).or_else(|| properties.kind.clone()),
        content_type: properties.content_type.clone(),
        body: delivery.body.to_vec(),
        properties: json!({
            "correlation_id": properties.correlation_id,
            "reply_to": properties.reply_to,
            "app_id": properties.app_id,
            "headers": clean(&properties.headers),
        }),
        job_id,
    }
}

/// The broker's own word for it: `rejected`, `delivery_limit`, …
fn death_reason(properties: &Properties) -> String {
    properties.headers.get("x-first-death-reason").cloned().unwrap_or_else(|| "rejected".into())
}

/// Postgres keeps no NUL in a text.
fn clean(headers: &drover_broker::Headers) -> Value {
    headers.iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), json!(value.replace('\0', "\u{fffd}")))).collect()
}

fn shorten(reason: &str) -> String {
    reason.replace('\0', "\u{fffd}").chars().take(REASON_CHARS).collect()
}
