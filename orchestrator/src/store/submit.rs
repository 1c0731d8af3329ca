//! Accepting a job: the key, the job, its first message, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use drover_engine::fold::NewJob;
use drover_protocol::{JobId, JobStatus};
use drover_service::telemetry::TraceParent;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FoldContext, Folded, Store, StoreError, Unit, load::RootTraces, prune::delete_trees, statements as sql};

/// A checked submission.
#[derive(Clone, Debug)]
pub struct NewRoot {
    /// The job.
    pub job: NewJob,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Makes a repeat harmless: the way and the sender, the key, and what the submission says.
    pub key: Option<SubmissionKey>,
    /// The span above it, if it is part of a trace.
    pub traceparent: Option<TraceParent>,
}

/// The idempotency key of a submission.
#[derive(Clone, Debug)]
pub struct SubmissionKey {
    /// The way and the sender: keys of different senders have nothing to do with each other.
    pub scope: String,
    /// The key.
    pub key: String,
    /// Hash of what was submitted: the same key with another content is a mistake.
    pub fingerprint: String,
}

/// What became of a submission.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A job was made; where it stands.
    New(JobId, JobStatus),
    /// An earlier submission with the same key had made it.
    Duplicate(JobId),
    /// The key was used before for something else.
    Conflict(JobId),
}

impl Store {
    /// Accepts submissions, all in one transaction.
    ///
    /// # Errors
    /// When the database is away: nothing was accepted.
    pub async fn submit(
        &self,
        context: &FoldContext,
        roots: Vec<NewRoot>,
    ) -> Result<(Vec<Accepted>, Folded), StoreError> {
        let tx = self.unit().await?;
        let Claimed { outcomes, jobs, traces } = claim(&tx, roots).await?;
        let (folded, statuses) = Self::create(&tx, context, jobs, &traces).await?;
        let status = |id| statuses.get(&id).copied().unwrap_or(JobStatus::Pending);
        Ok((outcomes.into_iter().map(|(id, outcome)| outcome.accepted(id, status(id))).collect(), folded))
    }

    /// Deletes finished trees. The roots of those that are gone by this.
    ///
    /// # Errors
    /// When the database is away; then all of them are there.
    pub async fn delete(&self, roots: &[JobId]) -> Result<BTreeSet<JobId>, StoreError> {
        let ids: Vec<Uuid> = roots.iter().map(|id| id.0).collect();
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let gone = delete_trees(&tx, &ids, None).await?;
        tx.commit().await?;
        gone.iter().map(|row| Ok(JobId(row.try_get(0)?))).collect()
    }
}

/// What became of a key.
pub(super) enum Claim {
    New,
    Duplicate(JobId),
    Conflict(JobId),
}

impl Claim {
    /// The same for whoever submitted; `status`: where the job stands, if it is a new one.
    pub(super) const fn accepted(self, id: JobId, status: JobStatus) -> Accepted {
        match self {
            Self::New => Accepted::New(id, status),
            Self::Duplicate(found) => Accepted::Duplicate(found),
            Self::Conflict(found) => Accepted::Conflict(found),
        }
    }
}

/// Submissions whose keys are claimed.
pub(super) struct Claimed {
    /// What became of each, in their order.
    pub(super) outcomes: Vec<(JobId, Claim)>,
    /// The jobs to make, with their labels.
    pub(super) jobs: Vec<(NewJob, Value)>,
    /// Where the traces of these begin.
    pub(super) traces: RootTraces,
}

/// Claims the keys of those that have one.
pub(super) async fn claim(tx: &Unit, roots: Vec<NewRoot>) -> Result<Claimed, StoreError> {
    let mut claims = claim_keys(tx, &roots).await?.into_iter();
    let mut claimed =
        Claimed { outcomes: Vec::with_capacity(roots.len()), jobs: Vec::new(), traces: RootTraces::new() };
    for root in roots {
        let (id, outcome) = (root.job.id, root.key.and_then(|_| claims.next()).unwrap_or(Claim::New));
        if matches!(outcome, Claim::New) {
            claimed.traces.extend(root.traceparent.map(|place| (id, place)));
            claimed.jobs.push((root.job, json!(root.labels)));
        }
        claimed.outcomes.push((id, outcome));
    }
    Ok(claimed)
}

