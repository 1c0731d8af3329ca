//! Which statements a measurement spent its time in, by `pg_stat_statements`.

use anyhow::Context;
use serde::Serialize;
use tokio_postgres::Client;

/// A statement, over all of its calls within a measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Statement {
    pub(crate) statement: String,
    pub(crate) calls: i64,
    pub(crate) rows: i64,
    pub(crate) mean_ms: f64,
    /// Of a call, for planning it anew; nothing where the server does not track planning or a plan was kept.
    pub(crate) plan_ms: f64,
    pub(crate) total_ms: f64,
    pub(crate) wal_bytes: i64,
}

/// Makes what [`list`] reads.
pub(crate) async fn prepare(database: &Client) -> anyhow::Result<()> {
    let how = "--statements needs a server with shared_preload_libraries = 'pg_stat_statements'; scripts/bench starts one \
               when it uses its private servers, else set it and start Postgres anew";
    // The view is there without the library, and fails when it is read.
    database.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.context(how)?;
    reset(database).await.context(how)
}

/// Forgets what was counted.
pub(crate) async fn reset(database: &Client) -> anyhow::Result<()> {
    Ok(database.batch_execute("SELECT pg_stat_statements_reset()").await?)
}

/// All that ran in this database since the last reset, the most expensive first.
pub(crate) async fn list(database: &Client) -> anyhow::Result<Vec<Statement>> {
    let rows = database
        .query(
            "SELECT query, calls, rows, total_exec_time / calls, total_plan_time / calls, total_plan_time + total_exec_time,
                 wal_bytes::bigint
             FROM pg_stat_statements
             WHERE calls > 0 AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND query NOT ILIKE '%pg_stat_statements%' AND query NOT ILIKE '%pg_current_wal_insert_lsn%'
             ORDER BY 6 DESC",
            &[],
        )
        .await?;
    let statement = |row: &tokio_postgres::Row| Statement {
        statement: short(row.get(0)),
        calls: row.get(1),
        rows: row.get(2),
        mean_ms: row.get(3),
        plan_ms: row.get(4),
        total_ms: row.get(5),
        wal_bytes: row.get(6),
    };
    Ok(rows.iter().map(statement).collect())
}

/// The comment that each file of `orchestrator/src/store/sql` begins with tells what a statement is for; one without is told by
/// its own words.
fn short(query: &str) -> String {
    let comment: Vec<&str> = query.lines().map_while(|line| line.trim().strip_prefix("--")).map(str::trim).collect();
    let text = if comment.is_empty() { query.to_owned() } else { comment.join(" ") };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_comment_or_its_words() {
        assert_eq!(
            short("-- The roots of these jobs,\n--  locked.\nSELECT id\nFROM jobs"),
            "The roots of these jobs, locked."
        );
        assert_eq!(short("INSERT INTO jobs\n    VALUES ($1)"), "INSERT INTO jobs VALUES ($1)");
    }
}
