//! The relay: what committed transactions owe goes to the broker; a row of the outbox goes only after the confirm.

mod sweep;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::Utc;
use drover_broker::{Headers, Properties, Publication, PublishError, Topology};
use drover_engine::Input;
use drover_protocol::{Control, DecodeError, JobError, JobId, JobMessage, JobType, MessageType, Notification, encode};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use sweep::sweep;

use crate::{
    app::App,
    store::{OutboxRow, Outgoing, StoreError, TracedMessage},
};

/// Batches that wait for the relay; when it is behind, the sweeper takes the rest from the outbox.
const BACKLOG: usize = 1_024;
/// Most messages of one publish.
const BATCH: usize = 512;
/// Most publishes that wait for their confirms at once.
const FLIGHTS: usize = 4;
/// How often the outbox is looked through for what a crash or a failed publish left.
const SWEEP: Duration = Duration::from_secs(1);
/// How long what is confirmed waits for a fold that takes it along. What is still there when this process is killed is
/// published once more.
const LINGER: Duration = Duration::from_millis(10);

/// Takes what is owed to the broker.
#[derive(Clone, Debug)]
pub struct RelayHandle(mpsc::Sender<Vec<OutboxRow>>);

impl RelayHandle {
    /// A handle, and what it is given.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Vec<OutboxRow>>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self(sender), receiver)
    }

    /// Hands over committed rows. A relay that is behind leaves them to the sweeper: nothing is lost, nobody waits.
    pub fn send(&self, rows: Vec<OutboxRow>) {
        if !rows.is_empty() {
            let _ = self.0.try_send(rows);
        }
    }
}

/// Sends what it is given, until shutdown. What waits for its confirm does not keep the next from being sent.
pub async fn run(app: Arc<App>, mut given: mpsc::Receiver<Vec<OutboxRow>>, shutdown: CancellationToken) {
    let mut flights = FuturesUnordered::new();
    loop {
        tokio::select! {
            rows = given.recv(), if flights.len() < FLIGHTS => {
                let Some(mut rows) = rows else { break };
                while rows.len() < BATCH {
                    let Ok(more) = given.try_recv() else { break };
                    rows.extend(more);
                }
                flights.push(send(&app, rows));
            }
            Some(()) = flights.next() => {}
            () = shutdown.cancelled() => break,
        }
    }
    while flights.next().await.is_some() {}
    forget(&app).await;
}

/// Deletes what was confirmed and no fold took along soon, until shutdown.
pub async fn clear(app: Arc<App>, shutdown: CancellationToken) {
    let mut wait = LINGER;
    while shutdown.run_until_cancelled(app.store.until_confirmed()).await.is_some() {
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        wait = if forget(&app).await { LINGER } else { SWEEP };
    }
}

/// A message on its way, with the row that owes it.
struct Owed {
    row: i64,
    publication: Publication,
    job_type: Option<JobType>,
    fence: Option<(JobId, u32)>,
}

async fn send(app: &App, rows: Vec<OutboxRow>) {
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    app.metrics.relay_backlog.inc_by(count);
    match compose(app, rows).await {
        Ok((owed, mut done)) => {
            done.extend(publish(app, owed).await);
            app.store.confirm(&done);
        }
        // The rows are claimed for a while, then the sweeper finds them.
        Err(error) => tracing::warn!(%error, "messages cannot be made from the outbox; they are tried again"),
    }
    app.metrics.relay_backlog.dec_by(count);
}

/// Makes the messages. Rows that owe nothing any more are done at once.
async fn compose(app: &App, mut rows: Vec<OutboxRow>) -> Result<(Vec<Owed>, Vec<i64>), StoreError> {
    let messages = messages(app, &mut rows).await?;
    let (mut owed, mut done, mut undeliverable) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (mut job_type, mut fence) = (None, None);
        let publication = match row.outgoing {
            Outgoing::Job { job_id, dispatch, .. } => {
                fence = Some((job_id, dispatch));
                let made = messages.get(&job_id).filter(|made| made.message.dispatch == dispatch);
                job_type = made.map(|made| made.message.job_type.clone());
                made.and_then(|made| {
                    let unmade = |error| undeliverable.push((job_id, dispatch, error));
                    job_publication(app, made).map_err(unmade).ok()
                })
            }
            Outgoing::Control(body) => control_publication(app, &body),
            Outgoing::Notification(body) => notification_publication(app, &body),
        };
        match publication {
            Some(publication) => owed.push(Owed { row: row.id, publication, job_type, fence }),
            None => done.push(row.id),
        }
    }
    refuse(app, undeliverable).await?;
    Ok((owed, done))
}

/// What the jobs' messages say: from the rows that know it, else from the database.
async fn messages(app: &App, rows: &mut [OutboxRow]) -> Result<HashMap<JobId, TracedMessage>, StoreError> {
    let (mut messages, mut unknown) = (HashMap::new(), Vec::new());
    for row in rows {
        let Outgoing::Job { job_id, dispatch, fresh } = &mut row.outgoing else { continue };
        match fresh.take().and_then(|fresh| fresh.message()) {
            Some(made) => drop(messages.insert(*job_id, made)),
            None => unknown.push((*job_id, *dispatch)),
        }
    }
    if !unknown.is_empty() {
        messages.extend(app.store.job_messages(&unknown).await?.into_iter().map(|made| (made.message.id, made)));
    }
    Ok(messages)
}

