//! What a measurement costs beside its time: processor time of each process, commits, bytes of the write-ahead log. On few
//! cores that all processes share, it is this that limits the rate.

use std::{fs, path::Path, time::Duration};

use drover_tests::{Fleet, Management};
use nix::unistd::{Pid, getpid};
use tokio_postgres::Client;

use crate::{figures::Figures, statements, time::ms};

/// Linux counts processor time for user space in hundredths of a second, on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Whose processor time is told, in the order of the table. `client`: this program, which submits and listens.
pub(crate) const PROCESSES: [&str; 5] = ["orchestrator", "worker", "postgres", "rabbitmq", "client"];

/// Reads the counters of a system's processes and of its servers, where these run on this machine.
pub(crate) struct Meter {
    database: Client,
    postmaster: Option<Pid>,
    rabbitmq: Option<Pid>,
    /// Whether the statements of a measurement are listed.
    statements: bool,
}

/// The counters at the beginning of a measurement.
pub(crate) struct Cost(Reading);

struct Reading {
    /// As [`PROCESSES`]; `None` where the system does not tell.
    processor: [Option<Duration>; 5],
    /// Transactions that wrote something, of the whole server.
    commits: i64,
    wal_bytes: i64,
}

impl Meter {
    /// For a system that has just started.
    pub(crate) async fn new(fleet: &Fleet, statements: bool) -> anyhow::Result<Self> {
        let database = fleet.database.connect().await?;
        let backend: i32 = database.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let postmaster =
            Stat::of(Pid::from_raw(backend)).filter(|stat| stat.name == "postgres").map(|stat| stat.parent);
        let nodes = Management::connect().await?.get("nodes?columns=os_pid").await?;
        let rabbitmq = nodes[0]["os_pid"].as_str().and_then(|pid| pid.parse().ok()).map(Pid::from_raw);
        let rabbitmq = rabbitmq.filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.name.starts_with("beam")));
        if statements {
            statements::prepare(&database).await?;
        }
        Ok(Self { database, postmaster, rabbitmq, statements })
    }

    /// A measurement begins.
    pub(crate) async fn begin(&self, fleet: &Fleet) -> anyhow::Result<Cost> {
        for pid in orchestrators(fleet) {
            // 5: the peak is what it holds now. Where that is refused, the peak is that of its life.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
        if self.statements {
            statements::reset(&self.database).await?;
        }
        Ok(Cost(self.read(fleet).await?))
    }

    /// A measurement of so many units ended: what each of them cost. The figures' names begin with `name`.
    pub(crate) async fn end(
        &self,
        cost: Cost,
        fleet: &Fleet,
        figures: &mut Figures,
        name: &str,
        units: u32,
    ) -> anyhow::Result<()> {
        let (Cost(before), after, units) = (cost, self.read(fleet).await?, f64::from(units));
        for (process, (before, after)) in PROCESSES.iter().zip(before.processor.into_iter().zip(after.processor)) {
            if let (Some(before), Some(after)) = (before, after) {
                figures.add(format!("{name}_{process}_cpu_ms"), ms(after.saturating_sub(before)) / units);
            }
        }
        figures.add(format!("{name}_commits"), (after.commits - before.commits) as f64 / units);
        figures.add(format!("{name}_wal_bytes"), (after.wal_bytes - before.wal_bytes) as f64 / units);
        if let Some(peak) = orchestrators(fleet).filter_map(peak_bytes).reduce(f64::max) {
            figures.add(format!("{name}_orchestrator_peak_rss_bytes"), peak);
        }
        if self.statements {
            figures.set_statements(name, statements::list(&self.database).await?);
        }
        Ok(())
    }

    async fn read(&self, fleet: &Fleet) -> anyhow::Result<Reading> {
        // Neither of them writes anything.
        let counters = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                               (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        let row = self.database.query_one(counters, &[]).await?;
        let processor = [
            spent(orchestrators(fleet)),
            spent(fleet.workers.iter().map(drover_tests::Process::pid)),
            self.postmaster.and_then(spent_with_children),
            self.rabbitmq.and_then(|pid| spent([pid])),
            spent([getpid()]),
        ];
        Ok(Reading { processor, commits: row.get(0), wal_bytes: row.get(1) })
    }
}

fn orchestrators(fleet: &Fleet) -> impl Iterator<Item = Pid> {
    fleet.orchestrators.iter().map(|orchestrator| orchestrator.process.pid())
}

/// Processor time of all of them; `None` where the system does not tell.
pub(crate) fn spent(pids: impl IntoIterator<Item = Pid>) -> Option<Duration> {
    pids.into_iter().map(|pid| Stat::of(pid).map(|stat| stat.own)).sum()
}

/// Of a process, of its children and of those that it had and that ended: Postgres has a process per connection.
fn spent_with_children(parent: Pid) -> Option<Duration> {
    let stat = Stat::of(parent)?;
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = processes.filter_map(|pid| Stat::of(Pid::from_raw(pid))).filter(|stat| stat.parent == parent);
    Some(stat.own + stat.ended_children + children.map(|child| child.own).sum::<Duration>())
}

/// The most that the process held at once since the measurement began.
fn peak_bytes(pid: Pid) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(f64::from(kib) * 1024.0)
}

/// A part of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    parent: Pid,
    own: Duration,
    ended_children: Duration,
}

impl Stat {
    /// `None` where there is no such process, or the system does not tell.
    fn of(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name is in brackets and may hold spaces and brackets.
        let (head, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |field: usize| Some(TICK * fields.get(field)?.parse().ok()?);
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
            own: ticks(11)? + ticks(12)?,
            ended_children: ticks(13)? + ticks(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_process_are_read_whatever_its_name() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 1000 500 20 0 1 0 1 1 1";
        let stat = Stat::parse(line).expect("a line of /proc/PID/stat");
        let (own, ended_children) = (Duration::from_millis(1_750), Duration::from_secs(15));
        assert_eq!(stat, Stat { name: "a (b) c".into(), parent: Pid::from_raw(7), own, ended_children });
        assert_eq!(Stat::parse("42 (cut off) S 7"), None);
    }

    #[test]
    fn this_process_has_spent_time_and_holds_memory() {
        assert!(Stat::of(getpid()).is_some_and(|stat| !stat.name.is_empty()));
        assert!(peak_bytes(getpid()).is_some_and(|peak| peak > 1024.0 * 1024.0));
        assert_eq!(spent([getpid(), Pid::from_raw(i32::MAX)]), None, "one of them is not there");
    }
}
