//! Submissions that come at the same time are accepted together: one transaction, one commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_protocol::Submission;
use drover_service::telemetry::{SpanKind, TraceParent};
use tokio::sync::oneshot;

use crate::{
    app::{ActionError, App, Idempotency, Submitted},
    store::{Accepted, NewRoot, StoreError},
    traces::Submitting,
};

/// Most that one transaction accepts.
const TOGETHER: usize = 64;
/// Most that wait; each belongs to a request that waits, too.
const WAITING: usize = 4_096;

/// What is submitted.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The submission.
    pub submission: Submission,
    /// Makes a repeat harmless.
    pub key: Option<Idempotency>,
    /// Where in a trace whoever submits is.
    pub caller: Option<TraceParent>,
}

/// What was submitted and waits for its transaction.
#[derive(Default)]
pub struct Gathered(Mutex<Gathering>);

#[derive(Default)]
struct Gathering {
    waiting: Vec<Waiting>,
    /// Somebody accepts what waits.
    at_work: bool,
}

type Outcome = Result<Submitted, ActionError>;

struct Waiting {
    offer: Offer,
    answer: oneshot::Sender<Outcome>,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to accept what waits. Should that panic, nobody waits for ever, and the next submission begins anew.
struct Turn(Arc<App>);

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.gathered.lock() = Gathering::default();
        }
    }
}

impl App {
    /// Accepts a job. It is accepted even if the caller stops waiting.
    ///
    /// # Errors
    /// When the type is unknown, the parameters do not fit, the key was used for something else, or the database is away.
    pub async fn submit(self: &Arc<Self>, offer: Offer) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut gathered = self.gathered.lock();
            if gathered.waiting.len() >= WAITING {
                return Err(ActionError::Busy(WAITING));
            }
            gathered.waiting.push(Waiting { offer, answer });
            !std::mem::replace(&mut gathered.at_work, true)
        };
        if begins {
            // A task of its own: others wait for the same transaction, and whoever began it may go away.
            tokio::spawn(accept(Turn(Arc::clone(self))));
        }
        answered.await.unwrap_or(Err(ActionError::Unanswered))
    }

    /// Checks submissions and accepts those that fit, all in one transaction. `kind`: of the span that each of them is.
    ///
    /// # Errors
    /// When the database is away or one of them breaks the transaction: nothing was accepted.
    pub async fn accept(&self, offers: Vec<Offer>, kind: SpanKind) -> Result<Vec<Outcome>, StoreError> {
        let callers: Vec<Option<TraceParent>> = offers.iter().map(|offer| offer.caller).collect();
        let submissions = offers.into_iter().map(|offer| (offer.submission, offer.key)).collect();
        let mut roots = Vec::new();
        let mut begin = |mut root: NewRoot, caller: Option<TraceParent>| {
            let span = Submitting::begin(&self.context.traces, caller, kind, &mut root);
            roots.push(root);
            span
        };
        let checked = self.check_all(submissions).await?.into_iter().zip(callers);
        let checked: Vec<Result<Option<Submitting>, ActionError>> =
            checked.map(|(check, caller)| check.map(|root| begin(root, caller))).collect();
        let mut accepted = Vec::new();
        if !roots.is_empty() {
            let (outcomes, folded) = self.store.submit(&self.context, roots).await?;
            self.committed(folded);
            accepted = outcomes;
        }
        let mut accepted = accepted.into_iter();
        let outcome = |check: Result<Option<Submitting>, ActionError>| {
            check.and_then(|span| match accepted.next() {
                Some(Accepted::New(id, status)) => {
                    self.metrics.submitted.inc();
                    span.into_iter().for_each(|span| span.accepted(&self.context.traces));
                    Ok(Submitted { id, made: Some(status) })
                }
                Some(Accepted::Duplicate(id)) => Ok(Submitted { id, made: None }),
                Some(Accepted::Conflict(id)) => Err(ActionError::KeyConflict(id)),
                None => Err(ActionError::Unanswered),
            })
        };
        Ok(checked.into_iter().map(outcome).collect())
    }
}

/// Accepts what waits, until nothing does.
async fn accept(turn: Turn) {
    let app = &turn.0;
    loop {
        let batch = {
            let mut gathered = app.gathered.lock();
            if gathered.waiting.is_empty() {
                // Under the lock, so that nobody comes in between and waits for ever.
                gathered.at_work = false;
                return;
            }
            let count = gathered.waiting.len().min(TOGETHER);
            gathered.waiting.drain(..count).collect::<Vec<_>>()
        };
        accept_batch(app, batch).await;
    }
}

