//! Log lines of jobs: kept up to a limit for each job, read page by page, deleted when they are old or too many.

use std::{collections::HashMap, time::Duration};

use deadpool_postgres::Transaction;
use drover_protocol::{JobEvent, JobEventKind, LogLevel};
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    Store, StoreError,
    rows::{seconds, signed, signed_long},
    statements as sql,
    view::{Lines, PAGE_BYTES, Trail, lines},
};

/// What a line takes beside its texts: its row and its entries in four indexes.
const LINE_BYTES: i64 = 250;
/// Most lines that are deleted by one statement.
const EXPIRED: i64 = 5_000;

/// What one statement deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Lines.
    pub lines: i64,
    /// What they took.
    pub bytes: i64,
    /// The last of them: the next statement begins after it. `None`: there was nothing to delete.
    pub last: Option<i64>,
}

impl Store {
    /// Keeps log lines, of each job up to so many bytes; then one line says how many were dropped. Lines of jobs that are gone
    /// are left out, repeats too. How many were dropped.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_logs(&self, events: &[JobEvent], job_bytes: Option<i64>) -> Result<i64, StoreError> {
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let dropped = insert(&tx, events, job_bytes).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// A page of log lines, and whether there are more. `levels`: only these.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_logs(
        &self,
        trail: Trail,
        after: i64,
        levels: Option<&[LogLevel]>,
        limit: i64,
    ) -> Result<Lines, StoreError> {
        let levels: Option<Vec<&str>> = levels.map(|levels| levels.iter().map(|level| level.as_str()).collect());
        let (root, job, below) = trail.of_logs();
        let rows = self
            .planned(
                sql::VIEW_LOGS,
                &[
                    (&root, Type::UUID),
                    (&job, Type::UUID),
                    (&below, Type::UUID),
                    (&after, Type::INT8),
                    (&levels, Type::TEXT_ARRAY),
                    (&limit, Type::INT8),
                    (&PAGE_BYTES, Type::INT8),
                ],
            )
            .await?;
        lines(&rows)
    }

    /// How many log lines of these jobs are deleted by now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn expired_logs(&self, trail: Trail) -> Result<i64, StoreError> {
        let (root, job, below) = trail.of_logs();
        let parameters = [(&root as _, Type::UUID), (&job as _, Type::UUID), (&below as _, Type::UUID)];
        let rows = self.planned(sql::EXPIRED_LOGS, &parameters).await?;
        rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// How many bytes all log lines take.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn log_bytes(&self) -> Result<i64, StoreError> {
        Ok(self.client().await?.query_one(sql::LOG_BYTES, &[]).await?.try_get(0)?)
    }

    /// Deletes some of the oldest log lines after `after`: those that are older than `age`, up to so many bytes.
    ///
    /// # Errors
    /// When the database is away; then none is deleted.
    pub async fn expire_logs(&self, after: i64, age: Option<Duration>, bytes: i64) -> Result<Expired, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::EXPIRE_LOGS).await?;
        let row = client.query_one(&statement, &[&after, &EXPIRED, &age.map(seconds), &bytes, &LINE_BYTES]).await?;
        Ok(Expired { lines: row.try_get(0)?, bytes: row.try_get(1)?, last: row.try_get(2)? })
    }
}

/// A line as it is kept.
struct Line<'a> {
    event: &'a JobEvent,
    level: &'static str,
    message: &'a str,
    fields: Value,
}

impl<'a> Line<'a> {
    fn of(event: &'a JobEvent) -> Option<Self> {
        let JobEventKind::Log { level, message, fields } = &event.kind else { return None };
        Some(Self { event, level: level.as_str(), message, fields: Value::Object(fields.clone()) })
    }

    fn bytes(&self) -> i64 {
        let fields =
            self.fields.as_object().filter(|fields| !fields.is_empty()).map_or(2, |_| self.fields.to_string().len());
        LINE_BYTES + i64::try_from(self.message.len() + fields).unwrap_or(i64::MAX / 2)
    }
}

