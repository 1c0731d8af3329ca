//! What brokers, queues and workers may have lost.

use std::time::Duration;

use drover_engine::Input;
use drover_protocol::{JobId, JobType, WorkerSession};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Store, StoreError,
    rows::{seconds, unsigned},
    statements as sql,
};

/// A place among the jobs that wait for a worker: they are gone through by type and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The type.
    pub job_type: String,
    /// The job.
    pub id: JobId,
}

impl Default for Place {
    /// Before all of them.
    fn default() -> Self {
        Self { job_type: String::new(), id: JobId(Uuid::nil()) }
    }
}

impl Store {
    /// Up to `limit` dispatches, of jobs after a place, that the broker of this epoch does not hold and nobody has started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_dispatches(
        &self,
        epoch: &str,
        after: &Place,
        limit: i64,
    ) -> Result<Vec<(Place, Input)>, StoreError> {
        let rows = self.rows(sql::LOST_DISPATCHES, &[&epoch, &after.job_type, &after.id.0, &limit]).await?;
        rows.iter().map(republish).collect()
    }

    /// Up to `limit` dispatches, of jobs after a place and of one type or of all, that were published `older_than` ago and
    /// that nobody is known to have started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn waiting_dispatches(
        &self,
        after: &Place,
        job_type: Option<&str>,
        older_than: Duration,
        limit: i64,
    ) -> Result<Vec<(Place, Input)>, StoreError> {
        let parameters: super::view::Parameters<'_> =
            &[&after.job_type, &after.id.0, &job_type, &seconds(older_than), &limit];
        self.rows(sql::WAITING_DISPATCHES, parameters).await?.iter().map(republish).collect()
    }

    /// The types of which a job was published `older_than` ago and has not started, as far as the oldest of each tell.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn waiting_types(&self, older_than: Duration, limit: i64) -> Result<Vec<JobType>, StoreError> {
        let rows = self.rows(sql::WAITING_TYPES, &[&seconds(older_than), &limit]).await?;
        let read = |row: &Row| {
            let name: String = row.try_get(0)?;
            JobType::new(name).map_err(|error| StoreError::corrupt("type of a job", error))
        };
        rows.iter().map(read).collect()
    }

    /// Up to `limit` jobs of each kind whose worker is lost, or has left them out of its heartbeats for `older_than`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn unheld(&self, older_than: Duration, limit: i64) -> Result<Vec<Input>, StoreError> {
        let mut rows = self.rows(sql::LEASES_OF_LOST, &[&limit, &seconds(older_than)]).await?;
        rows.extend(self.rows(sql::UNLISTED_JOBS, &[&seconds(older_than), &limit]).await?);
        rows.iter().map(lease_lost).collect()
    }

    /// How long ago everything that was sent to the events queue by then is folded.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn events_behind(&self) -> Result<Duration, StoreError> {
        let behind: f64 = self.client().await?.query_one(sql::EVENTS_BEHIND, &[]).await?.try_get(0)?;
        Ok(Duration::try_from_secs_f64(behind).unwrap_or(Duration::ZERO))
    }

    /// Takes every worker and every orchestrator that was there for gone: they ended with the broker that they shared a
    /// process with.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_earlier_life(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::END_EARLIER_LIFE).await?, &[]).await?;
        Ok(())
    }
}

/// A row of type, job and dispatch.
fn republish(row: &Row) -> Result<(Place, Input), StoreError> {
    let place = Place { job_type: row.try_get(0)?, id: JobId(row.try_get(1)?) };
    let input = Input::Republish { job_id: place.id, dispatch: unsigned(row.try_get(2)?) };
    Ok((place, input))
}

/// A row of job, dispatch and the worker that held it.
pub(super) fn lease_lost(row: &Row) -> Result<Input, StoreError> {
    Ok(Input::LeaseLost {
        job_id: JobId(row.try_get(0)?),
        dispatch: unsigned(row.try_get(1)?),
        session: WorkerSession(row.try_get(2)?),
    })
}
