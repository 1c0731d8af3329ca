//! The outbox: messages that committed transactions owe to the broker.

use std::time::{Duration, Instant};

use drover_engine::{Job, definition::Step, job::Policy};
use drover_protocol::{Control, JobId, JobMessage, JobType, Notification};
use drover_service::telemetry::TraceParent;
use serde_json::Value;
use tokio_postgres::Statement;
use uuid::Uuid;

use super::{
    Store, StoreError, Unit,
    rows::{self, seconds, signed, unsigned},
    statements as sql,
};
use crate::traces;

/// Who publishes a row of the outbox, and how long others leave it to it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The replica.
    pub by: Uuid,
    /// A publish that takes longer is repeated by another replica, which the fence makes harmless.
    pub lasts: Duration,
}

/// A message that is owed to the broker.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// The row's id; 0 until it is inserted.
    pub id: i64,
    /// What it is.
    pub outgoing: Outgoing,
}

/// What is owed.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// The message of this dispatch of a job.
    Job {
        /// The job.
        job_id: JobId,
        /// The dispatch.
        dispatch: u32,
        /// What it says, if whoever wrote the row had all of it at hand; else it is read when it is sent.
        fresh: Option<Box<Fresh>>,
    },
    /// A control message.
    Control(Value),
    /// A notification.
    Notification(Value),
}

/// The message of a dispatch, and where in a trace it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TracedMessage {
    /// The message.
    pub message: JobMessage,
    /// The span of the job, which its worker continues; `None`: it is part of no trace.
    pub traceparent: Option<TraceParent>,
}

/// A message as the fold that owes it knew it. Only while it is young: what was cancelled since must not be published
/// once that may have settled.
#[derive(Clone, Debug)]
pub struct Fresh {
    made: Instant,
    message: TracedMessage,
}

/// Far less than a cancel takes to be broadcast, acknowledged and folded, and for another worker to come up.
const YOUNG: Duration = Duration::from_millis(250);

impl Fresh {
    pub(super) fn new(message: TracedMessage) -> Self {
        Self { made: Instant::now(), message }
    }

    /// The message, while it is young.
    #[must_use]
    pub fn message(self) -> Option<TracedMessage> {
        (self.made.elapsed() < YOUNG).then_some(self.message)
    }
}

impl OutboxRow {
    pub(super) fn job(job_id: JobId, dispatch: u32, message: Option<TracedMessage>) -> Self {
        let fresh = message.map(|message| Box::new(Fresh::new(message)));
        Self { id: 0, outgoing: Outgoing::Job { job_id, dispatch, fresh } }
    }

    pub(super) fn control(control: &Control) -> Self {
        Self { id: 0, outgoing: Outgoing::Control(serde_json::to_value(control).unwrap_or_default()) }
    }

    pub(super) fn notification(notification: &Notification) -> Self {
        Self { id: 0, outgoing: Outgoing::Notification(serde_json::to_value(notification).unwrap_or_default()) }
    }
}

impl Outgoing {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Job { .. } => "job",
            Self::Control(_) => "control",
            Self::Notification(_) => "notification",
        }
    }

    fn read(kind: &str, job_id: Option<Uuid>, dispatch: Option<i32>, body: Option<Value>) -> Option<Self> {
        match (kind, job_id, dispatch, body) {
            ("job", Some(job_id), Some(dispatch), _) => {
                Some(Self::Job { job_id: JobId(job_id), dispatch: unsigned(dispatch), fresh: None })
            }
            ("control", _, _, Some(body)) => Some(Self::Control(body)),
            ("notification", _, _, Some(body)) => Some(Self::Notification(body)),
            _ => None,
        }
    }

    const fn fence(&self) -> (Option<JobId>, Option<u32>) {
        match self {
            Self::Job { job_id, dispatch, .. } => (Some(*job_id), Some(*dispatch)),
            Self::Control(_) | Self::Notification(_) => (None, None),
        }
    }

    const fn body(&self) -> Option<&Value> {
        match self {
            Self::Job { .. } => None,
            Self::Control(body) | Self::Notification(body) => Some(body),
        }
    }
}

