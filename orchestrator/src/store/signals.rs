//! Jobs that wait for an answer.

use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Store, StoreError, rows::unsigned, statements as sql};

/// A job that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingSignal {
    /// The job.
    pub id: JobId,
    /// Which of its waits it is: it may wait again, in another round or after a retry.
    pub dispatch: u32,
    /// The key of its step.
    pub step: Option<String>,
    /// What a person calls it.
    pub title: Option<String>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// When its time is up.
    pub until: Option<DateTime<Utc>>,
}

impl Store {
    /// The jobs that wait for an answer: this one, or those below it, the first to wait first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn waiting_signals(
        &self,
        id: JobId,
        step: Option<&str>,
        limit: i64,
    ) -> Result<Vec<WaitingSignal>, StoreError> {
        let rows = self.rows(sql::WAITING_SIGNALS, &[&id.0, &step, &limit]).await?;
        rows.iter().map(waiting).collect()
    }

    /// The last sub-job of a workflow's own steps that waited for an answer.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_signal(&self, workflow: JobId, step: Option<&str>) -> Result<Option<JobId>, StoreError> {
        let rows = self.rows(sql::LAST_SIGNAL, &[&workflow.0, &step]).await?;
        rows.first().map(|row| Ok(JobId(row.try_get(0)?))).transpose()
    }
}

fn waiting(row: &Row) -> Result<WaitingSignal, StoreError> {
    Ok(WaitingSignal {
        id: JobId(row.try_get::<_, Uuid>("id")?),
        dispatch: unsigned(row.try_get("dispatch")?),
        step: row.try_get("step_key")?,
        title: row.try_get("title")?,
        since: row.try_get("started_at")?,
        until: row.try_get("timeout_at")?,
    })
}
