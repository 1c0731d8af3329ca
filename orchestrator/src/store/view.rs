//! What people and other systems read. One statement a page; the JSON is made where the rows are.

use chrono::{DateTime, Utc};
use drover_protocol::{JobId, JobStatus};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::{Store, StoreError, statements as sql};

/// A page of values or lines that workers sent ends where it has this many bytes: each of them may be as large as a message.
pub(super) const PAGE_BYTES: i64 = 8 * 1024 * 1024;
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
    /// Whether it has jobs below it.
    pub is_workflow: bool,
}

/// A version of a definition.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// Its hash.
    pub hash: String,
    /// Its title.
    pub title: String,
    /// Where it came from.
    pub source: String,
    /// When it was registered first.
    pub created_at: DateTime<Utc>,
    /// Whether new runs take it.
    pub is_current: bool,
    /// How many runs have it.
    pub runs: i64,
}

/// Whose log lines or history are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// A whole tree.
    Tree {
        /// Its root.
        root: JobId,
    },
    /// One job alone.
    Job {
        /// The job.
        id: JobId,
        /// Its root.
        root: JobId,
    },
    /// A job and all jobs below it.
    Below {
        /// The job.
        id: JobId,
        /// Its root.
        root: JobId,
    },
}

impl Trail {
    /// What a query of the history is asked for: the root, one job alone, a job with all below it.
    pub(super) const fn of_history(self) -> (Uuid, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Tree { root } => (root.0, None, None),
            Self::Job { id, root } => (root.0, Some(id.0), None),
            Self::Below { id, root } => (root.0, None, Some(id.0)),
        }
    }

    /// The same of the log lines, where one job has an index of its own.
    pub(super) const fn of_logs(self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match self.of_history() {
            (_, Some(job), below) => (None, Some(job), below),
            (root, None, below) => (Some(root), None, below),
        }
    }
}

pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];
pub(super) type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];
/// Numbered lines, and whether there are more.
pub(super) type Lines = (Vec<(i64, Value)>, bool);

impl Store {
    pub(super) async fn rows(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, parameters).await?)
    }

    /// A statement whose best plan depends on which filters are there: a kept plan would look through everything.
    pub(super) async fn planned(&self, sql: &str, parameters: Typed<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.client().await?.query_typed(sql, parameters).await?)
    }

    pub(super) async fn values(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Value>, StoreError> {
        self.rows(sql, parameters).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
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
                    is_workflow: row.try_get(4)?,
                })
            })
            .transpose()
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
        let rows = self
            .planned(
                sql::VIEW_SUB_JOBS,
                &[
                    (&id.0, Type::UUID),
                    (&after.0, Type::INT4),
                    (&after.1, Type::INT4),
                    (&step, Type::TEXT),
                    (&statuses, Type::TEXT_ARRAY),
                    (&limit, Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
    }

    /// A page of the values of an items list, each with its place (chunk, position): that of the last is the next page's
    /// `after`. And whether there are more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_items(
        &self,
        id: JobId,
        name: &str,
        after: (i64, i64),
        limit: i64,
    ) -> Result<(Vec<((i64, i64), Value)>, bool), StoreError> {
        let rows = self.rows(sql::VIEW_ITEMS, &[&id.0, &name, &after.0, &after.1, &limit, &PAGE_BYTES]).await?;
        let more = found_more(&rows, 3)?;
        let read = |row: &Row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?));
        Ok((rows.iter().map(read).collect::<Result<_, StoreError>>()?, more))
    }

    /// A page of what happened, and whether there is more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_history(&self, trail: Trail, after: i64, limit: i64) -> Result<Lines, StoreError> {
        let (root, job, below) = trail.of_history();
        let rows = self
            .planned(
                sql::VIEW_HISTORY,
                &[
                    (&root, Type::UUID),
                    (&job, Type::UUID),
                    (&below, Type::UUID),
                    (&after, Type::INT8),
                    (&limit, Type::INT8),
                    (&PAGE_BYTES, Type::INT8),
                ],
            )
            .await?;
        lines(&rows)
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

    /// The versions of a definition, the newest first. Their runs are counted among the workflow's newest `counted`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_versions(&self, name: &str, counted: i64, limit: i64) -> Result<Vec<Version>, StoreError> {
        let rows = self.rows(sql::VIEW_VERSIONS, &[&name, &counted, &limit]).await?;
        let read = |row: &Row| {
            Ok(Version {
                hash: row.try_get(0)?,
                title: row.try_get(1)?,
                source: row.try_get(2)?,
                created_at: row.try_get(3)?,
                is_current: row.try_get::<_, Option<bool>>(4)?.unwrap_or(false),
                runs: row.try_get(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The version of a definition whose hash begins like this.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_version(&self, name: &str, hash: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.values(sql::VIEW_VERSION, &[&name, &hash]).await?.pop())
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

    /// Whether the schema is in place.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        Ok(self.client().await?.query_one(sql::VIEW_MIGRATED, &[]).await?.try_get(0)?)
    }
}

/// Whether more were found than the page has.
fn found_more(rows: &[Row], column: usize) -> Result<bool, StoreError> {
    let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get(column))?;
    Ok(usize::try_from(found).is_ok_and(|found| found > rows.len()))
}

pub(super) fn lines(rows: &[Row]) -> Result<Lines, StoreError> {
    let more = found_more(rows, 2)?;
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    Ok((rows.iter().map(read).collect::<Result<_, StoreError>>()?, more))
}