/// Writes what is owed. The rows are claimed for whoever commits them: it sends them at once.
pub(super) async fn insert(
    tx: &Unit,
    statement: &Statement,
    mut owed: Vec<OutboxRow>,
    claim: Claim,
) -> Result<Vec<OutboxRow>, StoreError> {
    if owed.is_empty() {
        return Ok(owed);
    }
    let kinds: Vec<&str> = owed.iter().map(|row| row.outgoing.kind()).collect();
    let jobs: Vec<Option<Uuid>> = owed.iter().map(|row| row.outgoing.fence().0.map(|id| id.0)).collect();
    let dispatches: Vec<Option<i32>> = owed.iter().map(|row| row.outgoing.fence().1.map(signed)).collect();
    let bodies: Vec<Option<&Value>> = owed.iter().map(|row| row.outgoing.body()).collect();
    let ids = tx.query(statement, &[&kinds, &jobs, &dispatches, &bodies, &seconds(claim.lasts), &claim.by]).await?;
    for (row, id) in owed.iter_mut().zip(ids) {
        row.id = id.try_get(0)?;
    }
    Ok(owed)
}

impl Store {
    /// Ends the claims of replicas that were silent for so long: what they owe is for whoever looks next.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release_claims(&self, silence: Duration) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::RELEASE_CLAIMS).await?;
        client.execute(&statement, &[&seconds(silence)]).await?;
        Ok(())
    }

    /// Takes up to `limit` rows that nobody sends: their claim is over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_outbox(&self, limit: i64, claim: Claim) -> Result<Vec<OutboxRow>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::CLAIM_OUTBOX).await?;
        let rows = client.query(&statement, &[&limit, &seconds(claim.lasts), &claim.by]).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.try_get(0)?;
            let kind: String = row.try_get(1)?;
            let outgoing = Outgoing::read(&kind, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)
                .ok_or_else(|| StoreError::corrupt(format!("outbox row {id}"), &kind))?;
            claimed.push(OutboxRow { id, outgoing });
        }
        Ok(claimed)
    }

    /// The messages of these dispatches. One that is no longer current has none.
    ///
    /// # Errors
    /// When the database is away or a row cannot be read.
    pub async fn job_messages(&self, dispatches: &[(JobId, u32)]) -> Result<Vec<TracedMessage>, StoreError> {
        let client = self.by_key().await?;
        let statement = client.prepare_cached(sql::JOB_MESSAGES).await?;
        let ids: Vec<Uuid> = dispatches.iter().map(|(id, _)| id.0).collect();
        let numbers: Vec<i32> = dispatches.iter().map(|(_, dispatch)| signed(*dispatch)).collect();
        let rows = client.query(&statement, &[&ids, &numbers]).await?;
        rows.iter().map(job_message).collect()
    }
}

/// The message of a job that the fold made; `None` for one that was loaded, whose parameters it does not know.
pub(super) fn message_of(job: &Job, step: Option<&Step>, root: Option<TraceParent>) -> Option<TracedMessage> {
    let message = JobMessage {
        id: job.id,
        job_type: job.job_type.clone(),
        attempt: job.attempt,
        dispatch: job.dispatch,
        parent_id: job.parent.map(|parent| parent.id),
        root_id: job.root_id,
        step: step.map(|step| step.key.clone()),
        params: job.params.clone()?,
        timeout_seconds: timeout_seconds(&job.policy),
        deadline: None,
        idempotency_key: idempotency_key(job.id, job.round),
    };
    Some(TracedMessage { message, traceparent: place(root, job.id, job.run) })
}

/// The same for every try, and another one for each round: that is to have an effect of its own.
fn idempotency_key(id: JobId, round: u32) -> String {
    if round > 1 { format!("{id}:{round}") } else { id.to_string() }
}

