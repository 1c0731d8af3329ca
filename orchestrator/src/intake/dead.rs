//! Dead letters: what nobody could process is kept in the database with the reason, where people look for it.
//!
//! What this process refuses is put there at once. What a worker refuses, and what the broker gave up, comes by the broker's
//! dead-letter queue.

use std::sync::Arc;

use bytes::Bytes;
use drover_broker::{Deliveries, Delivery, Settle};
use drover_engine::Input;
use drover_protocol::{JobError, JobEvent, JobId};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    Behind, batch,
    letter::{self, is_of_jobs},
    subscribe_apart, until_done,
};
use crate::{app::App, relay::properties, store::DeadLetter};

/// Most unsettled deliveries: each may be as large as the broker takes.
const PREFETCH: u16 = 32;
/// Most bytes of one statement, unless a single letter has more.
const STATEMENT_BYTES: usize = 16 * 1024 * 1024;

/// What cannot be processed of a batch of deliveries.
pub(super) struct Bad {
    /// Index of the delivery.
    pub(super) index: usize,
    /// What is wrong.
    pub(super) reason: String,
    /// The part of the delivery's body that is bad.
    pub(super) body: Bytes,
}

/// Puts what is bad of a queue's deliveries where a person finds it. Indexes of the deliveries that must be given back, since
/// that did not succeed before shutdown.
pub(super) async fn bury(
    app: &App,
    queue: &str,
    taken: &[Delivery],
    bad: Vec<Bad>,
    shutdown: &CancellationToken,
) -> Vec<usize> {
    if bad.is_empty() {
        return Vec::new();
    }
    let mut letters = Vec::with_capacity(bad.len());
    for Bad { index, reason, body } in &bad {
        tracing::warn!(queue, %reason, "a message cannot be processed; it goes to the dead letters");
        letters.extend(taken.get(*index).map(|delivery| letter::refused(app, queue, delivery, reason, body)));
    }
    let kept = keep(app, &letters, shutdown).await.unwrap_or_else(|| vec![false; letters.len()]);
    bad.iter().zip(kept).filter(|(_, kept)| !kept).map(|(bad, _)| bad.index).collect()
}

/// Puts an event of a queue that broke its transaction where a person finds it. `None`: shutdown came first.
pub(super) async fn bury_event(
    app: &App,
    queue: &str,
    event: &JobEvent,
    reason: &str,
    shutdown: &CancellationToken,
) -> Option<()> {
    tracing::warn!(queue, %reason, job.id = %event.job_id, "an event cannot be processed; it goes to the dead letters");
    let body = serde_json::to_vec(event).unwrap_or_default();
    let letter = letter::of_ours(app, queue, &properties::<JobEvent>(app), reason, &body);
    keep(app, &[letter], shutdown).await.map(drop)
}

/// Takes what the broker gave up into the database until shutdown.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let behind = Behind::default();
    let Some(mut deliveries) = subscribe_apart(&app, &app.names.dead(), PREFETCH, &shutdown).await else { return };
    while let Some(taken) = batch(&mut deliveries, &behind, &shutdown).await {
        let letters: Vec<DeadLetter> = taken.iter().map(|delivery| letter::dead(&app, delivery)).collect();
        let Some(kept) = keep(&app, &letters, &shutdown).await else { return };
        for ((delivery, letter), kept) in taken.iter().zip(&letters).zip(kept) {
            if fail_job(&app, delivery, letter, &shutdown).await.is_none() {
                return;
            }
            settle(&*deliveries, delivery, kept).await;
        }
    }
}

/// One that could not be kept stays unsettled: the broker holds it, and delivers it again to the next connection.
async fn settle(deliveries: &dyn Deliveries, delivery: &Delivery, kept: bool) {
    if kept {
        deliveries.settle(delivery.tag, Settle::Ack).await;
    }
}

