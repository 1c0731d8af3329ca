//! Strikes as the schedule says, and keeps a record of what really happened when.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drover_tests::{Vhost, ledger::now_ns};
use tokio::{
    sync::Mutex as Turn,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    fleet::Fleet,
    schedule::{Blow, Fault, Server, Strikes},
    servers::Servers,
};

/// How long the broker's management API may take to be there.
const MANAGED: Duration = Duration::from_secs(30);

/// A fault that struck.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Struck {
    pub(crate) what: String,
    pub(crate) kind: Kind,
    /// Whom: a process by its name; none for a server.
    pub(crate) who: Option<String>,
    pub(crate) from_ns: u64,
    /// When it was over; for one that is not, the end of time.
    pub(crate) until_ns: u64,
}

/// What a fault counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kill,
    Stop,
    Restart,
    Cut,
    ServerKill,
    EmptyBroker,
    /// A process ended by itself.
    Death,
}

/// The faults that struck so far.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Struck>>>);

impl Record {
    /// A fault begins. Its place in the record.
    fn begin(&self, kind: Kind, who: Option<String>, what: String) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Struck { what, kind, who, from_ns: now_ns(), until_ns: u64::MAX });
        all.len() - 1
    }

    fn end(&self, place: usize, struck: bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.get_mut(place) {
            // One that found its victim busy never was.
            entry.until_ns = if struck { now_ns() } else { 0 };
        }
    }

    /// A process ended by itself.
    pub(crate) fn died(&self, who: &str, what: &str) {
        let place = self.begin(Kind::Death, Some(who.to_owned()), what.to_owned());
        self.end(place, true);
    }

    /// All that struck.
    pub(crate) fn all(&self) -> Vec<Struck> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|struck| struck.until_ns > 0).cloned().collect()
    }
}

/// Everything that can be struck.
pub(crate) struct Victims {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) servers: Servers,
    pub(crate) vhost: Arc<Vhost>,
    /// One server fault at a time.
    pub(crate) turn: Turn<()>,
    pub(crate) record: Record,
}

/// Strikes until the end of the schedule; returns when all has been healed.
pub(crate) async fn run(victims: Arc<Victims>, faults: Vec<Fault>, length: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut under_way = JoinSet::new();
    for fault in faults {
        sleep_until(start + fault.at).await;
        let victims = Arc::clone(&victims);
        under_way.spawn(async move { victims.strike(fault).await });
        while let Some(done) = under_way.try_join_next() {
            done??;
        }
    }
    sleep_until(start + length).await;
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}

impl Victims {
    async fn strike(&self, fault: Fault) -> anyhow::Result<()> {
        let (kind, who) = match fault.strikes {
            Strikes::Process(who, Blow::Kill) => (Kind::Kill, Some(who)),
            Strikes::Process(who, Blow::Stop) => (Kind::Stop, Some(who)),
            Strikes::Process(who, Blow::Terminate) => (Kind::Restart, Some(who)),
            Strikes::Wire(who, ..) => (Kind::Cut, Some(who)),
            Strikes::Server(_) => (Kind::ServerKill, None),
            Strikes::EmptyBroker => (Kind::EmptyBroker, None),
        };
        let member = who.and_then(|who| self.fleet.member(who));
        let place = self.record.begin(kind, who.map(|who| who.to_string()), fault.strikes.to_string());
        let struck = match (fault.strikes, member) {
            (Strikes::Process(_, Blow::Kill), Some(member)) => member.kill(fault.lasts).await?,
            (Strikes::Process(_, Blow::Stop), Some(member)) => member.stop(fault.lasts).await?,
            (Strikes::Process(_, Blow::Terminate), Some(member)) => member.terminate(fault.lasts).await?,
            (Strikes::Wire(_, wire, mode), Some(member)) => member.strike(wire, mode, fault.lasts).await,
            (Strikes::Server(server), _) => self.kill_server(server, fault.lasts).await?,
            (Strikes::EmptyBroker, _) => self.empty_broker().await?,
            (Strikes::Process(..) | Strikes::Wire(..), None) => false,
        };
        self.record.end(place, struck);
        Ok(())
    }

    async fn kill_server(&self, server: Server, down: Duration) -> anyhow::Result<bool> {
        let Ok(_turn) = self.turn.try_lock() else { return Ok(false) };
        self.servers.kill(server).await?;
        sleep(down).await;
        self.servers.up().await?;
        Ok(true)
    }

    async fn empty_broker(&self) -> anyhow::Result<bool> {
        let Ok(_turn) = self.turn.try_lock() else { return Ok(false) };
        // Right after it was started the broker takes connections before its management API does.
        let until = Instant::now() + MANAGED;
        while let Err(error) = self.vhost.lose_everything().await {
            if Instant::now() > until {
                return Err(error);
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(true)
    }
}

/// One line a fault, in seconds since `start_ns`.
pub(crate) fn write(folder: &Path, struck: &[Struck], start_ns: u64) -> anyhow::Result<()> {
    let line = |fault: &Struck| {
        let (from, until) = (seconds(fault.from_ns, start_ns), seconds(fault.until_ns, start_ns));
        format!("{from:9.3} {until:9.3} {}\n", fault.what)
    };
    Ok(std::fs::write(folder.join("faults"), struck.iter().map(line).collect::<String>())?)
}

/// Seconds from `start_ns` on.
pub(crate) fn seconds(at_ns: u64, start_ns: u64) -> f64 {
    Duration::from_nanos(at_ns.saturating_sub(start_ns)).as_secs_f64()
}
