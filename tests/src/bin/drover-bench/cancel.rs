//! A cancel in the middle of a fan-out: how long it takes beyond what the handlers themselves take to stop.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use drover_tests::{wait, wait::Seen};
use reqwest::Method;
use serde_json::json;

use crate::{
    counts::Counts,
    fan_out,
    figures::Figures,
    system::System,
    time::{ms, percentile},
};

/// How many of the jobs run at once: the limit of their type in the worker.
const RUNNING: u32 = 8;
/// From being told to the end of a handler. Short, so that what else is waited for is not hidden behind it.
const STOP: Duration = Duration::from_millis(100);
/// For so long at least the first half may take, whatever its size.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a slow machine still does.
const JOBS_PER_SECOND: u32 = 100;

/// What `max_parallel` is, and how many batches have completed at most. With a wide window hundreds of messages lie in the queue when the cancel comes, and each must be
/// known never to begin; with a narrow one nothing but the running jobs is waited for, and half of a million would take hours.
pub(crate) const WINDOWS: [(&str, u32, u32); 2] = [("wide", 1_000, u32::MAX), ("narrow", RUNNING, 500)];

/// About half of the batches have completed, or as many as the window allows, and eight hold when the cancel comes. From the request to the notification of the
/// workflow's end, without the time that the handlers take.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    for (window, max_parallel, most_done) in WINDOWS {
        let params =
            json!({ "numbers": "${batch.items}", "hold_from": "${input.hold_from}", "stop_ms": "${input.stop_ms}" });
        system.apply("cancelled", fan_out::steps("holds", max_parallel, params)).await?;
        for size in &counts.fan_outs {
            let (mut settled, mut answered) = (Vec::new(), Vec::new());
            for _ in 0..counts.cancels {
                let (answer, end) = once(system, *size, max_parallel, (size / 2).min(most_done)).await?;
                ensure!(
                    end >= STOP,
                    "the cancel settled {end:?} after the request; the handlers take {STOP:?} to stop"
                );
                answered.push(ms(answer));
                settled.push(ms(end - STOP));
            }
            figures.add(figure(*size, window, "request_ms_p50"), percentile(&mut answered, 50));
            figures.add(figure(*size, window, "ms_p50"), percentile(&mut settled, 50));
            figures.add(figure(*size, window, "ms_max"), percentile(&mut settled, 100));
        }
    }
    Ok(())
}

/// The name of a figure.
pub(crate) fn figure(size: u32, window: &str, what: &str) -> String {
    format!("cancel_{size}_{window}_{what}")
}

/// When the request was answered, and when the end was heard of.
async fn once(system: &mut System, size: u32, window: u32, done: u32) -> anyhow::Result<(Duration, Duration)> {
    let input = json!({ "count": size, "hold_from": done, "stop_ms": u64::try_from(STOP.as_millis())? });
    let id = system.fleet.submit("cancelled", input).await?;
    let patience = PATIENCE + Duration::from_secs((size / JOBS_PER_SECOND).into());
    // Those that wait in the queue count as running in the metadata; the lease is what a worker holds.
    let database = system.fleet.database.connect().await?;
    let held =
        "SELECT count(*) FROM jobs WHERE root_id = $1::text::uuid AND lease_session IS NOT NULL AND batch_index >= $2";
    let from = done.cast_signed();
    wait::until("eight jobs to hold", patience, async || {
        let running: i64 = database.query_one(held, &[&id, &from]).await?.get(0);
        Ok(if running == i64::from(RUNNING) { Seen::Yes(()) } else { Seen::not_yet(format!("{running} hold")) })
    })
    .await?;

    let start = Instant::now();
    let (status, body) = system.fleet.request(Method::POST, &format!("/api/v1/jobs/{id}/cancel"), None).await?;
    ensure!(status == 202, "cancel: {status} {body}");
    let answered = start.elapsed();
    system.ends.ended([id.clone()], "cancelled").await?;
    let ended = start.elapsed();
    let job = system.fleet.job(&id).await?;
    let found = job["metadata"]["steps"][1]["done"].as_u64().context("the fan-out counts what is done")?;
    // Jobs of one window begin in any order.
    let least = done.saturating_sub(window);
    ensure!((least.into()..=done.into()).contains(&found), "{found} jobs were done of {size}, not {least} to {done}");
    Ok((answered, ended))
}
