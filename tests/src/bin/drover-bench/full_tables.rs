//! What a job costs when the tables are full, against what it costs when they are empty.

use anyhow::ensure;
use drover_tests::{fleet::PATIENCE, wait, wait::Seen};
use reqwest::Method;
use serde_json::json;
use tokio_postgres::Client;

use crate::{counts::Counts, fan_out, figures::Figures, submissions, system::System, watch, workflows};

/// What the names of the figures begin with.
pub(crate) const STATES: [&str; 2] = ["empty_tables", "full_tables"];

/// Copies every tree, `$1` minutes earlier: ids are UUIDs of version 7, whose first 48 bits are milliseconds, so a copy has
/// ids of its own and stands in the indexes where it would if it had run then.
const COPY: &str = include_str!("copy_trees.sql");

/// A fan-out and short workflows, before and after the tables are filled. What they left is copied until there are enough
/// finished jobs; the waiting ones are really submitted, and lie in their queue.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let mut system = System::start(counts).await?;
    system.warm_up().await?;
    for state in STATES {
        fan_out::once(&mut system, counts.scale_fan_out, figures, &format!("{state}_fanout")).await?;
        workflows::measure(&mut system, counts, figures, &format!("{state}_workflow")).await?;
        if state == STATES[0] {
            fill(&mut system, counts).await?;
        }
    }
    watch::pages(&system, figures, STATES[1]).await?;
    system.done();
    Ok(())
}

async fn fill(system: &mut System, counts: &Counts) -> anyhow::Result<()> {
    let database = system.fleet.database.connect().await?;
    let finished = finish(&database, counts.finished_jobs).await?;
    // Workers leave the queue of a paused type alone.
    let (status, body) = system.fleet.request(Method::POST, "/api/v1/types/holds/pause", None).await?;
    ensure!(status == 202, "pause: {status} {body}");
    wait::until("the worker to have heard of the pause", PATIENCE, async || {
        let pauses = system.fleet.get("/api/v1/pauses").await?;
        let workers = &pauses["paused"][0]["workers"];
        Ok(if workers["acknowledged"] == 1 { Seen::Yes(()) } else { Seen::not_yet(pauses) })
    })
    .await?;
    let waiting = json!({ "type": "holds", "params": { "numbers": [0], "hold_from": 0, "stop_ms": 0 } });
    submissions::send(system, &waiting, counts.waiting_jobs, None).await?;
    wait::until("the waiting jobs to be in their queue", PATIENCE, async || {
        let owed: i64 = database.query_one("SELECT count(*) FROM outbox", &[]).await?.get(0);
        Ok(if owed == 0 { Seen::Yes(()) } else { Seen::not_yet(format!("{owed} rows of the outbox")) })
    })
    .await?;
    // As autovacuum would leave them. Each by itself: a vacuum cannot share a transaction.
    for upkeep in ["VACUUM ANALYZE", "CHECKPOINT"] {
        database.batch_execute(upkeep).await?;
    }
    let standing =
        "SELECT count(*) FILTER (WHERE finished_at IS NOT NULL), count(*) FILTER (WHERE status = 'pending') FROM jobs";
    let row = database.query_one(standing, &[]).await?;
    let (ended, waiting): (i64, i64) = (row.get(0), row.get(1));
    ensure!(ended >= finished && waiting == i64::from(counts.waiting_jobs), "{ended} have ended and {waiting} wait");
    eprintln!("bench: {ended} finished and {waiting} waiting jobs are in the tables");
    Ok(())
}

/// Copies what there is until so many jobs have ended. How many have.
async fn finish(database: &Client, wanted: u32) -> anyhow::Result<i64> {
    let count = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL";
    let there: i64 = database.query_one(count, &[]).await?.get(0);
    ensure!(there > 0, "nothing to copy");
    // Doubling: each copy is made of all that there is, and stands before it.
    let (mut ended, mut minutes) = (there, 60_i64);
    while ended < i64::from(wanted) {
        database.batch_execute(&COPY.replace("$1", &minutes.to_string())).await?;
        (ended, minutes) = (ended * 2, minutes * 2);
    }
    Ok(ended)
}
