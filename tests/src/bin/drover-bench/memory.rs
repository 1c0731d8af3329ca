//! What the processes hold while nothing is to be done.

use anyhow::{Context, ensure};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::{figures::Figures, system::System};

/// Resident memory of both processes, once they were left alone for a while. `when`: `idle` or `after_load`.
pub(crate) async fn measure(system: &System, figures: &mut Figures, when: &str) -> anyhow::Result<()> {
    tokio::time::sleep(system.idle).await;
    let orchestrator = system.fleet.orchestrators.first().context("no orchestrator")?.process.pid();
    let worker = system.fleet.workers.first().context("no worker")?.pid();
    let names = match when {
        "idle" => ["orchestrator_idle_rss_bytes", "worker_idle_rss_bytes"],
        _ => ["orchestrator_after_load_rss_bytes", "worker_after_load_rss_bytes"],
    };
    for (name, pid) in names.into_iter().zip([orchestrator, worker]) {
        figures.add(name, resident_bytes(pid).await?);
    }
    Ok(())
}

async fn resident_bytes(pid: Pid) -> anyhow::Result<f64> {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().await?;
    ensure!(output.status.success(), "ps does not know process {pid}");
    let kib: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().context("ps gave no number")?;
    Ok(f64::from(kib) * 1024.0)
}