/// Keeps dead letters, trying until the database takes them. One that it refuses is kept without what it may have refused.
/// Which are kept; `None`: shutdown came first.
async fn keep(app: &App, letters: &[DeadLetter], shutdown: &CancellationToken) -> Option<Vec<bool>> {
    let mut kept = Vec::with_capacity(letters.len());
    for part in parts(letters) {
        match until_done!("keeping dead letters", shutdown, app.store.insert_dead_letters(part))? {
            Ok(()) => kept.extend(part.iter().map(|_| true)),
            Err(error) => {
                tracing::warn!(%error, count = part.len(), "dead letters are kept one by one");
                for letter in part {
                    kept.push(keep_one(app, letter, shutdown).await?);
                }
            }
        }
    }
    app.metrics.dead_letters.inc_by(kept.iter().map(|kept| u64::from(*kept)).sum());
    Some(kept)
}

async fn keep_one(app: &App, letter: &DeadLetter, shutdown: &CancellationToken) -> Option<bool> {
    let whole = std::slice::from_ref(letter);
    let refusal = match until_done!("keeping a dead letter", shutdown, app.store.insert_dead_letters(whole))? {
        Ok(()) => return Some(true),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = refusal, queue = letter.queue, "a dead letter cannot be kept whole");
    let bare = [letter::bare(letter, &refusal)];
    match until_done!("keeping a dead letter", shutdown, app.store.insert_dead_letters(&bare))? {
        Ok(()) => Some(true),
        Err(error) => {
            tracing::error!(%error, queue = letter.queue, "a dead letter cannot be kept; the broker holds it");
            Some(false)
        }
    }
}

/// Cuts letters into parts of one statement each.
fn parts(letters: &[DeadLetter]) -> Vec<&[DeadLetter]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (index, letter) in letters.iter().enumerate() {
        if index > begin && bytes + letter.body.len() > STATEMENT_BYTES {
            parts.extend(letters.get(begin..index));
            (begin, bytes) = (index, 0);
        }
        bytes += letter.body.len();
    }
    parts.extend(letters.get(begin..).filter(|rest| !rest.is_empty()));
    parts
}

/// Enough of a job message to say whose it is.
#[derive(Deserialize)]
pub(crate) struct JobFence {
    pub(crate) id: JobId,
    pub(crate) dispatch: u32,
}

