//! Log lines of jobs: kept, and read page by page.

use deadpool_postgres::Transaction;
use drover_protocol::{JobEvent, JobEventKind, LogLevel};
use serde_json::Value;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    Store, StoreError,
    rows::{signed, signed_long},
    statements as sql,
    view::{Lines, PAGE_BYTES, Trail, lines},
};

impl Store {
    /// Keeps log lines. Lines of jobs that are gone are left out, repeats too.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_logs(&self, events: &[JobEvent]) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        insert(&tx, events).await?;
        tx.commit().await?;
        Ok(())
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
}

/// Writes lines after those of the same trees that others are about to commit.
pub(super) async fn insert(tx: &Transaction<'_>, events: &[JobEvent]) -> Result<(), StoreError> {
    let lines: Vec<(&JobEvent, &'static str, &str, Value)> = events
        .iter()
        .filter_map(|event| match &event.kind {
            JobEventKind::Log { level, message, fields } => {
                Some((event, level.as_str(), message.as_str(), Value::Object(fields.clone())))
            }
            _ => None,
        })
        .collect();
    let jobs: Vec<Uuid> = lines.iter().map(|line| line.0.job_id.0).collect();
    // A statement of its own: the ids must not be taken before the locks.
    let statement = tx.prepare_cached(sql::LOCK_LOG_TREES).await?;
    tx.query(&statement, &[&jobs]).await?;
    let statement = tx.prepare_cached(sql::INSERT_LOGS).await?;
    tx.execute(
        &statement,
        &[
            &jobs,
            &lines.iter().map(|line| signed(line.0.attempt)).collect::<Vec<_>>(),
            &lines.iter().map(|line| line.0.worker_session.0).collect::<Vec<_>>(),
            &lines.iter().map(|line| signed_long(line.0.seq)).collect::<Vec<_>>(),
            &lines.iter().map(|line| line.0.at).collect::<Vec<_>>(),
            &lines.iter().map(|line| line.1).collect::<Vec<_>>(),
            &lines.iter().map(|line| line.2).collect::<Vec<_>>(),
            &lines.iter().map(|line| &line.3).collect::<Vec<_>>(),
        ],
    )
    .await?;
    Ok(())
}
