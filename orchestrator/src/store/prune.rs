//! Deletes what is kept no longer, a bounded part at a time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use drover_protocol::JobType;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Counted, Store, StoreError, rows::seconds, statements as sql};

/// Most trees of one transaction, and most jobs; a tree that has more goes alone.
const TREES: i64 = 200;
const JOBS: i64 = 1_000;

/// The first of the ended trees of a type that is kept; all that ended before it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstKept {
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Which of those that ended at that time.
    pub id: Uuid,
}

/// What one transaction deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Trees.
    pub trees: i64,
    /// All jobs of these trees.
    pub jobs: i64,
    /// Whether there is more that may go.
    pub more: bool,
}

/// Deletes trees that have ended, before a time if one is given, for as long as that takes: for each that is gone its root, and how
/// many jobs it had.
pub(super) async fn delete_trees(
    tx: &Transaction<'_>,
    roots: &[Uuid],
    before: Option<DateTime<Utc>>,
) -> Result<Vec<Row>, StoreError> {
    tx.query(&tx.prepare_cached(sql::TAKE_TIME).await?, &[]).await?;
    let statement = tx.prepare_cached(sql::DELETE_JOBS).await?;
    Ok(tx.query(&statement, &[&roots, &before]).await?)
}

impl Store {
    /// Up to `limit` types of which trees have ended, in order, from a name on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ended_types(&self, from: &str, limit: i64) -> Result<Vec<JobType>, StoreError> {
        let rows = self.rows(sql::ENDED_TYPES, &[&from, &limit]).await?;
        let read = |row: &Row| {
            let name: String = row.try_get(0)?;
            JobType::new(name).map_err(|error| StoreError::corrupt("type of a job", error))
        };
        rows.iter().map(read).collect()
    }

    /// The last of the newest `count` trees of a type that have ended; `None`: there are fewer.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_ended(&self, job_type: &JobType, count: i64) -> Result<Option<FirstKept>, StoreError> {
        let rows = self.rows(sql::NEWEST_ENDED, &[&job_type.as_str(), &count]).await?;
        let read = |row: &Row| Ok(FirstKept { finished_at: row.try_get(0)?, id: row.try_get(1)? });
        rows.first().map(read).transpose()
    }

    /// How many trees of a type may go, and how many jobs these are, each counted up to `bound`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_prunable(
        &self,
        job_type: &JobType,
        first_kept: FirstKept,
        bound: i64,
    ) -> Result<(Counted, Counted), StoreError> {
        let FirstKept { finished_at, id } = first_kept;
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::COUNT_PRUNABLE).await?;
        let row = client.query_one(&statement, &[&job_type.as_str(), &finished_at, &id, &(bound + 1)]).await?;
        let (trees, below): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((Counted::of(trees, bound), Counted::of(trees + below, bound)))
    }

    /// Deletes the oldest trees of a type that may go, with all that is kept of them: as many as one short transaction can.
    /// `None`: another replica is at it.
    ///
    /// # Errors
    /// When the database is away; then nothing was deleted.
    pub async fn prune_trees(&self, job_type: &JobType, first_kept: FirstKept) -> Result<Option<Gone>, StoreError> {
        let FirstKept { finished_at, id } = first_kept;
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let statement = tx.prepare_cached(sql::TRY_PRUNE_LOCK).await?;
        if !tx.query_one(&statement, &[]).await?.try_get::<_, bool>(0)? {
            return Ok(None);
        }
        let statement = tx.prepare_cached(sql::PRUNABLE_TREES).await?;
        let found = tx.query(&statement, &[&job_type.as_str(), &finished_at, &id, &TREES, &JOBS]).await?;
        let (mut trees, mut jobs): (Vec<Uuid>, i64) = (Vec::new(), 0);
        for row in &found {
            jobs += 1 + row.try_get::<_, i64>(1)?;
            if jobs > JOBS && !trees.is_empty() {
                break;
            }
            trees.push(row.try_get(0)?);
        }
        // One that was retried meanwhile, even if it has ended again, is none of these.
        let deleted = delete_trees(&tx, &trees, Some(finished_at)).await?;
        tx.commit().await?;
        let mut gone =
            Gone { more: trees.len() < found.len() || i64::try_from(found.len()) == Ok(TREES), ..Gone::default() };
        for row in &deleted {
            gone.trees += 1;
            gone.jobs += row.try_get::<_, i64>(1)?;
        }
        Ok(Some(gone))
    }

    /// How many of the oldest `bound` dead letters are older than this.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_old_dead(&self, age: Duration, bound: i64) -> Result<i64, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::COUNT_OLD_DEAD).await?;
        Ok(client.query_one(&statement, &[&seconds(age), &bound]).await?.try_get(0)?)
    }

    /// Deletes those of the oldest `limit` dead letters that are older than this. How many those were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_old_dead(&self, age: Duration, limit: i64) -> Result<i64, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::DELETE_OLD_DEAD).await?;
        let deleted = client.execute(&statement, &[&seconds(age), &limit]).await?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }
}
