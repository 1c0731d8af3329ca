//! The orchestrator as a whole: connects, migrates, starts every loop, drains.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use drover_broker::{Broker, Topology};
use drover_engine::Limits;
use drover_protocol::Names;
use drover_service::telemetry::Traces;
use secrecy::SecretString;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    access::{Action, Door, Line, NewToken},
    app::App,
    changes,
    config::{Config, duration},
    duty::{self, Identity, Pace},
    http, intake,
    live::Live,
    loops::Loops,
    metrics::Metrics,
    relay::{self, RelayHandle},
    store::{Claim, FoldContext, ReplayLimits, Store, StoreConfig},
};

/// How long a living replica has to publish what it owes before another does.
const CLAIM: Duration = Duration::from_secs(10);

/// Who makes a token without a server. No token can be called so.
const COMMAND_LINE: &str = "the command line";

/// Runs until `shutdown`, then finishes what it is at. `ready` is told where HTTP listens.
///
/// # Errors
/// When the configuration, the database or the definitions folder is no good, or a loop has panicked. What goes wrong otherwise is
/// tried again.
pub async fn run(
    config: &Config,
    broker: Arc<dyn Broker>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Whoever asked for the end is not told of one that has another cause.
    let shutdown = shutdown.child_token();
    let names = Names::new(&config.amqp.prefix)?;
    let store = migrated(config).await?;
    broker.declare(&Topology::base(&names)).await.context("declaring exchanges and queues")?;

    let (relay, owed) = RelayHandle::new();
    let (live, changed) = Live::new();
    let (new_epoch, epoch) = watch::channel(broker.epoch().await.ok());
    let own = &config.orchestrator;
    let limits = Limits {
        cancel_timeout: duration(own.cancel_timeout_seconds),
        timeout_grace: duration(own.timeout_grace_seconds),
        poison_losses: own.poison_losses,
        ..Limits::default()
    };
    let identity = Identity { id: Uuid::now_v7(), host: host() };
    let claim = Claim { by: identity.id, lasts: CLAIM };
    let traces = Traces::start(&config.telemetry, "drover-orchestrator", env!("CARGO_PKG_VERSION"))?;
    let context = FoldContext { registry: Default::default(), limits, claim, epoch, traces: traces.clone() };
    let door = Door::new(store.clone(), config.http.access());
    let app = Arc::new(App {
        store,
        context,
        broker,
        names,
        relay,
        live,
        press: Default::default(),
        gathered: Default::default(),
        metrics: Metrics::default(),
        message_bytes: config.amqp.message_bytes,
        retention: config.retention.clone(),
        logs: config.logs,
        replay: ReplayLimits { jobs: own.replay_jobs, history_bytes: own.replay_mib * 1024 * 1024 },
        files: config.files.clone(),
        door,
    });
    if !app.broker.is_shared() {
        app.store.end_earlier_life().await?;
    }
    register(&app, &own.definitions).await?;
    app.store.refresh(&app.context.registry).await?;
    // Pictures that are away are no reason to run no jobs; a disk may be mounted later.
    for (name, folder) in config.files.iter().filter(|(_, folder)| !folder.is_dir()) {
        tracing::warn!(folder = %folder.display(), "files.{name}: there is no such folder now; its files are not shown");
    }
    if app.door.asks() && app.door.config.admin_token.is_none() && !app.store.any_token().await? {
        tracing::warn!(
            "there is no token yet, and nobody comes in without one: `drover-orchestrator token create --name NAME --role admin` \
             makes the first"
        );
    }

    let pace = Pace::of(config);
    let tasks = Loops::new(shutdown.clone());
    // The intake ends first; the relay and the HTTP server go on until what it committed is published.
    let relay_shutdown = CancellationToken::new();
    tasks.spawn(relay::run(Arc::clone(&app), owed, relay_shutdown.clone()));
    tasks.spawn(relay::clear(Arc::clone(&app), relay_shutdown.clone()));
    tasks.spawn(changes::tell(Arc::clone(&app), changed, relay_shutdown.clone()));
    let loops = tasks.others();
    start(&loops, &app, identity, pace, new_epoch, &shutdown);
    tracing::info!(address = %listener.local_addr()?, "orchestrator is ready");
    http::serve(Arc::clone(&app), listener, shutdown.clone()).await.context("serving HTTP")?;

    let drain = duration(own.drain_seconds);
    if !loops.drain(drain).await {
        tracing::warn!("a loop did not end in time; what it was at is done by whoever starts next");
    }
    relay_shutdown.cancel();
    tasks.drain(drain).await;
    app.broker.close().await;
    traces.shutdown().await;
    ensure!(!loops.panicked(), "a loop has panicked; the log says where");
    Ok(())
}

