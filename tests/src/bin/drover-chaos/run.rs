//! A run: up, faults, rest, judgement.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use drover_simulation::Rng;
use drover_tests::{Database, Vhost, ledger::now_ns};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    api::Api,
    arguments::Arguments,
    fleet::{Fleet, Site},
    judge::Judge,
    report::Report,
    schedule,
    servers::Servers,
    settings::{LEASE, LOOK, REST},
    shapes::Catalogue,
    strike::{self, Kind, Record, Victims, seconds},
    users::{self, Desk},
    watch::Watch,
};

/// From one progress line to the next.
const LINE: Duration = Duration::from_secs(5);

/// One whole run.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let servers = Servers::own()?;
    let (seed, length) = (arguments.seed(), arguments.length());
    let folder = folder(seed)?;
    eprintln!("chaos: seed {seed}, {} s of faults, files in {}", length.as_secs(), folder.display());
    let stage = Stage::set(seed, servers, folder.clone()).await?;
    let outcome = stage.play(arguments, seed).await;
    if arguments.keep {
        eprintln!("chaos: kept until the next run: {}", stage.database.url());
        std::mem::forget(stage);
        return outcome;
    }
    stage.victims.fleet.end().await;
    // The programs are large, and of a run without a fault there is nothing to look up.
    let done_with = if outcome.as_ref().is_ok_and(Report::is_clean) { folder } else { folder.join("bin") };
    fs::remove_dir_all(&done_with).with_context(|| done_with.display().to_string())?;
    outcome
}

/// A folder of this run's own, with the folders in it that processes write to.
fn folder(seed: u64) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("chaos");
    let folder = root.join(format!("{seed}-{}", now_ns() / 1_000_000_000));
    for part in ["ledger", "logs"] {
        fs::create_dir_all(folder.join(part)).with_context(|| folder.display().to_string())?;
    }
    Ok(folder)
}

/// Everything that a run needs.
struct Stage {
    folder: PathBuf,
    victims: Arc<Victims>,
    desk: Desk,
    database: Database,
}

impl Stage {
    async fn set(seed: u64, servers: Servers, folder: PathBuf) -> anyhow::Result<Self> {
        let (database, vhost) = (Database::create().await?, Vhost::create().await?);
        let site = Site { amqp_url: vhost.url(), database_url: database.url(), folder: &folder, seed };
        let fleet = Arc::new(Fleet::start(&site).await?);
        let api = Arc::new(Api::new(fleet.urls())?);
        let desk = Desk { api, watch: Watch::default(), amqp_url: vhost.url().to_owned() };
        let (turn, record) = (Mutex::new(()), Record::default());
        let victims = Arc::new(Victims { fleet, servers, vhost: Arc::new(vhost), turn, record });
        Ok(Self { folder, victims, desk, database })
    }

    async fn play(&self, arguments: &Arguments, seed: u64) -> anyhow::Result<Report> {
        let rng = Rng::new(seed);
        let catalogue = Catalogue::draw(&mut rng.apart(1));
        let faults = schedule::draw(arguments.length(), &mut rng.apart(2));
        users::register(&self.desk, &catalogue).await?;

        let start_ns = now_ns();
        let (tell_calm, calm) = watch::channel(false);
        let (tell_over, over) = watch::channel(false);
        let mut helpers = self.helpers(&over, start_ns);
        let users = tokio::spawn(users::run(self.desk.clone(), catalogue, rng.apart(3), calm));
        strike::run(Arc::clone(&self.victims), faults, arguments.length()).await?;
        self.victims.fleet.heal();
        tell_calm.send_replace(true);
        let counted = users.await??;
        let client = self.database.connect().await?;
        let rest = self.rest(&client).await?;
        tell_over.send_replace(true);
        while let Some(done) = helpers.join_next().await {
            done??;
        }
        let struck = self.victims.record.all();
        strike::write(&self.folder, &struck, start_ns)?;
        let judge = Judge { desk: &self.desk, client: &client, folder: &self.folder, struck: &struck, start_ns };
        let judged = judge.judge().await?;
        if !judged.violations.is_empty() {
            eprintln!("chaos: run it again: {}", arguments.again(seed));
        }
        Ok(Report { seed, seconds: arguments.length().as_secs(), counted, struck, judged, rest })
    }

    /// What goes on beside the run: processes are kept up, bars looked at, progress told.
    fn helpers(&self, over: &watch::Receiver<bool>, start_ns: u64) -> JoinSet<anyhow::Result<()>> {
        let mut helpers = JoinSet::new();
        for member in self.victims.fleet.members() {
            helpers.spawn(Arc::clone(member).keep(self.victims.record.clone(), over.clone()));
        }
        helpers.spawn(self.desk.watch.clone().run(Arc::clone(&self.desk.api), over.clone()));
        helpers.spawn(self.desk.watch.clone().rows(self.database.url().to_owned(), over.clone()));
        helpers.spawn(progress(self.desk.watch.clone(), self.victims.record.clone(), over.clone(), start_ns));
        helpers
    }

    /// Waits until nothing is left to do, and a while longer for what must not happen. How long it took; `None`: it was not
    /// in time.
    async fn rest(&self, client: &Client) -> anyhow::Result<Option<Duration>> {
        let since = Instant::now();
        while self.desk.watch.open() > 0 || is_owing(client).await? {
            if since.elapsed() > REST {
                return Ok(None);
            }
            users::resume_all(&self.desk, paused(client).await?).await?;
            sleep(LOOK).await;
        }
        let took = since.elapsed();
        sleep(LEASE).await;
        Ok(Some(took))
    }
}

/// Whether messages are owed to the broker.
async fn is_owing(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one("SELECT EXISTS (SELECT FROM outbox)", &[]).await?.get(0))
}

/// What is paused by itself.
async fn paused(client: &Client) -> anyhow::Result<Vec<Uuid>> {
    let sql = "SELECT id FROM jobs WHERE finished_at IS NULL AND paused ->> 'reason' = 'asked'";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// A line now and then.
async fn progress(watch: Watch, record: Record, mut over: watch::Receiver<bool>, start_ns: u64) -> anyhow::Result<()> {
    while !*over.borrow_and_update() {
        {
            let (known, struck) = (watch.known(), record.all());
            let of = |kinds: &[Kind]| struck.iter().filter(|struck| kinds.contains(&struck.kind)).count();
            eprintln!(
                "chaos: {:4.0} s  accepted {}, open {}  kills {}, stops {}, cuts {}, servers {}  bars back {}",
                seconds(now_ns(), start_ns),
                known.accepted.len(),
                known.open.len(),
                of(&[Kind::Kill, Kind::Death]),
                of(&[Kind::Stop]),
                of(&[Kind::Cut]),
                of(&[Kind::ServerKill, Kind::EmptyBroker]),
                known.bars.regressions.len(),
            );
        }
        tokio::select! {
            () = sleep(LINE) => {}
            _ = over.changed() => {}
        }
    }
    Ok(())
}