/// A job whose message cannot be made fails, and says why.
async fn refuse(app: &App, undeliverable: Vec<(JobId, u32, DecodeError)>) -> Result<(), StoreError> {
    if undeliverable.is_empty() {
        return Ok(());
    }
    let inputs = undeliverable
        .into_iter()
        .map(|(job_id, dispatch, error)| {
            let error = JobError::permanent("undeliverable", format!("its message cannot be sent: {error}"));
            Input::Undeliverable { job_id, dispatch, error }
        })
        .collect();
    let folded = app.store.fold(&app.context, inputs).await?;
    app.committed(folded);
    Ok(())
}

/// Publishes; declares the queue of a type that nobody has declared yet. The rows that are done.
async fn publish(app: &App, owed: Vec<Owed>) -> Vec<i64> {
    let mut done = Vec::with_capacity(owed.len());
    let mut unroutable = Vec::new();
    let outcomes = app.broker.publish(owed.iter().map(|owed| owed.publication.clone()).collect()).await;
    for (owed, outcome) in owed.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => done.push(owed.row),
            Err(PublishError::Unroutable { .. }) if owed.job_type.is_some() => unroutable.push(owed),
            Err(PublishError::Unfit { reason }) => {
                app.metrics.unconfirmed.inc();
                if unfit(app, &owed, &reason).await {
                    done.push(owed.row);
                }
            }
            Err(error) => {
                app.metrics.unconfirmed.inc();
                tracing::warn!(%error, outbox.id = owed.row, "not published; it is tried again");
            }
        }
    }
    app.metrics.published.inc_by(u64::try_from(done.len()).unwrap_or(0));
    if unroutable.is_empty() {
        return done;
    }
    let types: Vec<&JobType> = unroutable.iter().filter_map(|owed| owed.job_type.as_ref()).collect();
    if let Err(error) = app.broker.declare(&Topology::job_queues(&app.names, types)).await {
        tracing::warn!(%error, "the queues of job types cannot be declared; their messages are tried again");
        return done;
    }
    let again = app.broker.publish(unroutable.iter().map(|owed| owed.publication.clone()).collect()).await;
    done.extend(unroutable.iter().zip(again).filter(|(_, outcome)| outcome.is_ok()).map(|(owed, _)| owed.row));
    done
}

/// A message that no broker takes, however often it is tried: its job fails, and says why. Whether that is settled.
async fn unfit(app: &App, owed: &Owed, reason: &str) -> bool {
    tracing::error!(reason, outbox.id = owed.row, "a message can never be published");
    let Some((job_id, dispatch)) = owed.fence else { return true };
    let error = JobError::permanent("undeliverable", format!("its message cannot be sent: {reason}"));
    match app.store.fold(&app.context, vec![Input::Undeliverable { job_id, dispatch, error }]).await {
        Ok(folded) => {
            app.committed(folded);
            true
        }
        Err(error) => {
            tracing::warn!(%error, job.id = %job_id, "the job of such a message cannot be failed; it is tried again");
            false
        }
    }
}

/// Whether what is confirmed is deleted.
async fn forget(app: &App) -> bool {
    let deleted = app.store.delete_confirmed().await;
    if let Err(error) = &deleted {
        tracing::warn!(%error, "published rows stay in the outbox for now");
    }
    deleted.is_ok()
}

fn job_publication(app: &App, made: &TracedMessage) -> Result<Publication, DecodeError> {
    let job = &made.message;
    let body = encode(job, app.message_bytes)?;
    let mut headers = Headers::from([
        ("attempt".to_owned(), job.attempt.to_string()),
        ("dispatch".to_owned(), job.dispatch.to_string()),
    ]);
    headers.extend(made.traceparent.map(|place| ("traceparent".to_owned(), place.to_string())));
    Ok(Publication {
        exchange: app.names.jobs_exchange(),
        routing_key: job.job_type.to_string(),
        body: Bytes::from(body),
        properties: Properties {
            message_id: Some(job.id.to_string()),
            correlation_id: Some(job.root_id.to_string()),
            reply_to: Some(app.names.events_queue()),
            headers,
            ..properties::<JobMessage>(app)
        },
        mandatory: true,
    })
}

fn control_publication(app: &App, body: &Value) -> Option<Publication> {
    Some(Publication {
        exchange: app.names.control_exchange(),
        routing_key: String::new(),
        body: Bytes::from(serde_json::to_vec(body).ok()?),
        properties: properties::<Control>(app),
        mandatory: false,
    })
}