/// Brings the schema up to date, without anything else.
///
/// # Errors
/// When the database is away, or a migration fails.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    migrated(config).await?;
    tracing::info!("the database's schema is up to date");
    Ok(())
}

/// Makes a token, without a server: the way in where there is none yet. Its secret, which nobody is told again.
///
/// # Errors
/// When the database is away, or another token has its name.
pub async fn create_token(config: &Config, new: &NewToken) -> anyhow::Result<SecretString> {
    let door = Door::new(migrated(config).await?, config.http.access());
    let (id, secret) = door.create_token(new, COMMAND_LINE).await?;
    let line = Line {
        token_id: None,
        token_name: Some(COMMAND_LINE.into()),
        role: None,
        action: Action::CreateToken.as_str(),
        target: Some(new.name.to_string()),
        status: 201,
        address: None,
        detail: Some(json!({ "id": id, "role": new.role.as_str() })),
    };
    door.audit.keep(line).await;
    Ok(secret)
}

async fn migrated(config: &Config) -> anyhow::Result<Store> {
    let store = Store::new(&StoreConfig {
        url: config.database.url.clone(),
        connections: config.database.connections,
        wait: duration(config.database.wait_seconds),
        statement_timeout: duration(config.database.statement_timeout_seconds),
    })?;
    store.migrate().await.context("preparing the database")?;
    Ok(store)
}

fn start(
    loops: &Loops,
    app: &Arc<App>,
    identity: Identity,
    pace: Pace,
    new_epoch: watch::Sender<Option<String>>,
    shutdown: &CancellationToken,
) {
    let stop = || shutdown.clone();
    let it = || Arc::clone(app);
    let (events, heartbeats) = (intake::Behind::default(), intake::Behind::default());
    let (beats, pulse) = intake::Pulse::new(pace);
    let (tell_cancelling, cancelling) = watch::channel(false);
    loops.spawn(intake::events(it(), events.clone(), pulse.clone(), pace, stop()));
    loops.spawn(intake::heartbeats(it(), heartbeats.clone(), pulse, pace, stop()));
    loops.spawn(intake::logs(it(), stop()));
    loops.spawn(intake::submissions(it(), stop()));
    loops.spawn(intake::dead_letters(it(), stop()));
    loops.spawn(relay::sweep(it(), pace, stop()));
    let reconnected = Arc::new(Notify::new());
    loops.spawn(changes::hear(it(), Arc::clone(&reconnected), stop()));
    loops.spawn(duty::epoch(it(), new_epoch, reconnected, stop()));
    loops.spawn(duty::timers(it(), stop()));
    loops.spawn(duty::schedules(it(), stop()));
    loops.spawn(duty::leases(it(), pace, stop()));
    loops.spawn(duty::queues(it(), pace, stop()));
    loops.spawn(duty::cancels(it(), pace, cancelling, stop()));
    loops.spawn(duty::definitions(it(), stop()));
    loops.spawn(duty::housekeeping(it(), stop()));
    loops.spawn(duty::logs(it(), pace, stop()));
    loops.spawn(duty::prune(it(), pace, stop()));
    loops.spawn(duty::beat(it(), identity, [events, heartbeats], beats, pace, tell_cancelling, stop()));
}

/// Registers the definitions of a folder, in order of their names.
async fn register(app: &App, folder: &Path) -> anyhow::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("orchestrator.definitions: the folder {} cannot be read", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json") {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let source = file.display().to_string();
        if let Err(error) = app.apply(&source, &text).await {
            bail!("the definition {source} is not valid:\n{error}");
        }
    }
    Ok(())
}

fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "unknown".into())
}
