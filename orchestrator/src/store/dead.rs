//! Dead letters: what nobody could process, kept and shown.

use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Store, StoreError, statements as sql};

/// A message that nobody could process.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The queue it was rejected from.
    pub queue: String,
    /// The broker's reason, or ours.
    pub reason: String,
    /// What was wrong with it.
    pub detail: Option<String>,
    /// Its `message_id`.
    pub message_id: Option<String>,
    /// Its `type`.
    pub message_type: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body as it came.
    pub body: Vec<u8>,
    /// Its other properties and headers.
    pub properties: Value,
    /// The job it is about, if that can be read.
    pub job_id: Option<JobId>,
}

/// A dead letter as it is kept.
#[derive(Clone, Debug)]
pub struct DeadView {
    /// Its id.
    pub id: i64,
    /// When it was taken in.
    pub at: DateTime<Utc>,
    /// The queue it was rejected from.
    pub queue: String,
    /// Why.
    pub reason: String,
    /// What was wrong with it.
    pub detail: Option<String>,
    /// Its `message_id`.
    pub message_id: Option<String>,
    /// Its `type`.
    pub message_type: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body, or the beginning of it.
    pub body: Vec<u8>,
    /// How many bytes the whole body has.
    pub body_bytes: i32,
    /// Its other properties.
    pub properties: Value,
    /// The job it is about.
    pub job_id: Option<JobId>,
}

impl Store {
    /// Keeps what nobody could process.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INSERT_DEAD_LETTERS).await?;
        client
            .execute(
                &statement,
                &[
                    &letters.iter().map(|letter| letter.queue.as_str()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.detail.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.message_id.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.message_type.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.content_type.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| &letter.properties).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.job_id.map(|id| id.0)).collect::<Vec<_>>(),
                ],
            )
            .await?;
        Ok(())
    }

    /// A page of dead letters, newest first, each with the first `excerpt_bytes` of its body.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_dead(
        &self,
        before: Option<i64>,
        limit: i64,
        excerpt_bytes: i32,
    ) -> Result<Vec<DeadView>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let rows = self.rows(sql::VIEW_DEAD, &[&before, &limit, &excerpt_bytes]).await?;
        rows.iter().map(dead).collect()
    }

    /// A dead letter with its whole body.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_dead_letter(&self, id: i64) -> Result<Option<DeadView>, StoreError> {
        self.rows(sql::VIEW_DEAD_LETTER, &[&id]).await?.first().map(dead).transpose()
    }
}

fn dead(row: &Row) -> Result<DeadView, StoreError> {
    Ok(DeadView {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        queue: row.try_get("queue")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        message_id: row.try_get("message_id")?,
        message_type: row.try_get("message_type")?,
        content_type: row.try_get("content_type")?,
        body: row.try_get("body")?,
        body_bytes: row.try_get("body_bytes")?,
        properties: row.try_get("properties")?,
        job_id: row.try_get::<_, Option<Uuid>>("job_id")?.map(JobId),
    })
}
