//! What Postgres does by itself.

use std::time::Instant;

use drover_tests::Database;
use tokio_postgres::Client;

use crate::{
    counts::Counts,
    figures::Figures,
    time::{ms, per_second, percentile},
};

/// Rows of one update.
const BATCH_ROWS: u32 = 500;
/// Rows of the table.
const ROWS: u32 = 20_000;

/// Latency of a commit, and rows per second of updates by `unnest`.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let database = Database::create().await?;
    let client = database.connect().await?;
    client
        .batch_execute(&format!(
            "CREATE TABLE job (id int PRIMARY KEY, status text NOT NULL, progress int NOT NULL) WITH (fillfactor = 70);
             INSERT INTO job SELECT id, 'running', 0 FROM generate_series(1, {ROWS}) AS id;
             ANALYZE job; CHECKPOINT"
        ))
        .await?;
    commits(&client, 10).await?;
    let mut times = commits(&client, counts.commits).await?;
    figures.add("postgres_commit_ms_p50", percentile(&mut times, 50));
    figures.add("postgres_commit_ms_p99", percentile(&mut times, 99));
    figures.add("postgres_batch_update_rows_per_second", updates(&client, counts.row_batches).await?);
    Ok(())
}

/// Milliseconds of each of so many updates of one row, each its own transaction.
async fn commits(client: &Client, count: u32) -> anyhow::Result<Vec<f64>> {
    let statement = client.prepare("UPDATE job SET progress = progress + 1 WHERE id = 1").await?;
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        client.execute(&statement, &[]).await?;
        times.push(ms(start.elapsed()));
    }
    Ok(times)
}

/// Rows per second of so many updates of 500 rows each, spread over the table, each its own transaction.
async fn updates(client: &Client, batches: u32) -> anyhow::Result<f64> {
    let statement = client
        .prepare(
            "UPDATE job SET status = x.status, progress = x.progress
             FROM unnest($1::int[], $2::text[], $3::int[]) AS x (id, status, progress) WHERE job.id = x.id",
        )
        .await?;
    let statuses = vec!["running"; usize::try_from(BATCH_ROWS)?];
    let start = Instant::now();
    for batch in 0..batches {
        // A prime that does not divide the number of rows: a batch's rows are far apart and all different.
        let ids: Vec<i32> =
            (0..BATCH_ROWS).map(|row| ((batch * BATCH_ROWS + row) * 7_919 % ROWS).cast_signed() + 1).collect();
        let progress = vec![batch.cast_signed(); ids.len()];
        client.execute(&statement, &[&ids, &statuses, &progress]).await?;
    }
    Ok(per_second(batches * BATCH_ROWS, start.elapsed()))
}
