//! What the processes hold and spend while nothing is to be done, how fast they are there, and how large the programs are.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use drover_tests::{Process, Signal, binary, fleet::PATIENCE};
use nix::unistd::Pid;
use tokio::{process::Command, time::sleep};

use crate::{
    figures::Figures,
    meter,
    system::{System, WORKER},
    time::ms,
};

/// What is built for users.
const PROGRAMS: [&str; 3] = ["drover-orchestrator", "drover-import-worker", "drover"];
/// How often it is asked whether a process is ready: short beside what it takes to start.
const ASK: Duration = Duration::from_millis(2);

/// Both processes, left alone for a while. `when`: `idle` or `after_load`.
pub(crate) async fn measure(system: &System, figures: &mut Figures, when: &str) -> anyhow::Result<()> {
    let orchestrator = system.fleet.orchestrators.first().context("no orchestrator")?.process.pid();
    let worker = system.fleet.workers.first().context("no worker")?.pid();
    let spent = || [orchestrator, worker].map(|pid| meter::spent([pid]));
    let (before, start) = (spent(), Instant::now());
    sleep(system.idle).await;
    let (after, took) = (spent(), start.elapsed());
    for (index, (name, pid)) in [("orchestrator", orchestrator), ("worker", worker)].into_iter().enumerate() {
        figures.add(format!("{name}_{when}_rss_bytes"), resident_bytes(pid).await?);
        if let (Some(before), Some(after)) = (before[index], after[index]) {
            let share = after.saturating_sub(before).as_secs_f64() / took.as_secs_f64();
            figures.add(format!("{name}_{when}_cpu_percent"), 100.0 * share);
        }
    }
    Ok(())
}

/// Sizes of the programs, and from the start of a process until it is ready. The schema is there: a first start also makes it.
pub(crate) async fn start_up(system: &mut System, figures: &mut Figures) -> anyhow::Result<()> {
    for program in PROGRAMS {
        let bytes = fs::metadata(binary(program)?)?.len();
        figures.add(format!("{}_binary_bytes", program.replace('-', "_")), f64::from(u32::try_from(bytes)?));
    }
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = Instant::now();
    let orchestrator = system.fleet.spawn_orchestrator()?;
    let ready = format!("{}/healthz/ready", orchestrator.url);
    while !client.get(&ready).send().await.is_ok_and(|response| response.status().is_success()) {
        ensure!(start.elapsed() < PATIENCE, "an orchestrator is not ready");
        sleep(ASK).await;
    }
    figures.add("orchestrator_ready_ms", ms(start.elapsed()));
    end(orchestrator.process).await?;

    let start = Instant::now();
    let worker = system.fleet.spawn_worker(WORKER, &[])?;
    while live_workers(system).await? < 2 {
        ensure!(start.elapsed() < PATIENCE, "a worker is not ready");
        sleep(ASK).await;
    }
    figures.add("worker_ready_ms", ms(start.elapsed()));
    end(worker).await
}

async fn end(mut process: Process) -> anyhow::Result<()> {
    process.signal(Signal::SIGTERM)?;
    let status = process.wait_for_exit(PATIENCE).await?;
    ensure!(status.success(), "a process ended: {status}");
    process.silence();
    Ok(())
}

async fn live_workers(system: &System) -> anyhow::Result<usize> {
    let workers = system.fleet.get("/api/v1/workers").await?;
    let workers = workers["workers"].as_array().context("a list of workers")?;
    Ok(workers.iter().filter(|worker| worker["status"] == "live").count())
}

/// What a process holds now.
pub(crate) async fn resident_bytes(pid: Pid) -> anyhow::Result<f64> {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().await?;
    ensure!(output.status.success(), "ps does not know process {pid}");
    let kib: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().context("ps gave no number")?;
    Ok(f64::from(kib) * 1024.0)
}
