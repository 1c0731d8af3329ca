//! The replicas of the orchestrator: who lives, and how far they have folded what lies in the queues.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError, rows::seconds, statements as sql};

/// How this replica does.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    /// The database's time.
    pub now: DateTime<Utc>,
    /// Whether a cancel waits to settle.
    pub cancelling: bool,
}

impl Store {
    /// This replica lives, and has committed all that it had received `behind` ago.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn beat(&self, id: Uuid, host: &str, version: &str, behind: Duration) -> Result<Beat, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::ORCHESTRATOR_BEAT).await?;
        let row = client.query_one(&statement, &[&id, &host, &version, &seconds(behind)]).await?;
        Ok(Beat { now: row.try_get(0)?, cancelling: row.try_get(1)? })
    }

    /// This replica ends.
    ///
    /// # Errors
    /// When the database is away; then it is taken for dead after a while.
    pub async fn leave(&self, id: Uuid) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::ORCHESTRATOR_DOWN).await?, &[&id]).await?;
        Ok(())
    }

    /// Forgets replicas that were silent for `age`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_replicas(&self, age: Duration) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::DELETE_ORCHESTRATORS).await?, &[&seconds(age)]).await?;
        Ok(())
    }

    /// The replica that has lived longest, of those that were not silent for `silence`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn eldest_replica(&self, silence: Duration) -> Result<Option<Uuid>, StoreError> {
        let rows = self.rows(sql::ELDEST_ORCHESTRATOR, &[&seconds(silence)]).await?;
        rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
    }

    /// Draws the conclusion from markers and beats: how far the queues are folded by all replicas. Whether that is further.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn folded_through(&self, dead_after: Duration) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::FOLDED_THROUGH).await?;
        Ok(client.execute(&statement, &[&seconds(dead_after)]).await? > 0)
    }

    /// A marker came out of a queue.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn marker_received(
        &self,
        queue: &str,
        sent_at: DateTime<Utc>,
        lag: Duration,
        gap: Duration,
    ) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::MARKER_RECEIVED).await?;
        client.execute(&statement, &[&queue, &sent_at, &seconds(lag), &seconds(gap)]).await?;
        Ok(())
    }

    /// Whether silence may be held against workers: both queues have come out without delay for one full lease.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn intake_is_current(&self, lease: Duration, gap: Duration) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INTAKE_CURRENT).await?;
        Ok(client.query_one(&statement, &[&seconds(lease), &seconds(gap)]).await?.get(0))
    }
}