/// Where the job stands in the trace of its root.
fn place(root: Option<TraceParent>, id: JobId, run: u32) -> Option<TraceParent> {
    root.map(|root| root.with_span(traces::span_of(id, run)))
}

fn timeout_seconds(policy: &Policy) -> Option<f64> {
    policy.timeout_ms.map(|timeout| Duration::from_millis(timeout).as_secs_f64())
}

fn job_message(row: &tokio_postgres::Row) -> Result<TracedMessage, StoreError> {
    let id = JobId(row.try_get("id")?);
    let policy = rows::json::<Policy>(row, "policy", id)?.unwrap_or_default();
    let job_type: String = row.try_get("type")?;
    let root = row.try_get::<_, Option<&str>>("root_traceparent")?.and_then(|text| text.parse().ok());
    let traceparent = place(root, id, unsigned(row.try_get("run")?));
    let message = JobMessage {
        id,
        job_type: JobType::new(job_type).map_err(|error| StoreError::corrupt(format!("job {id}"), error))?,
        attempt: unsigned(row.try_get("attempt")?),
        dispatch: unsigned(row.try_get("dispatch")?),
        parent_id: row.try_get::<_, Option<Uuid>>("parent_id")?.map(JobId),
        root_id: JobId(row.try_get("root_id")?),
        step: row.try_get("step_key")?,
        params: row.try_get("params")?,
        timeout_seconds: timeout_seconds(&policy),
        deadline: None,
        idempotency_key: idempotency_key(id, unsigned(row.try_get("round")?)),
    };
    Ok(TracedMessage { message, traceparent })
}

#[cfg(test)]
mod tests {
    use drover_protocol::Submission;
    use serde_json::json;

    use super::*;
    use crate::testing::{Desk, job_type};

    const WORKFLOW: &str = "
name: timed
title: Timed
steps:
  - key: only
    title: Only
    job: work
    timeout: 90s
    params: { path: \"${input.path}\" }
";

    #[tokio::test]
    async fn the_message_that_a_fold_hands_over_is_the_one_that_would_be_read() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        desk.apply(WORKFLOW).await;
        for (name, params) in [("timed", json!({ "path": "/a" })), ("work", json!({ "path": "/b" }))] {
            let submission = Submission {
                job_type: job_type(name),
                params,
                labels: Default::default(),
                run_at: None,
                idempotency_key: None,
            };
            let mut root = desk.root(submission, None).await;
            root.traceparent = Some(TraceParent::begin(7, 8));
            let (_, folded) = desk.app.store.submit(&desk.app.context, vec![root]).await.expect("accepted");
            let owed = folded.outbox.into_iter().find_map(|row| match row.outgoing {
                Outgoing::Job { job_id, dispatch, fresh } => Some((job_id, dispatch, fresh)),
                Outgoing::Control(_) | Outgoing::Notification(_) => None,
            });
            let (job_id, dispatch, fresh) = owed.expect("a message is owed");
            let fresh = fresh.expect("the fold made the job").message;
            assert_eq!(fresh.traceparent, Some(TraceParent::begin(7, traces::span_of(job_id, 0))));
            let read = desk.app.store.job_messages(&[(job_id, dispatch)]).await.expect("read");
            assert_eq!(read, [fresh], "{name}");
        }
    }

    #[test]
    fn a_message_is_handed_over_only_while_it_is_young() {
        let message = JobMessage {
            id: JobId(Uuid::now_v7()),
            job_type: job_type("work"),
            attempt: 1,
            dispatch: 1,
            parent_id: None,
            root_id: JobId(Uuid::now_v7()),
            step: None,
            params: json!({}),
            timeout_seconds: None,
            deadline: None,
            idempotency_key: "1".into(),
        };
        let message = TracedMessage { message, traceparent: None };
        assert_eq!(Fresh::new(message.clone()).message(), Some(message.clone()));
        let made = Instant::now().checked_sub(YOUNG).expect("the machine runs that long");
        assert_eq!(Fresh { made, message }.message(), None);
    }
}