fn notification_publication(app: &App, body: &Value) -> Option<Publication> {
    let notification: Notification = serde_json::from_value(body.clone()).ok()?;
    Some(Publication {
        exchange: app.names.notifications_exchange(),
        routing_key: notification.routing_key(),
        body: Bytes::from(serde_json::to_vec(&notification).ok()?),
        properties: Properties {
            message_id: Some(notification.id.clone()),
            content_type: Some("application/cloudevents+json".into()),
            ..properties::<Notification>(app)
        },
        mandatory: false,
    })
}

/// What every message of this kind says of itself.
pub fn properties<T: MessageType>(app: &App) -> Properties {
    Properties {
        message_id: Some(uuid::Uuid::now_v7().to_string()),
        kind: Some(T::type_property()),
        content_type: Some("application/json".into()),
        app_id: Some(app.names.prefix().into()),
        timestamp: Some(Utc::now()),
        ..Properties::default()
    }
}

#[cfg(test)]
mod tests {
    use drover_protocol::Submission;
    use drover_tests::wait::{self, Seen};
    use serde_json::json;

    use super::*;
    use crate::{
        duty::Pace,
        testing::{Desk, job_type},
    };

    /// Submits a job, relays its message to a broker that refuses it, and gives the job and what the outbox still owes.
    async fn relayed(refusal: PublishError) -> (Value, i64) {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        desk.broker.refuse(refusal);
        let submission = Submission {
            job_type: job_type("work"),
            params: json!({}),
            labels: Default::default(),
            run_at: None,
            idempotency_key: None,
        };
        let root = desk.root(submission, None).await;
        let id = root.job.id;
        let (_, folded) = desk.app.store.submit(&desk.app.context, vec![root]).await.expect("accepted");
        send(&desk.app, folded.outbox).await;
        forget(&desk.app).await;
        let job = desk.app.store.view_job(id, false).await.expect("read").expect("it is there");
        let client = desk.database.connect().await.expect("a connection");
        let owed = client.query_one("SELECT count(*) FROM outbox WHERE kind = 'job'", &[]).await.expect("counted");
        (job.view, owed.get(0))
    }

    #[tokio::test]
    async fn a_message_that_can_never_be_sent_fails_its_job() {
        let (job, owed) = relayed(PublishError::Unfit { reason: "a header is too long".into() }).await;
        assert_eq!((&job["status"], &job["error"]["kind"]), (&json!("failed"), &json!("undeliverable")), "{job}");
        assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("a header is too long")), "{job}");
        assert_eq!(owed, 0, "it is not tried again");
    }

    #[tokio::test]
    async fn a_job_continues_the_trace_of_its_submission_also_when_its_message_is_made_later() {
        let caller = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let submission = Submission {
            job_type: job_type("work"),
            params: json!({}),
            labels: Default::default(),
            run_at: None,
            idempotency_key: None,
        };
        let id = desk
            .app
            .submit(crate::gather::Offer { submission, key: None, caller: caller.parse().ok() })
            .await
            .expect("accepted")
            .id;
        let silence = Duration::from_secs(3);
        let client = desk.database.connect().await.expect("a connection");
        client.execute("UPDATE outbox SET claimed_until = clock_timestamp()", &[]).await.expect("its claim is over");
        desk.app.store.release_claims(silence).await.expect("released");
        let rows = desk.app.store.claim_outbox(10, desk.app.context.claim).await.expect("claimed");
        send(&desk.app, rows).await;
        let published = desk.broker.published();
        let message = published.iter().find(|message| message.properties.message_id == Some(id.to_string()));
        let place = message.expect("it was published").properties.headers.get("traceparent");
        let span = crate::traces::span_of(id, 0);
        assert_eq!(place, Some(&format!("00-0af7651916cd43dd8448eb211c80319c-{span:016x}-01")));
    }

    #[tokio::test]
    async fn what_nobody_sent_is_found_in_the_outbox() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        // Whoever committed this ended before it could send anything.
        let id = desk.submit("work").await;
        let client = desk.database.connect().await.expect("a connection");
        client.execute("UPDATE outbox SET claimed_until = clock_timestamp()", &[]).await.expect("its claim is over");
        let (shutdown, pace) = (CancellationToken::new(), Pace { lease: Duration::from_secs(15) });
        let sweeper = tokio::spawn(sweep(Arc::clone(&desk.app), pace, shutdown.clone()));
        wait::until("an empty outbox", Duration::from_secs(10), async || {
            let owed: i64 = client.query_one("SELECT count(*) FROM outbox", &[]).await?.get(0);
            Ok(if owed == 0 { Seen::Yes(()) } else { Seen::not_yet(format!("{owed} rows")) })
        })
        .await
        .expect("swept");
        shutdown.cancel();
        sweeper.await.expect("it ends");
        let published = desk.broker.published();
        let message = published.iter().find(|message| message.properties.message_id == Some(id.to_string()));
        assert!(message.is_some(), "{published:?}");
    }

    #[tokio::test]
    async fn a_message_that_was_not_confirmed_stays_owed() {
        let (job, owed) = relayed(PublishError::Unconfirmed { reason: "the connection broke".into() }).await;
        assert_eq!((&job["status"], owed), (&json!("pending"), 1), "{job}");
    }
}
