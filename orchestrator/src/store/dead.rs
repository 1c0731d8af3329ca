//! Dead letters: what nobody could process, kept, shown, and found again to be sent again or discarded.

use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{Store, StoreError, statements as sql, view::PAGE_BYTES};

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
    /// Its body as it came, or the beginning of it.
    pub body: Vec<u8>,
    /// How many bytes the body had, if only the beginning of it is kept.
    pub whole_bytes: Option<i64>,
    /// Its other properties and headers.
    pub properties: Value,
    /// The job it is about, if that can be read.
    pub job_id: Option<JobId>,
    /// How often it was sent again before, and came back.
    pub redrives: i32,
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
    /// How many bytes the body had when it came.
    pub body_bytes: i64,
    /// Whether only the beginning of the body is kept.
    pub truncated: bool,
    /// Its other properties.
    pub properties: Value,
    /// The job it is about.
    pub job_id: Option<JobId>,
    /// How often it was sent again before, and came back.
    pub redrives: i32,
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those with this reason.
    pub reason: Option<String>,
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
                    &letters.iter().map(|letter| letter.whole_bytes).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| &letter.properties).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.job_id.map(|id| id.0)).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.redrives).collect::<Vec<_>>(),
                ],
            )
            .await?;
        Ok(())
    }

    /// A page of dead letters, newest first, each with the first `excerpt_bytes` of its body. And whether there are more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_dead(
        &self,
        filter: &DeadFilter,
        before: Option<i64>,
        limit: i64,
        excerpt_bytes: i32,
    ) -> Result<(Vec<DeadView>, bool), StoreError> {
        let rows = self
            .planned(
                sql::VIEW_DEAD,
                &[
                    (&before.unwrap_or(i64::MAX), Type::INT8),
                    (&filter.queue, Type::TEXT),
                    (&filter.reason, Type::TEXT),
                    (&limit, Type::INT8),
                    (&excerpt_bytes, Type::INT4),
                    (&PAGE_BYTES, Type::INT8),
                ],
            )
            .await?;
        let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get("found"))?;
        let more = usize::try_from(found).is_ok_and(|found| found > rows.len());
        Ok((rows.iter().map(dead).collect::<Result<_, _>>()?, more))
    }

    /// A dead letter with all of its body that is kept.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_dead_letter(&self, id: i64) -> Result<Option<DeadView>, StoreError> {
        self.rows(sql::VIEW_DEAD_LETTER, &[&id]).await?.first().map(dead).transpose()
    }

    /// The id of the newest dead letter; 0 when there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_dead(&self) -> Result<i64, StoreError> {
        Ok(self.client().await?.query_one(sql::NEWEST_DEAD, &[]).await?.try_get(0)?)
    }

    /// Ids of up to `limit` dead letters, oldest first: those after `after` up to `upto`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn match_dead(
        &self,
        filter: &DeadFilter,
        (after, upto): (i64, i64),
        limit: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let rows = self
            .planned(
                sql::MATCH_DEAD,
                &[
                    (&after, Type::INT8),
                    (&upto, Type::INT8),
                    (&filter.queue, Type::TEXT),
                    (&filter.reason, Type::TEXT),
                    (&limit, Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The first of these dead letters, whole: as many as have at most `bytes` together, but at least one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_dead(&self, ids: &[i64], bytes: i64) -> Result<Vec<DeadView>, StoreError> {
        self.rows(sql::TAKE_DEAD, &[&ids, &bytes]).await?.iter().map(dead).collect()
    }

    /// Deletes dead letters. Those that were there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_dead(&self, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.rows(sql::DELETE_DEAD, &[&ids]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
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
        truncated: row.try_get("truncated")?,
        properties: row.try_get("properties")?,
        job_id: row.try_get::<_, Option<Uuid>>("job_id")?.map(JobId),
        redrives: row.try_get("redrives")?,
    })
}
