//! The processes, each with proxies of its own, started again whenever they end.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use drover_simulation::Rng;
use drover_tests::{Mode, Process, Proxy, Signal, binary, wait, wait::Seen};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};

use crate::{
    schedule::{Who, Wire},
    settings::{ORCHESTRATOR, ORCHESTRATORS, WORKER, WORKERS},
    strike::Record,
};

/// How often a process that ended by itself is looked for.
const WATCH: Duration = Duration::from_millis(200);
/// How long a supervisor waits before it starts such a process again.
const RESTART: Duration = Duration::from_secs(1);
/// How long a process may take to end when it is told to, before it is killed.
const DRAIN: Duration = Duration::from_secs(25);
const ORCHESTRATOR_BINARY: &str = "drover-orchestrator";
const WORKER_BINARY: &str = "drover-chaos-worker";
/// How long the fleet may take to come up.
const PATIENCE: Duration = Duration::from_secs(90);

/// The fleet.
pub(crate) struct Fleet {
    members: Vec<Arc<Member>>,
}

/// One process and its ways to the servers.
pub(crate) struct Member {
    pub(crate) who: Who,
    /// Where an orchestrator listens.
    pub(crate) url: Option<String>,
    broker: Proxy,
    database: Option<Proxy>,
    program: PathBuf,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    life: Mutex<Life>,
    /// Held while the connections are struck.
    struck: Mutex<()>,
}

/// The process, and how many there were.
struct Life {
    process: Option<Process>,
    number: u32,
}

/// What the fleet is to know.
pub(crate) struct Site<'a> {
    pub(crate) amqp_url: &'a str,
    pub(crate) database_url: &'a str,
    /// Where logs and the ledger go.
    pub(crate) folder: &'a Path,
    pub(crate) seed: u64,
}

impl Fleet {
    /// Makes the proxies and starts every process.
    pub(crate) async fn start(site: &Site<'_>) -> anyhow::Result<Self> {
        keep_binaries(site.folder)?;
        let mut members = Vec::new();
        let mut ports = Rng::new(drover_tests::ledger::now_ns());
        for index in 0..usize::try_from(ORCHESTRATORS)? {
            members.push(Arc::new(orchestrator(site, index, lasting_port(&mut ports)?).await?));
        }
        for index in 0..usize::try_from(WORKERS)? {
            members.push(Arc::new(worker(site, index).await?));
        }
        for member in &members {
            member.begin().await?;
        }
        let fleet = Self { members };
        fleet.ready().await?;
        Ok(fleet)
    }

