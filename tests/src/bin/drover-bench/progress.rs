//! Reports of many running jobs.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::{counts::Counts, figures::Figures, system::System, time::per_second};

/// Most batches of a fan-out at once: more running jobs are those of several workflows.
const JOBS_PER_WORKFLOW: u32 = 1_000;
/// From one report of a job to the next. A worker that cannot keep up merges reports; then the next spacing is tried.
const SPACINGS_MS: [u32; 12] = [20, 25, 30, 40, 50, 60, 80, 100, 150, 250, 500, 1_000];
/// How often the orchestrator is asked how much it has folded.
const ASK: Duration = Duration::from_millis(10);
/// All reports that are still to come would have come.
const SILENCE: Duration = Duration::from_secs(2);

/// Reports folded per second, from when the jobs are told to begin until the last one is committed. All of the jobs run
/// before the first report, and each report is sent and folded by itself.
pub(crate) async fn measure(system: &mut System, counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    let step = json!({
        "key": "work", "title": "Work", "job": "reports", "for_each": "${input.items}", "max_parallel": 1000,
        "params": {
            "begin": "${input.begin}", "end": "${input.end}", "reports": "${input.reports}",
            "spacing_ms": "${input.spacing_ms}",
        },
    });
    system.apply("reporting", json!([step])).await?;
    let expected = counts.running_jobs * counts.reports;
    for spacing_ms in SPACINGS_MS {
        let (folded, took) = once(system, counts, spacing_ms, figures).await?;
        ensure!(folded <= expected, "{folded} reports folded of {expected}");
        if folded == expected {
            figures.add("progress_folded_per_second", per_second(folded, took));
            figures.add("progress_spacing_ms", f64::from(spacing_ms));
            return Ok(());
        }
        eprintln!("bench: the worker merged {} of {expected} reports at {spacing_ms} ms; again", expected - folded);
    }
    bail!("reports are merged or lost however seldom they come")
}

/// One try: how many reports were folded, and in what time.
async fn once(
    system: &mut System,
    counts: &Counts,
    spacing_ms: u32,
    figures: &mut Figures,
) -> anyhow::Result<(u32, Duration)> {
    let gates = Gates::new(spacing_ms)?;
    let params = |jobs: u32| {
        let items: Vec<u32> = (0..jobs).collect();
        json!({
            "items": items, "begin": gates.begin, "end": gates.end, "reports": counts.reports, "spacing_ms": spacing_ms,
        })
    };
    let mut ids = Vec::new();
    let mut left = counts.running_jobs;
    while left > 0 {
        let jobs = left.min(JOBS_PER_WORKFLOW);
        left -= jobs;
        ids.push(system.fleet.submit("reporting", params(jobs)).await?);
        let id = ids.last().context("just submitted")?;
        system.fleet.until(id, "all jobs to run", |job| job["metadata"]["steps"][0]["running"] == json!(jobs)).await?;
    }
    let before = folded(system).await?;
    let expected = counts.running_jobs * counts.reports;
    let cost = system.begin().await?;
    let start = Instant::now();
    gates.begin()?;
    let (mut seen, mut at) = (0, start.elapsed());
    while seen < expected && start.elapsed() < at + SILENCE {
        sleep(ASK).await;
        let now = folded(system).await? - before;
        if now > seen {
            (seen, at) = (now, start.elapsed());
        }
    }
    if seen == expected {
        system.end(cost, figures, "progress", expected).await?;
    }
    gates.end()?;
    system.ends.completed(ids).await?;
    Ok((seen, at))
}

/// How many inputs the orchestrator has folded, whatever became of them.
pub(crate) async fn folded(system: &System) -> anyhow::Result<u32> {
    let text = system.fleet.get("/metrics").await?;
    let text = text.as_str().context("metrics are text")?;
    let lines = text.lines().filter(|line| line.starts_with("drover_fold_inputs_total{"));
    lines.map(|line| Ok(line.rsplit(' ').next().context("a line has a value")?.parse::<u32>()?)).sum()
}

/// Files that the jobs wait for, gone when dropped.
pub(crate) struct Gates {
    folder: PathBuf,
    pub(crate) begin: PathBuf,
    pub(crate) end: PathBuf,
}

impl Gates {
    pub(crate) fn new(spacing_ms: u32) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("drover-bench-{}-{spacing_ms}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder)?;
        Ok(Self { begin: folder.join("begin"), end: folder.join("end"), folder })
    }

    /// The jobs begin to report.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        Ok(fs::write(&self.begin, "")?)
    }

    /// The jobs end.
    pub(crate) fn end(&self) -> anyhow::Result<()> {
        Ok(fs::write(&self.end, "")?)
    }
}

impl Drop for Gates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