async fn accept_batch(app: &App, batch: Vec<Waiting>) {
    let offers = |batch: &[Waiting]| batch.iter().map(|one| one.offer.clone()).collect();
    match app.accept(offers(&batch), SpanKind::Server).await {
        Ok(outcomes) => answer(batch, outcomes),
        Err(error) if batch.len() > 1 && !error.is_worth_repeating(batch.len()) => {
            tracing::warn!(%error, count = batch.len(), "submissions cannot be accepted together; each is tried alone");
            for one in batch {
                let alone = vec![one];
                match app.accept(offers(&alone), SpanKind::Server).await {
                    Ok(outcomes) => answer(alone, outcomes),
                    Err(error) => refuse(alone, error),
                }
            }
        }
        Err(error) => refuse(batch, error),
    }
}

fn answer(batch: Vec<Waiting>, outcomes: Vec<Outcome>) {
    for (one, outcome) in batch.into_iter().zip(outcomes) {
        // Whoever asked may have gone.
        let _ = one.answer.send(outcome);
    }
}

fn refuse(batch: Vec<Waiting>, error: StoreError) {
    let error = Arc::new(error);
    for one in batch {
        let _ = one.answer.send(Err(StoreError::Shared(Arc::clone(&error)).into()));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Desk, job_type};

    fn offer(name: &str, params: Value, key: Option<Idempotency>) -> Offer {
        let labels = Default::default();
        let submission = Submission { job_type: job_type(name), params, labels, run_at: None, idempotency_key: None };
        Offer { submission, key, caller: None }
    }

    #[tokio::test]
    async fn each_of_many_at_once_gets_its_own_answer() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let key = |key: &str| Some(Idempotency { scope: "test".into(), key: key.into() });
        let all = (0..200).map(|index| match index % 4 {
            0 => desk.app.submit(offer("work", json!({ "path": index.to_string() }), None)),
            1 => desk.app.submit(offer("work", json!({ "path": 1 }), None)),
            2 => desk.app.submit(offer("unknown", json!({}), None)),
            _ => desk.app.submit(offer("work", json!({ "path": "same" }), key("same"))),
        });
        let outcomes = join_all(all).await;
        let mut made = std::collections::BTreeSet::new();
        for (index, outcome) in outcomes.iter().enumerate() {
            match (index % 4, outcome) {
                (0, Ok(Submitted { id, made: Some(_) })) => {
                    let job = desk.app.store.view_job(*id, false).await.expect("read").expect("it is there");
                    assert_eq!(job.view["params"]["path"], index.to_string());
                }
                (1, Err(ActionError::InvalidParams { .. })) | (2, Err(ActionError::UnknownType(_))) => {}
                (3, Ok(Submitted { id, .. })) => drop(made.insert(*id)),
                (_, other) => panic!("submission {index}: {other:?}"),
            }
        }
        assert_eq!(made.len(), 1, "one key, one job");
        let client = desk.database.connect().await.expect("a connection");
        let count: i64 = client.query_one("SELECT count(*) FROM jobs", &[]).await.expect("counted").get(0);
        assert_eq!(count, 51);
        let commits = "SELECT count(DISTINCT xmin::text) FROM jobs";
        let commits: i64 = client.query_one(commits, &[]).await.expect("counted").get(0);
        assert!(commits < 20, "{commits} transactions");
    }

    #[tokio::test]
    async fn one_that_breaks_the_transaction_harms_itself_only() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let client = desk.database.connect().await.expect("a connection");
        let refusal = "ALTER TABLE jobs ADD CONSTRAINT refused CHECK (params ->> 'path' <> 'bad')";
        client.batch_execute(refusal).await.expect("constrained");
        let all = ["a", "bad", "b"].map(|path| desk.app.submit(offer("work", json!({ "path": path }), None)));
        let outcomes = join_all(all).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
        assert!(matches!(outcomes[1], Err(ActionError::Store(_))), "{outcomes:?}");
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nothing_from_the_others() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let mut first = Box::pin(desk.app.submit(offer("work", json!({}), None)));
        assert!(futures_util::poll!(&mut first).is_pending(), "it leads");
        let second = desk.app.submit(offer("work", json!({}), None));
        drop(first);
        second.await.expect("accepted");
    }
}
