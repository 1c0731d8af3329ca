//! What the pages show of the whole system. Every count has a bound, so that no page waits for a million rows.

use chrono::{DateTime, Utc};
use drover_protocol::{JobId, JobStatus, JobType};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, StoreError, statements as sql};

/// A number that was counted up to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many there are, or the bound.
    pub count: i64,
    /// Whether there are more.
    pub more: bool,
}

impl Counted {
    /// Of what was counted up to one above the bound.
    pub(super) fn of(count: i64, bound: i64) -> Self {
        Self { count: count.min(bound), more: count > bound }
    }
}

/// How many ended in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// When the period began.
    pub from: DateTime<Utc>,
    /// Completed, with errors or without.
    pub completed: i64,
    /// Failed.
    pub failed: i64,
    /// Cancelled.
    pub cancelled: i64,
}

/// Where the queue of a job type stands.
#[derive(Clone, Debug)]
pub struct QueueStanding {
    /// The job type.
    pub job_type: String,
    /// What people call it.
    pub title: String,
    /// Jobs that are published and not started.
    pub waiting: Counted,
    /// Since when the oldest of them waits.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Jobs that workers hold.
    pub running: i64,
    /// Live workers that take it.
    pub live_workers: i64,
    /// How many jobs these workers run at once, of whatever type.
    pub slots: i64,
    /// Whether it is paused: by its own name, or (`*`) with all others.
    pub paused: Option<String>,
    /// What whoever paused it said.
    pub paused_reason: Option<String>,
    /// Since when.
    pub paused_at: Option<DateTime<Utc>>,
}

/// A job that a worker holds.
#[derive(Clone, Debug)]
pub struct WorkerJob {
    /// The worker's session.
    pub session: Uuid,
    /// The job.
    pub id: JobId,
    /// Its type.
    pub job_type: String,
    /// Where it stands.
    pub status: String,
    /// Percent.
    pub progress: f64,
    /// When its first attempt of this run began.
    pub started_at: Option<DateTime<Utc>>,
}

/// How many jobs of a type have a status and have not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The type.
    pub job_type: String,
    /// The status.
    pub status: String,
    /// How many.
    pub count: i64,
}

/// How long a type has waited for a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The type.
    pub job_type: JobType,
    /// How long the first of its jobs has been published and not started, in seconds; `None`: there is none.
    pub oldest_seconds: Option<f64>,
}

/// How far behind things are, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lags {
    /// Age of the oldest row of the outbox; `None`: it is empty.
    pub outbox: Option<f64>,
    /// Since when not all events are folded.
    pub events: f64,
    /// Since when not all heartbeats are.
    pub heartbeats: f64,
}

impl Store {
    /// How many jobs without a parent have each status, up to `bound`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_counts(&self, bound: i64) -> Result<Vec<(JobStatus, Counted)>, StoreError> {
        let statuses: Vec<&str> = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
        let rows = self.rows(sql::VIEW_COUNTS, &[&statuses, &(bound + 1)]).await?;
        let counted = JobStatus::ALL.iter().zip(&rows);
        counted.map(|(status, row)| Ok((*status, Counted::of(row.try_get(1)?, bound)))).collect()
    }

    /// How many jobs there are that have not ended, by type and status; of at most `bound`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_unfinished(&self, bound: i64) -> Result<Vec<Unfinished>, StoreError> {
        let rows = self.rows(sql::VIEW_UNFINISHED, &[&bound]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Unfinished { job_type: row.try_get(0)?, status: row.try_get(1)?, count: row.try_get(2)? })
        };
        rows.iter().map(read).collect()
    }

    /// How long each job type has waited for a worker, of up to `limit` types.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_waiting(&self, limit: i64) -> Result<Vec<Waiting>, StoreError> {
        let rows = self.rows(sql::VIEW_WAITING, &[&limit]).await?;
        let read = |row: &tokio_postgres::Row| {
            let name: String = row.try_get(0)?;
            let job_type = JobType::new(name).map_err(|error| StoreError::corrupt("a job type", error))?;
            Ok(Waiting { job_type, oldest_seconds: row.try_get(1)? })
        };
        rows.iter().map(read).collect()
    }

    /// How far behind the relay and the intake are.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_lags(&self) -> Result<Lags, StoreError> {
        let client = self.client().await?;
        let row = client.query_one(&client.prepare_cached(sql::VIEW_LAGS).await?, &[]).await?;
        Ok(Lags { outbox: row.try_get(0)?, events: row.try_get(1)?, heartbeats: row.try_get(2)? })
    }

    /// How many workers are alive.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn live_workers(&self) -> Result<i64, StoreError> {
        Ok(self.client().await?.query_one(sql::COUNT_LIVE_WORKERS, &[]).await?.try_get(0)?)
    }

    /// The newest jobs without a parent that have not ended, those at work first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_active(&self, limit: i64) -> Result<Vec<Value>, StoreError> {
        let rows = self.rows(sql::VIEW_ACTIVE, &[&limit]).await?;
        rows.iter().map(|row| Ok(row.try_get(1)?)).collect()
    }

    /// How many jobs without a parent ended in each period of so many seconds, since `from`; of the newest `bound`.
    /// Periods in which none did are left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_ended(&self, from: DateTime<Utc>, seconds: f64, bound: i64) -> Result<Vec<Ended>, StoreError> {
        let rows = self.rows(sql::VIEW_ENDED, &[&from, &seconds, &bound]).await?;
        let read = |row: &tokio_postgres::Row| {
            let (from, completed) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Ended { from, completed, failed: row.try_get(2)?, cancelled: row.try_get(3)? })
        };
        rows.iter().map(read).collect()
    }

    /// Where the queues of the job types stand, as the database knows it. Waiting jobs are counted up to `bound`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_queues(&self, bound: i64) -> Result<Vec<QueueStanding>, StoreError> {
        let rows = self.rows(sql::VIEW_QUEUES, &[&(bound + 1)]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(QueueStanding {
                job_type: row.try_get(0)?,
                title: row.try_get(1)?,
                waiting: Counted::of(row.try_get(2)?, bound),
                oldest_at: row.try_get(3)?,
                running: row.try_get(4)?,
                live_workers: row.try_get(5)?,
                slots: row.try_get(6)?,
                paused: row.try_get(7)?,
                paused_reason: row.try_get(8)?,
                paused_at: row.try_get(9)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What these workers run, up to `limit` jobs.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_worker_jobs(&self, sessions: &[Uuid], limit: i64) -> Result<Vec<WorkerJob>, StoreError> {
        let rows = self.rows(sql::VIEW_WORKER_JOBS, &[&sessions, &limit]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(WorkerJob {
                session: row.try_get(0)?,
                id: JobId(row.try_get(1)?),
                job_type: row.try_get(2)?,
                status: row.try_get(3)?,
                progress: row.try_get(4)?,
                started_at: row.try_get(5)?,
            })
        };
        rows.iter().map(read).collect()
    }
}