/// Writes lines after those of the same trees that others are about to commit. How many it dropped.
pub(super) async fn insert(
    tx: &Transaction<'_>,
    events: &[JobEvent],
    job_bytes: Option<i64>,
) -> Result<i64, StoreError> {
    let mut lines: Vec<Line<'_>> = events.iter().filter_map(Line::of).collect();
    let jobs: Vec<Uuid> = lines.iter().map(|line| line.event.job_id.0).collect();
    // A statement of its own: the ids must not be taken before the locks, nor the sizes be read.
    let statement = tx.prepare_cached(sql::LOCK_LOG_TREES).await?;
    tx.query(&statement, &[&jobs]).await?;
    let dropped = match job_bytes {
        Some(limit) => {
            let statement = tx.prepare_cached(sql::LOG_SIZES_OF).await?;
            let rows = tx.query(&statement, &[&jobs]).await?;
            drop_beyond(&mut lines, rows.iter().map(|row| (row.get(0), row.get(1))).collect(), limit)
        }
        None => HashMap::new(),
    };
    let (dropped_jobs, dropped_lines): (Vec<Uuid>, Vec<i64>) = dropped.iter().unzip();
    let statement = tx.prepare_cached(sql::INSERT_LOGS).await?;
    let noted = tx
        .query(
            &statement,
            &[
                &lines.iter().map(|line| line.event.job_id.0).collect::<Vec<_>>(),
                &lines.iter().map(|line| signed(line.event.attempt)).collect::<Vec<_>>(),
                &lines.iter().map(|line| line.event.worker_session.0).collect::<Vec<_>>(),
                &lines.iter().map(|line| signed_long(line.event.seq)).collect::<Vec<_>>(),
                &lines.iter().map(|line| line.event.at).collect::<Vec<_>>(),
                &lines.iter().map(|line| line.level).collect::<Vec<_>>(),
                &lines.iter().map(|line| line.message).collect::<Vec<_>>(),
                &lines.iter().map(|line| &line.fields).collect::<Vec<_>>(),
                &LINE_BYTES,
                &dropped_jobs,
                &dropped_lines,
            ],
        )
        .await?;
    let limit = job_bytes.unwrap_or_default();
    notice(tx, noted.iter().map(|row| (row.get(0), row.get(1), row.get(2))), limit).await?;
    Ok(dropped_lines.iter().sum())
}

/// Leaves out the lines for which their jobs have no room, by what each has. How many of each job.
fn drop_beyond(lines: &mut Vec<Line<'_>>, mut sizes: HashMap<Uuid, i64>, limit: i64) -> HashMap<Uuid, i64> {
    let mut dropped = HashMap::new();
    lines.retain(|line| {
        let job = line.event.job_id.0;
        let size = sizes.entry(job).or_default();
        let fits = *size + line.bytes() <= limit;
        if fits {
            *size += line.bytes();
        } else {
            *dropped.entry(job).or_default() += 1;
        }
        fits
    });
    dropped
}

/// Says in the log of each job how many of its lines were dropped: in one line, which is written anew when there are more.
async fn notice(
    tx: &Transaction<'_>,
    noted: impl Iterator<Item = (Uuid, i64, Option<i64>)>,
    limit: i64,
) -> Result<(), StoreError> {
    let (mut first, mut again) = ((Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new(), Vec::new()));
    for (job, dropped, notice) in noted {
        let message = format!("{dropped} log lines were dropped: a job keeps {limit} bytes of them (logs.job_bytes)");
        let fields = json!({ "dropped": dropped });
        match notice {
            Some(id) => {
                again.0.push(id);
                again.1.push(message);
                again.2.push(fields);
            }
            None => {
                first.0.push(job);
                first.1.push(message);
                first.2.push(fields);
            }
        }
    }
    if !first.0.is_empty() {
        let statement = tx.prepare_cached(sql::INSERT_LOG_NOTICES).await?;
        tx.execute(&statement, &[&first.0, &first.1, &first.2]).await?;
    }
    if !again.0.is_empty() {
        let statement = tx.prepare_cached(sql::RENEW_LOG_NOTICES).await?;
        tx.execute(&statement, &[&again.0, &again.1, &again.2]).await?;
    }
    Ok(())
}