impl JobFence {
    /// Whose message the body is, whatever its version.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A job whose message is dead never starts: it fails, with the reason. That of an older dispatch changes nothing.
/// `None`: shutdown came first.
async fn fail_job(app: &App, delivery: &Delivery, letter: &DeadLetter, shutdown: &CancellationToken) -> Option<()> {
    if !is_of_jobs(app, &letter.queue) {
        return Some(());
    }
    let Some(JobFence { id, dispatch }) = JobFence::of(&delivery.body) else { return Some(()) };
    let reason = letter.detail.as_deref().unwrap_or(&letter.reason);
    let message = format!("its message went to the dead letters: {reason}");
    let error = JobError::permanent("dead_letter", message);
    let input = Input::Undeliverable { job_id: id, dispatch, error };
    match until_done!("failing a job", shutdown, app.store.fold(&app.context, vec![input.clone()]))? {
        Ok(folded) => app.committed(folded),
        Err(error) => tracing::error!(%error, job.id = %id, "the job of a dead letter cannot be failed"),
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use drover_broker::{Properties, Tag};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Desk;

    fn delivery(body: &[u8], headers: &[(&str, &str)]) -> Delivery {
        let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Delivery {
            tag: Tag { session: 1, number: 1 },
            body: body.to_vec().into(),
            properties: Properties { headers, ..Properties::default() },
            exchange: "drover.dead".into(),
            routing_key: "noop".into(),
            redelivered: false,
        }
    }

    async fn listed(desk: &Desk) -> Vec<crate::store::DeadView> {
        desk.app.store.view_dead(&Default::default(), None, 100, 100).await.unwrap().0
    }

    #[tokio::test]
    async fn what_postgres_cannot_store_is_made_storable() {
        let desk = Desk::new().await;
        let huge = "h".repeat(100_000);
        let mut given = delivery(&[0, 0xff, b'x'], &[("a\0b", "c\0d"), ("huge", &huge), ("redrives", "2")]);
        given.properties.message_id = Some("i\0d".into());
        given.properties.kind = Some("k\0".into());
        given.properties.content_type = Some("t\0".into());
        given.properties.reply_to = Some("r\0".into());
        let stop = CancellationToken::new();
        let bad = Bad { index: 0, reason: "no\0good".into(), body: given.body.clone() };
        assert_eq!(bury(&desk.app, "drover.events", &[given], vec![bad], &stop).await, [0_usize; 0]);

        let kept = &listed(&desk).await[0];
        assert_eq!((kept.queue.as_str(), kept.reason.as_str()), ("drover.events", "refused"));
        assert_eq!(kept.detail.as_deref(), Some("no\u{fffd}good"));
        assert_eq!((kept.body.as_slice(), kept.body_bytes, kept.truncated), (&[0, 0xff, b'x'][..], 3, false));
        assert_eq!(kept.message_id.as_deref(), Some("i\u{fffd}d"));
        let headers = &kept.properties["headers"];
        assert_eq!((&headers["a\u{fffd}b"], &headers["huge"]), (&json!("c\u{fffd}d"), &json!(huge)));
        assert_eq!((kept.redrives, &kept.properties["routing_key"]), (2, &json!("noop")));
    }

    #[tokio::test]
    async fn of_a_body_that_no_broker_takes_again_the_beginning_is_kept() {
        let desk = Desk::new().await;
        let long = vec![b'x'; 17 * 1024 * 1024];
        let given =
            delivery(&long, &[("x-first-death-queue", "drover.jobs.noop"), ("x-first-death-reason", "rejected")]);
        let letters = [letter::dead(&desk.app, &given), letter::dead(&desk.app, &delivery(b"{}", &[]))];
        assert_eq!(keep(&desk.app, &letters, &CancellationToken::new()).await, Some(vec![true, true]));
        let kept = listed(&desk).await;
        assert_eq!((kept[1].body_bytes, kept[1].truncated), (17 * 1024 * 1024, true));
        assert!(
            kept[1].detail.as_deref().is_some_and(|detail| detail.contains("17825792 bytes")),
            "{:?}",
            kept[1].detail
        );
        let whole = desk.app.store.view_dead_letter(kept[1].id).await.unwrap().unwrap();
        assert_eq!(whole.body.len(), 16 * 1024 * 1024);
        assert_eq!((kept[0].queue.as_str(), kept[0].reason.as_str()), ("drover.dead", "published"));
    }

    #[tokio::test]
    async fn one_that_postgres_refuses_is_kept_without_what_it_refused_and_harms_no_other() {
        let desk = Desk::new().await;
        let good = letter::dead(&desk.app, &delivery(b"{}", &[]));
        // What the making of a letter takes out: to see what becomes of a refusal that nobody has thought of.
        let bad = DeadLetter {
            properties: json!({ "headers": { "a": "\0" } }),
            message_id: Some("a\0b".into()),
            body: vec![b'y'; 100_000],
            ..good.clone()
        };
        let kept = keep(&desk.app, &[good.clone(), bad, good], &CancellationToken::new()).await;
        assert_eq!(kept, Some(vec![true; 3]));
        let listed = listed(&desk).await;
        assert_eq!(listed.len(), 3);
        let bare = &listed[1];
        assert_eq!((bare.body_bytes, bare.truncated, bare.message_id.as_deref()), (100_000, true, Some("ab")));
        assert!(bare.detail.as_deref().is_some_and(|detail| detail.contains("only this much")), "{:?}", bare.detail);
        assert_eq!(bare.properties, Value::Object(Default::default()));
    }

    #[test]
    fn letters_are_cut_into_statements_by_their_bytes() {
        let letter = |bytes: usize| DeadLetter {
            queue: String::new(),
            reason: String::new(),
            detail: None,
            message_id: None,
            message_type: None,
            content_type: None,
            body: vec![0; bytes],
            whole_bytes: None,
            properties: Value::Null,
            job_id: None,
            redrives: 0,
        };
        let sizes = |letters: &[DeadLetter]| parts(letters).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[letter(STATEMENT_BYTES * 2), letter(1)]), [1, 1]);
        assert_eq!(sizes(&[letter(STATEMENT_BYTES / 2), letter(STATEMENT_BYTES / 2), letter(1)]), [2, 1]);
    }
}
