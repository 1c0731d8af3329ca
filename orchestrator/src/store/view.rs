//! What people and other systems read. One statement a page; the JSON is made where the rows are.

use chrono::{DateTime, Utc};
use drover_protocol::{JobId, JobStatus, LogLevel};
use serde_json::Value;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{Store, StoreError, statements as sql};

/// A job as the API shows it.
#[derive(Clone, Debug)]
pub struct SeenJob {
    /// What is shown.
    pub view: Value,
    /// Rises with every change.
    pub version: i64,
    /// The tree it belongs to.
    pub root_id: JobId,
    /// Where it stands.
    pub status: JobStatus,
}

/// Which jobs a list shows.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only those with one of these statuses.
    pub statuses: Option<Vec<String>>,
    /// Only this type.
    pub job_type: Option<String>,
    /// Sub-jobs, too.
    pub any_parent: bool,
    /// Only the sub-jobs of this one.
    pub parent: Option<JobId>,
    /// Only those with all of these labels.
    pub labels: Option<Value>,
    /// Only those made after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those made before this.
    pub created_before: Option<DateTime<Utc>>,
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
    /// Its body.
    pub body: Vec<u8>,
    /// Its other properties.
    pub properties: Value,
    /// The job it is about.
    pub job_id: Option<JobId>,
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Store {
    async fn rows(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, parameters).await?)
    }

    async fn values(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Value>, StoreError> {
        self.rows(sql, parameters).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn numbered(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<(i64, Value)>, StoreError> {
        self.rows(sql, parameters).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// One job. `brief`: without parameters, and without the result before the end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_job(&self, id: JobId, brief: bool) -> Result<Option<SeenJob>, StoreError> {
        let rows = self.rows(sql::VIEW_JOB, &[&id.0, &brief]).await?;
        rows.first()
            .map(|row| {
                let status: String = row.try_get(3)?;
                Ok(SeenJob {
                    view: row.try_get(0)?,
                    version: row.try_get(1)?,
                    root_id: JobId(row.try_get(2)?),
                    status: status.parse().map_err(|error| StoreError::corrupt(format!("job {id}"), error))?,
                })
            })
            .transpose()
    }

    /// A page of jobs, newest first, each with its id: that of the last is the next page's `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_jobs(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Vec<(JobId, Value)>, StoreError> {
        let parent: Option<Uuid> = filter.parent.map(|id| id.0);
        let before: Option<Uuid> = before.map(|id| id.0);
        let rows = self
            .rows(
                sql::VIEW_JOBS,
                &[
                    &before,
                    &filter.statuses,
                    &filter.job_type,
                    &filter.any_parent,
                    &parent,
                    &filter.labels,
                    &filter.created_after,
                    &filter.created_before,
                    &limit,
                ],
            )
            .await?;
        rows.iter().map(|row| Ok((JobId(row.try_get(0)?), row.try_get(1)?))).collect()
    }

    /// A page of a workflow's sub-jobs, each with its place: that of the last is the next page's `after`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_sub_jobs(
        &self,
        id: JobId,
        after: (i32, i32),
        step: Option<&str>,
        statuses: Option<&[String]>,
        limit: i64,
    ) -> Result<Vec<((i32, i32), Value)>, StoreError> {
        let rows = self.rows(sql::VIEW_SUB_JOBS, &[&id.0, &after.0, &after.1, &step, &statuses, &limit]).await?;
        rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
    }

    /// Chunks of an items list, each with its number: that of the last is the next page's `after`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_items(
        &self,
        id: JobId,
        name: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Value)>, StoreError> {
        self.numbered(sql::VIEW_ITEMS, &[&id.0, &name, &after, &limit]).await
    }

    /// Log lines of a job, or of all jobs below it, too.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_logs(
        &self,
        id: JobId,
        tree: bool,
        after: i64,
        levels: &[LogLevel],
        limit: i64,
    ) -> Result<Vec<(i64, Value)>, StoreError> {
        let levels: Vec<&str> = levels.iter().map(|level| level.as_str()).collect();
        self.numbered(sql::VIEW_LOGS, &[&id.0, &tree, &after, &levels, &limit]).await
    }

    /// What happened to a job, or for a root to its whole tree.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_history(&self, id: JobId, after: i64, limit: i64) -> Result<Vec<(i64, Value)>, StoreError> {
        self.numbered(sql::VIEW_HISTORY, &[&id.0, &after, &limit]).await
    }

    /// The current definitions.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_definitions(&self) -> Result<Vec<Value>, StoreError> {
        self.values(sql::VIEW_DEFINITIONS, &[]).await
    }

    /// The current definition of a name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_definition(&self, name: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.values(sql::VIEW_DEFINITION, &[&name]).await?.pop())
    }

    /// The job types that workers announced.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_types(&self) -> Result<Vec<Value>, StoreError> {
        self.values(sql::VIEW_TYPES, &[]).await
    }

    /// The workers, the live ones first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_workers(&self) -> Result<Vec<Value>, StoreError> {
        self.values(sql::VIEW_WORKERS, &[]).await
    }

    /// A page of dead letters, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_dead(&self, before: Option<i64>, limit: i64) -> Result<Vec<DeadView>, StoreError> {
        let rows = self.rows(sql::VIEW_DEAD, &[&before, &limit]).await?;
        rows.iter()
            .map(|row| {
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
                    properties: row.try_get("properties")?,
                    job_id: row.try_get::<_, Option<Uuid>>("job_id")?.map(JobId),
                })
            })
            .collect()
    }
}