    /// Waits until every orchestrator is ready.
    async fn ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        for url in self.urls() {
            wait::until(&format!("{url} to be ready"), PATIENCE, async || {
                let answer = client.get(format!("{url}/healthz/ready")).send().await;
                Ok(match answer {
                    Ok(answer) if answer.status().is_success() => Seen::Yes(()),
                    Ok(answer) => Seen::not_yet(answer.status()),
                    Err(error) => Seen::not_yet(error),
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Where the orchestrators listen.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.members.iter().filter_map(|member| member.url.clone()).collect()
    }

    pub(crate) fn member(&self, who: Who) -> Option<&Arc<Member>> {
        self.members.iter().find(|member| member.who == who)
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Opens every connection; the processes are started by their keepers.
    pub(crate) fn heal(&self) {
        for member in &self.members {
            member.broker.set(Mode::Open);
            if let Some(database) = &member.database {
                database.set(Mode::Open);
            }
        }
    }

    /// Ends every process.
    pub(crate) async fn end(&self) {
        for member in &self.members {
            member.life.lock().await.process = None;
        }
    }
}

/// The programs as they are now: a run takes long, and somebody may build meanwhile.
fn keep_binaries(folder: &Path) -> anyhow::Result<()> {
    let kept = folder.join("bin");
    fs::create_dir_all(&kept)?;
    for name in [ORCHESTRATOR_BINARY, WORKER_BINARY] {
        let (from, to) = (binary(name)?, kept.join(name));
        // Cargo makes a new file, so a second name keeps the old one.
        fs::hard_link(&from, &to).with_context(|| format!("linking {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

async fn orchestrator(site: &Site<'_>, index: usize, port: u16) -> anyhow::Result<Member> {
    let (broker, database) = (Proxy::amqp(site.amqp_url).await?, Proxy::postgres(site.database_url).await?);
    let mut environment = owned(ORCHESTRATOR);
    environment.extend([
        ("DROVER__AMQP__URL".to_owned(), broker.url(site.amqp_url)),
        ("DROVER__DATABASE__URL".to_owned(), database.url(site.database_url)),
        ("DROVER__HTTP__LISTEN".to_owned(), format!("127.0.0.1:{port}")),
    ]);
    Ok(Member {
        who: Who::Orchestrator(index),
        url: Some(format!("http://127.0.0.1:{port}")),
        broker,
        database: Some(database),
        program: site.folder.join("bin").join(ORCHESTRATOR_BINARY),
        environment,
        folder: site.folder.to_owned(),
        life: Mutex::new(Life { process: None, number: 0 }),
        struck: Mutex::new(()),
    })
}

async fn worker(site: &Site<'_>, index: usize) -> anyhow::Result<Member> {
    let (who, broker) = (Who::Worker(index), Proxy::amqp(site.amqp_url).await?);
    let mut environment = owned(WORKER);
    let ledger = site.folder.join("ledger").join(who.to_string());
    environment.extend([
        ("DROVER__AMQP__URL".to_owned(), broker.url(site.amqp_url)),
        ("CHAOS_SEED".to_owned(), site.seed.to_string()),
        ("CHAOS_LEDGER".to_owned(), ledger.display().to_string()),
        ("CHAOS_NAME".to_owned(), who.to_string()),
    ]);
    Ok(Member {
        who,
        url: None,
        broker,
        database: None,
        program: site.folder.join("bin").join(WORKER_BINARY),
        environment,
        folder: site.folder.to_owned(),
        life: Mutex::new(Life { process: None, number: 0 }),
        struck: Mutex::new(()),
    })
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A free port below the range that outgoing connections take theirs from: while an orchestrator is down, nobody gets it.
fn lasting_port(rng: &mut Rng) -> anyhow::Result<u16> {
    (0..1_000)
        .filter_map(|_| u16::try_from(rng.between(20_000, 32_000)).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("there is no free port from 20000 to 32000")
}

impl Member {
    async fn begin(&self) -> anyhow::Result<()> {
        let mut life = self.life.lock().await;
        self.spawn(&mut life)
    }

    /// Each life writes to a log of its own.
    fn spawn(&self, life: &mut Life) -> anyhow::Result<()> {
        life.number += 1;
        let path = self.folder.join("logs").join(format!("{}.{:03}.log", self.who, life.number));
        let log = File::create(&path).with_context(|| path.display().to_string())?;
        let errors = log.try_clone()?;
        let mut process = Process::spawn_program(&self.who.to_string(), &self.program, |command| {
            command.envs(self.environment.iter().cloned()).stdout(log).stderr(errors);
        })?;
        process.silence();
        life.process = Some(process);
        Ok(())
    }

    /// Starts it again whenever it has ended by itself, as a supervisor does.
    pub(crate) async fn keep(self: Arc<Self>, record: Record, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*over.borrow_and_update() {
            tokio::select! {
                () = sleep(WATCH) => {}
                _ = over.changed() => continue,
            }
            // Whoever strikes the process holds it, and starts it again.
            let Ok(mut life) = self.life.try_lock() else { continue };
            let Some(process) = &mut life.process else { continue };
            if let Some(status) = process.ended()? {
                record.died(&self.who.to_string(), &format!("{} ended by itself: {status}", self.who));
                sleep(RESTART).await;
                self.spawn(&mut life)?;
            }
        }
        Ok(())
    }

    /// SIGKILL, and after a while a new life. `false`: something else is being done to it.
    pub(crate) async fn kill(&self, down: Duration) -> anyhow::Result<bool> {
        let Ok(mut life) = self.life.try_lock() else { return Ok(false) };
        life.process = None;
        sleep(down).await;
        self.spawn(&mut life)?;
        Ok(true)
    }

    /// SIGSTOP, and after a while SIGCONT.
    pub(crate) async fn stop(&self, asleep: Duration) -> anyhow::Result<bool> {
        let Ok(mut life) = self.life.try_lock() else { return Ok(false) };
        let Some(process) = &mut life.process else { return Ok(false) };
        if process.signal(Signal::SIGSTOP).is_err() {
            return Ok(false);
        }
        sleep(asleep).await;
        // It may have been about to end by itself when it was stopped; then its keeper starts it again.
        if process.ended()?.is_none() {
            process.signal(Signal::SIGCONT)?;
        }
        Ok(true)
    }

    /// SIGTERM; when it has ended, a new life.
    pub(crate) async fn terminate(&self, down: Duration) -> anyhow::Result<bool> {
        let Ok(mut life) = self.life.try_lock() else { return Ok(false) };
        let Some(process) = &mut life.process else { return Ok(false) };
        if process.signal(Signal::SIGTERM).is_err() {
            return Ok(false);
        }
        // One that does not end in time is killed, as by a supervisor.
        let until = Instant::now() + DRAIN;
        while process.ended()?.is_none() && Instant::now() < until {
            sleep(WATCH / 4).await;
        }
        life.process = None;
        sleep(down).await;
        self.spawn(&mut life)?;
        Ok(true)
    }

    /// Lets the connections misbehave for a while.
    pub(crate) async fn strike(&self, wire: Wire, mode: Mode, lasts: Duration) -> bool {
        let Ok(_struck) = self.struck.try_lock() else { return false };
        let proxy = match (wire, &self.database) {
            (Wire::Database, Some(database)) => database,
            (Wire::Broker, _) | (Wire::Database, None) => &self.broker,
        };
        proxy.set(mode);
        sleep(lasts).await;
        proxy.set(Mode::Open);
        true
    }
}
