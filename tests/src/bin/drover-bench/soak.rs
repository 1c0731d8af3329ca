//! Short workflows at half of the top rate, for long: what grows, and whether steps become slower.

use std::time::{Duration, Instant};

use anyhow::Context;
use drover_tests::Fleet;
use serde_json::json;
use tokio::time::sleep_until;

use crate::{counts::Counts, figures::Figures, submissions, system::System, time::ms, weight, workflows};

/// Tables that are written for every job.
pub(crate) const TABLES: [&str; 4] = ["jobs", "history", "outbox", "submissions"];
/// When it is looked at: what the names of the figures end with.
pub(crate) const LOOKS: [&str; 2] = ["start", "end"];
/// The first look comes after so many percent of the time, when caches are warm; each is at so much of it.
const EDGE: u32 = 10;

/// Submits evenly for so many seconds, and waits for the ends.
pub(crate) async fn measure(counts: &Counts, seconds: u32, figures: &mut Figures) -> anyhow::Result<()> {
    let mut system = System::start(counts).await?;
    system.warm_up().await?;
    workflows::measure(&mut system, counts, figures, "soak_top").await?;
    let top = figures.last("soak_top_steps_per_second").context("the top rate was measured")?;
    let per_second = top / f64::from(counts.workflow_steps) / 2.0;
    figures.add("soak_steps_per_second", top / 2.0);
    let (total, start) = (Duration::from_secs(seconds.into()), Instant::now());
    let count = whole(per_second * f64::from(seconds));

    let cost = system.begin().await?;
    let System { fleet, ends, .. } = &mut system;
    let submit = async {
        let submission = json!({ "type": workflows::SHORT });
        submissions::post_at(fleet.url(), &submission, count, Some(per_second)).await?;
        anyhow::Ok(Instant::now())
    };
    let watch = async {
        let edge = total * EDGE / 100;
        for (look, at) in LOOKS.into_iter().zip([edge, total]) {
            sleep_until((start + at).into()).await;
            see(fleet, edge, figures, look).await?;
        }
        anyhow::Ok(())
    };
    let end = async {
        ends.many(workflows::SHORT, count).await?;
        anyhow::Ok(Instant::now())
    };
    let (submitted, ended, watched) = tokio::join!(submit, end, watch);
    watched?;
    // Little where the system keeps up. The last look takes longer: it reads all steps.
    figures.add("soak_last_end_ms", ms(ended?.saturating_duration_since(submitted?)));
    system.end(cost, figures, "soak", count * counts.workflow_steps).await?;
    system.done();
    Ok(())
}

/// At least one.
fn whole(count: f64) -> u32 {
    // Saturates, and the count is far below.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count of submissions")]
    let count = count.round() as u32;
    count.max(1)
}

/// How it stands: memory, tables, and the steps that ended within the time before.
async fn see(fleet: &Fleet, before: Duration, figures: &mut Figures, look: &str) -> anyhow::Result<()> {
    let orchestrator = fleet.orchestrators.first().context("no orchestrator")?.process.pid();
    let worker = fleet.workers.first().context("no worker")?.pid();
    figures.add(format!("soak_orchestrator_rss_bytes_{look}"), weight::resident_bytes(orchestrator).await?);
    figures.add(format!("soak_worker_rss_bytes_{look}"), weight::resident_bytes(worker).await?);
    let database = fleet.database.connect().await?;
    // A sub-job's row is made by the fold that ends the step before.
    let steps = "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
                     ORDER BY extract(epoch FROM finished_at - created_at)::float8 * 1000)
                 FROM jobs WHERE parent_id IS NOT NULL AND finished_at > now() - make_interval(secs => $1)";
    let times: Option<Vec<f64>> = database.query_one(steps, &[&before.as_secs_f64()]).await?.get(0);
    let times = times.context("no step ended within the time")?;
    figures.add(format!("soak_step_ms_p50_{look}"), times[0]);
    figures.add(format!("soak_step_ms_p99_{look}"), times[1]);
    for table in TABLES {
        let sizes = "SELECT pg_table_size(relid)::float8, pg_indexes_size(relid)::float8, n_dead_tup::float8
                     FROM pg_stat_user_tables WHERE relname = $1";
        let row = database.query_one(sizes, &[&table]).await?;
        for (index, what) in ["bytes", "index_bytes", "dead_rows"].into_iter().enumerate() {
            figures.add(format!("soak_{table}_{what}_{look}"), row.get(index));
        }
    }
    Ok(())
}
