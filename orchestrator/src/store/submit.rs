//! Accepting a job: the key, the job, its first message, in one transaction.

use std::collections::BTreeMap;

use drover_engine::fold::NewJob;
use drover_protocol::JobId;
use serde_json::json;
use uuid::Uuid;

use super::{FoldContext, Folded, Store, StoreError, statements as sql};

/// A checked submission.
#[derive(Clone, Debug)]
pub struct NewRoot {
    /// The job.
    pub job: NewJob,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Makes a repeat harmless: the way and the sender, the key, and what the submission says.
    pub key: Option<SubmissionKey>,
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
#[derive(Debug)]
pub enum Accepted {
    /// A job was made.
    New(JobId),
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
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let mut accepted = Vec::with_capacity(roots.len());
        let mut jobs = Vec::new();
        for root in roots {
            let id = root.job.id;
            let outcome = match &root.key {
                None => Accepted::New(id),
                Some(key) => claim(&tx, key, id).await?,
            };
            if matches!(outcome, Accepted::New(_)) {
                jobs.push((root.job, json!(root.labels)));
            }
            accepted.push(outcome);
        }
        let folded = Self::create(&tx, context, jobs).await?;
        tx.commit().await?;
        Ok((accepted, folded))
    }

    /// Deletes a finished tree.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete(&self, id: JobId) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::DELETE_JOB).await?;
        Ok(client.query_opt(&statement, &[&id.0]).await?.is_some())
    }
}

async fn claim(
    tx: &deadpool_postgres::Transaction<'_>,
    key: &SubmissionKey,
    id: JobId,
) -> Result<Accepted, StoreError> {
    let statement = tx.prepare_cached(sql::CLAIM_SUBMISSION).await?;
    // Two at once: the second waits for the first to commit, finds nothing to insert, and does not see the first's row in its
    // own snapshot. A second look does.
    for _ in 0..2 {
        let row = tx.query_opt(&statement, &[&key.scope, &key.key, &id.0, &key.fingerprint]).await?;
        let Some(row) = row else { continue };
        let (found, fingerprint): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
        return Ok(match JobId(found) {
            found if found == id => Accepted::New(id),
            found if fingerprint == key.fingerprint => Accepted::Duplicate(found),
            found => Accepted::Conflict(found),
        });
    }
    Err(StoreError::corrupt(format!("submission key {:?}", key.key), "it is taken and cannot be read"))
}