/// What becomes of the keys of those that have one, in their order.
async fn claim_keys(tx: &Unit, roots: &[NewRoot]) -> Result<Vec<Claim>, StoreError> {
    let asked: Vec<(JobId, &SubmissionKey)> =
        roots.iter().filter_map(|root| root.key.as_ref().map(|key| (root.job.id, key))).collect();
    let mut found: HashMap<(String, String), (JobId, String)> = HashMap::new();
    // Two at once: the second waits for the first to commit, finds nothing to insert, and does not see the first's row in its
    // own snapshot. A second look does.
    for _ in 0..2 {
        let known = |key: &SubmissionKey| found.contains_key(&(key.scope.clone(), key.key.clone()));
        let open: Vec<&(JobId, &SubmissionKey)> = asked.iter().filter(|(_, key)| !known(key)).collect();
        if open.is_empty() {
            break;
        }
        let statement = tx.prepare_cached(sql::CLAIM_SUBMISSIONS).await?;
        let scopes: Vec<&str> = open.iter().map(|(_, key)| key.scope.as_str()).collect();
        let keys: Vec<&str> = open.iter().map(|(_, key)| key.key.as_str()).collect();
        let ids: Vec<Uuid> = open.iter().map(|(id, _)| id.0).collect();
        let fingerprints: Vec<&str> = open.iter().map(|(_, key)| key.fingerprint.as_str()).collect();
        let claimed = async { Ok(tx.query(&statement, &[&scopes, &keys, &ids, &fingerprints]).await?) };
        for row in tx.first(claimed).await? {
            found.insert((row.try_get(0)?, row.try_get(1)?), (JobId(row.try_get(2)?), row.try_get(3)?));
        }
    }
    let claim = |(id, key): &(JobId, &SubmissionKey)| match found.get(&(key.scope.clone(), key.key.clone())) {
        Some((found, _)) if found == id => Ok(Claim::New),
        Some((found, fingerprint)) if *fingerprint == key.fingerprint => Ok(Claim::Duplicate(*found)),
        Some((found, _)) => Ok(Claim::Conflict(*found)),
        None => Err(StoreError::corrupt(format!("submission key {:?}", key.key), "it is taken and cannot be read")),
    };
    asked.iter().map(claim).collect()
}

#[cfg(test)]
mod tests {
    use drover_protocol::Submission;

    use super::*;
    use crate::testing::{Desk, job_type};

    async fn root(desk: &Desk, key: Option<&str>, path: &str) -> NewRoot {
        let (params, labels) = (json!({ "path": path }), BTreeMap::new());
        let submission = Submission { job_type: job_type("work"), params, labels, run_at: None, idempotency_key: None };
        let key = key.map(|key| crate::app::Idempotency { scope: "test".into(), key: key.into() });
        desk.root(submission, key).await
    }

    #[tokio::test]
    async fn the_keys_of_a_batch_are_claimed_each_once() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let earlier = root(&desk, Some("earlier"), "/a").await;
        let earlier_id = earlier.job.id;
        desk.app.store.submit(&desk.app.context, vec![earlier]).await.expect("accepted");

        let batch = vec![
            root(&desk, Some("new"), "/a").await,
            root(&desk, Some("earlier"), "/a").await,
            root(&desk, None, "/a").await,
            root(&desk, Some("new"), "/a").await,
            root(&desk, Some("new"), "/b").await,
        ];
        let ids: Vec<JobId> = batch.iter().map(|root| root.job.id).collect();
        let (accepted, folded) = desk.app.store.submit(&desk.app.context, batch).await.expect("accepted");
        let expected = [
            Accepted::New(ids[0], JobStatus::Pending),
            Accepted::Duplicate(earlier_id),
            Accepted::New(ids[2], JobStatus::Pending),
            Accepted::Duplicate(ids[0]),
            Accepted::Conflict(ids[0]),
        ];
        assert_eq!(accepted, expected);
        assert_eq!(folded.outbox.len(), 2, "a message for each new job");
    }
}
