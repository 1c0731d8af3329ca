//! Log lines and history as the pages show them: the newest first, with what is searched for.

use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{Store, StoreError, Trail, statements as sql};

/// Most log lines that one search looks at: it ends within a moment, and says where to go on.
const SCANNED: i64 = 20_000;

/// Which log lines are meant.
#[derive(Clone, Debug, Default)]
pub struct LogSearch {
    /// Only lines of these levels.
    pub levels: Option<Vec<&'static str>>,
    /// Only lines in which this stands, whatever its case.
    pub text: Option<String>,
    /// Only lines before this one.
    pub before: Option<i64>,
}

/// A log line.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Its level.
    pub level: String,
    /// What it says, up to 4,000 characters.
    pub message: String,
    /// Its fields, unless they are large.
    pub fields: Option<Value>,
    /// The job that wrote it.
    pub job_id: JobId,
    /// That job's type.
    pub job_type: Option<String>,
    /// Which batch it is.
    pub batch_index: Option<i32>,
}

/// What happened once.
#[derive(Clone, Debug)]
pub struct HistoryLine {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// To which job.
    pub job_id: JobId,
    /// In which attempt.
    pub attempt: i32,
    /// What.
    pub kind: String,
    /// More of it, unless it is large.
    pub detail: Option<Value>,
    /// The job's type.
    pub job_type: Option<String>,
    /// Which batch it is.
    pub batch_index: Option<i32>,
}

/// A page, newest first.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// What was found.
    pub lines: Vec<T>,
    /// Before which number to look on; `None`: there is no more.
    pub next_before: Option<i64>,
}

impl Store {
    /// A page of log lines, newest first. A search that finds little ends early, and says where to go on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn search_logs(
        &self,
        trail: Trail,
        search: &LogSearch,
        limit: i64,
    ) -> Result<Found<LogLine>, StoreError> {
        let (root, job, below) = trail.of_logs();
        let narrows = search.levels.is_some() || search.text.is_some();
        let scanned = if narrows { SCANNED } else { limit + 1 };
        let rows = self
            .planned(
                sql::SEARCH_LOGS,
                &[
                    (&root, Type::UUID),
                    (&job, Type::UUID),
                    (&below, Type::UUID),
                    (&search.before.unwrap_or(i64::MAX), Type::INT8),
                    (&search.levels, Type::TEXT_ARRAY),
                    (&search.text, Type::TEXT),
                    (&scanned, Type::INT8),
                    (&(limit + 1), Type::INT8),
                ],
            )
            .await?;
        let stopped_at: Option<i64> = rows.first().map_or(Ok(None), |row| row.try_get(8))?;
        // Where nothing was found there is one row all the same, which says how far was looked.
        let found = rows.iter().filter(|row| !matches!(row.try_get::<_, Option<i64>>(0), Ok(None)));
        let lines = found.map(log_line).collect::<Result<Vec<_>, _>>()?;
        Ok(page(lines, limit, stopped_at, |line| line.id))
    }

    /// A page of what happened, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_history_back(
        &self,
        trail: Trail,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Found<HistoryLine>, StoreError> {
        let (root, job, below) = trail.of_history();
        let rows = self
            .planned(
                sql::VIEW_HISTORY_BACK,
                &[
                    (&root, Type::UUID),
                    (&job, Type::UUID),
                    (&below, Type::UUID),
                    (&before.unwrap_or(i64::MAX), Type::INT8),
                    (&(limit + 1), Type::INT8),
                ],
            )
            .await?;
        let lines = rows.iter().map(history_line).collect::<Result<Vec<_>, _>>()?;
        Ok(page(lines, limit, None, |line| line.id))
    }
}

/// Cuts what was found to a page. `stopped_at`: where the search ended before the end of the lines.
fn page<T>(mut lines: Vec<T>, limit: i64, stopped_at: Option<i64>, id: impl Fn(&T) -> i64) -> Found<T> {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = lines.len() > size;
    lines.truncate(size);
    let next_before = if more { lines.last().map(id) } else { stopped_at };
    Found { lines, next_before }
}

fn log_line(row: &Row) -> Result<LogLine, StoreError> {
    Ok(LogLine {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        level: row.try_get(2)?,
        message: row.try_get(3)?,
        fields: row.try_get(4)?,
        job_id: JobId(row.try_get::<_, Uuid>(5)?),
        job_type: row.try_get(6)?,
        batch_index: row.try_get(7)?,
    })
}

fn history_line(row: &Row) -> Result<HistoryLine, StoreError> {
    Ok(HistoryLine {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        job_id: JobId(row.try_get::<_, Uuid>(2)?),
        attempt: row.try_get(3)?,
        kind: row.try_get(4)?,
        detail: row.try_get(5)?,
        job_type: row.try_get(6)?,
        batch_index: row.try_get(7)?,
    })
}
