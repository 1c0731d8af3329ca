//! What people look at: pages while much changes, and while the tables are full.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    counts::Counts,
    figures::Figures,
    meter,
    progress::{Gates, folded},
    system::System,
    time::{ms, per_second, percentile},
    weight,
};

/// As many as watch at once.
const BROWSERS: usize = 10;
/// Trees that change, and jobs of each that report eleven times a second: more than a thousand updates.
const TREES: u32 = 20;
const JOBS: u32 = 5;
const SPACING_MS: u32 = 90;
/// A page's script looks no more often.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests of each page where the tables are full.
const REQUESTS: u32 = 50;

/// Browsers with a stream each look anew when something changed, as the pages' script does, while a thousand reports a second come in.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let mut system = System::start(counts).await?;
    let step = json!({
        "key": "work", "title": "Work", "job": "reports", "for_each": "${input.items}", "max_parallel": 1000,
        "params": {
            "begin": "${input.begin}", "end": "${input.end}", "reports": "${input.reports}",
            "spacing_ms": "${input.spacing_ms}",
        },
    });
    system.apply("watched", json!([step])).await?;
    let gates = Gates::new(SPACING_MS)?;
    let params = json!({
        "items": (0..JOBS).collect::<Vec<_>>(), "begin": gates.begin, "end": gates.end,
        // A little more than are sent meanwhile.
        "reports": counts.watch_seconds * 1_000 / SPACING_MS + 20, "spacing_ms": SPACING_MS,
    });
    let mut ids = Vec::new();
    for _ in 0..TREES {
        let id = system.fleet.submit("watched", params.clone()).await?;
        system.fleet.until(&id, "all jobs to run", |job| job["metadata"]["steps"][0]["running"] == json!(JOBS)).await?;
        ids.push(id);
    }
    gates.begin()?;
    let url = system.fleet.url().to_owned();
    let until = Instant::now() + Duration::from_secs(counts.watch_seconds.into());
    let mut browsers = JoinSet::new();
    for browser in 0..BROWSERS {
        let page = if browser % 2 == 0 { "/".to_owned() } else { format!("/jobs/{}", ids[browser % ids.len()]) };
        browsers.spawn(browse(url.clone(), page, until));
    }
    // What grows at first, buffers and caches, is there after a fifth of the time.
    sleep(Duration::from_secs(counts.watch_seconds.into()) / 5).await;
    let pid = system.fleet.orchestrators.first().context("no orchestrator")?.process.pid();
    let (start, before, spent) = (Instant::now(), folded(&system).await?, meter::spent([pid]));
    figures.add("watch_orchestrator_rss_bytes_start", weight::resident_bytes(pid).await?);
    let (mut pages, mut events) = (Vec::new(), 0);
    while let Some(browsed) = browsers.join_next().await {
        let (looks, heard) = browsed??;
        pages.extend(looks);
        events += heard;
    }
    let took = start.elapsed();
    figures.add("watch_updates_per_second", per_second(folded(&system).await? - before, took));
    figures.add("watch_orchestrator_rss_bytes_end", weight::resident_bytes(pid).await?);
    if let Some((before, after)) = spent.zip(meter::spent([pid])) {
        let share = after.saturating_sub(before).as_secs_f64() / took.as_secs_f64();
        figures.add("watch_orchestrator_cpu_percent", 100.0 * share);
    }
    let seconds = Duration::from_secs(counts.watch_seconds.into());
    figures.add("watch_events_per_second", per_second(events, seconds));
    figures.add("watch_pages_per_second", per_second(u32::try_from(pages.len())?, seconds));
    figures.add("watch_page_ms_p50", percentile(&mut pages, 50));
    figures.add("watch_page_ms_p99", percentile(&mut pages, 99));
    gates.end()?;
    system.ends.completed(ids).await?;
    system.done();
    Ok(())
}

/// One browser: how long each look took, in milliseconds, and how many events it heard.
async fn browse(url: String, page: String, until: Instant) -> anyhow::Result<(Vec<f64>, u32)> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut stream = client.get(format!("{url}/api/v1/events")).send().await?.error_for_status()?.bytes_stream();
    let (mut looks, mut events, mut last) = (Vec::new(), 0, None::<Instant>);
    while Instant::now() < until {
        let piece = tokio::time::timeout_at(until.into(), stream.next()).await;
        let Ok(piece) = piece else { break };
        let piece = piece.context("the stream ended")??;
        events += u32::try_from(String::from_utf8_lossy(&piece).matches("event: changed").count())?;
        if last.is_none_or(|last| last.elapsed() >= PAUSE) {
            last = Some(Instant::now());
            looks.push(look(&client, &format!("{url}{page}")).await?);
        }
    }
    ensure!(!looks.is_empty(), "nothing was heard of what changed");
    Ok((looks, events))
}

/// The pages of a system whose tables are full. The figures' names begin with `name`.
pub(crate) async fn pages(system: &System, figures: &mut Figures, name: &str) -> anyhow::Result<()> {
    let newest = system.fleet.get("/api/v1/jobs?status=completed&limit=1").await?;
    let id = newest["jobs"][0]["id"].as_str().context("a workflow has ended")?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let pages = [
        ("overview", "/".to_owned()),
        ("list", "/jobs".to_owned()),
        ("workflow", format!("/jobs/{id}")),
        ("api_list", "/api/v1/jobs?limit=50".to_owned()),
    ];
    for (page, path) in pages {
        let mut looks = Vec::new();
        for _ in 0..REQUESTS {
            looks.push(look(&client, &format!("{}{path}", system.fleet.url())).await?);
        }
        figures.add(format!("{name}_{page}_ms_p50"), percentile(&mut looks, 50));
        figures.add(format!("{name}_{page}_ms_p99"), percentile(&mut looks, 99));
    }
    Ok(())
}

async fn look(client: &reqwest::Client, address: &str) -> anyhow::Result<f64> {
    let start = Instant::now();
    let response = client.get(address).header("accept", "text/html, application/json").send().await?;
    response.error_for_status()?.bytes().await?;
    Ok(ms(start.elapsed()))
}
