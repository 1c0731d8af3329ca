//! The whole system in this process: orchestrator and workers, with a private Postgres server and the in-process broker unless
//! real ones are named.

mod broker;
mod crew;
mod folder;
pub(crate) mod media;
mod parts;
mod postgres;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use drover_import_worker::roots::{Roots, RootsError};
use drover_orchestrator::{
    config::{self as orchestrator_config, Auth, Config},
    run,
};
use drover_service::{
    config::{ConfigError, Loader},
    telemetry::TracesError,
};
use drover_worker::{WorkerConfig, WorkerError};
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{
    broker::Brokers,
    crew::Crew,
    folder::Folder,
    media::{FILES, Found},
    postgres::Server,
};
use crate::{client::Client, failure::Failure};

pub(crate) use folder::default_folder;
pub(crate) use media::MediaSetup;

/// Whoever ends the system by hand does not want to wait for long; what is given back goes on with the next start.
const DRAIN_SECONDS: f64 = 5.0;
/// The workflows that come with the import worker.
const WORKFLOWS: &[(&str, &str)] = &[("data_import", include_str!("../../../workflows/data_import.yaml"))];
/// Those that come with the media worker. Without it nobody would run them.
const MEDIA_WORKFLOWS: &[(&str, &str)] = &[
    ("process_new_scenes", include_str!("../../../workflows/process_new_scenes.yaml")),
    ("media_cleanup", include_str!("../../../workflows/media_cleanup.yaml")),
];

/// What to start.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// Where HTTP listens.
    pub(crate) listen: SocketAddr,
    /// A real broker.
    pub(crate) amqp_url: Option<SecretString>,
    /// Prefix of its exchanges and queues, where the configuration's is not to be used.
    pub(crate) prefix: Option<String>,
    /// A real database.
    pub(crate) database_url: Option<SecretString>,
    /// A folder of further definitions.
    pub(crate) definitions: Option<PathBuf>,
    /// Whether videos are worked on, too.
    pub(crate) media: MediaSetup,
}

/// Why there is no system.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// The private server does not run.
    #[error(transparent)]
    Postgres(#[from] postgres::PostgresError),
    /// Configuration of orchestrator or worker.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is taken.
    #[error("--port: {address} cannot be used ({reason}); --port 0 takes any that is free")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
    /// The broker is not there.
    #[error("--amqp-url: {0}")]
    Broker(#[from] drover_broker::BrokerError),
    /// The workers cannot work.
    #[error("the worker: {0}")]
    Worker(#[from] WorkerError),
    /// The worker's traces go nowhere.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The import worker's folders are no good.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The media worker cannot work, and nothing else is wanted.
    #[error("the media worker: {0}")]
    Media(String),
    /// The orchestrator cannot start or had to stop.
    #[error("the orchestrator: {0:#}")]
    Orchestrator(anyhow::Error),
    /// A part ended without being told to.
    #[error("{0} ended by itself; the log above says why")]
    Ended(&'static str),
    /// No threads.
    #[error("the system gives no threads: {0}")]
    Threads(std::io::Error),
}

/// A running system.
pub(crate) struct System {
    /// Where its API is.
    pub(crate) url: String,
    /// Its database, for people.
    pub(crate) database: String,
    /// Its broker, for people.
    pub(crate) broker: String,
    /// Where it takes videos from; or why it takes none, if somebody wanted it to.
    pub(crate) media: Option<Result<PathBuf, String>>,
    orchestrator: JoinHandle<anyhow::Result<()>>,
    stop_orchestrator: CancellationToken,
    crew: Crew,
    postgres: Option<Server>,
    _folder: Folder,
}

impl System {
    /// Starts everything, and returns when jobs are taken.
    pub(crate) async fn start(setup: Setup) -> Result<Self, Failure> {
        let folder = Folder::open(&setup.data_dir).map_err(DevError::from)?;
        let mut config = load(&setup)?;
        let mut worker_config = WorkerConfig::load(None, &[]).map_err(DevError::from)?;
        worker_config.worker.drain_seconds = worker_config.worker.drain_seconds.min(DRAIN_SECONDS);
        let listener = listen(setup.listen).await?;
        let address = listener.local_addr().map_err(|reason| DevError::Listen { address: setup.listen, reason })?;

        let brokers = Brokers::choose(setup.amqp_url.as_ref(), &config.amqp.prefix);
        let of_orchestrator = brokers.connect().await.map_err(DevError::from)?;
        let crew = Crew::new(worker_config, &config.amqp.prefix)?;
        let (postgres, database) = database(setup.database_url, &folder, &mut config).await?;
        let media = Found::look(&setup.media, folder.path(), &config.database.url).await;
        if let Found::Media(media) = &media {
            config.files.insert(FILES.into(), media.folders.generated.clone());
        }

        let stop_orchestrator = CancellationToken::new();
        let until = stop_orchestrator.clone();
        let orchestrator = tokio::spawn(async move { run::run(&config, of_orchestrator, listener, until).await });
        let mut system = Self {
            url: format!("http://{address}"),
            database,
            broker: brokers.name(),
            media: None,
            orchestrator,
            stop_orchestrator,
            crew,
            postgres,
            _folder: folder,
        };
        match system.until_ready(&brokers, media, &setup.media).await {
            Ok(()) => Ok(system),
            Err(failure) => {
                system.stop().await;
                Err(failure)
            }
        }
    }

    /// The workers are entered, and the workflows registered.
    async fn until_ready(&mut self, brokers: &Brokers, media: Found, wanted: &MediaSetup) -> Result<(), Failure> {
        let connection = async || brokers.connect().await.map_err(DevError::from);
        let roots = Roots::from_env().map_err(DevError::from)?;
        self.crew.add("drover-import-worker", drover_import_worker::worker(&roots), connection().await?)?;
        let mut workflows = WORKFLOWS.to_vec();
        self.media = match media.migrated().await {
            Found::Nothing => None,
            Found::Missing(reason) if matches!(wanted, MediaSetup::Within(_)) => {
                return Err(DevError::Media(reason).into());
            }
            Found::Missing(reason) => Some(Err(reason)),
            Found::Media(media) => {
                self.crew.add("drover-media-worker", drover_media_worker::worker(&media), connection().await?)?;
                workflows.extend(MEDIA_WORKFLOWS);
                Some(Ok(media.folders.downloads))
            }
        };
        let client = Client::new(&self.url, None)?;
        let workers = self.crew.names().len();
        tokio::select! {
            ready = parts::ready(&client, &workflows, workers) => ready,
            failure = self.failed() => Err(failure.into()),
        }
    }

    /// What its workers are called.
    pub(crate) fn workers(&self) -> &[&'static str] {
        self.crew.names()
    }

    /// Jobs that each of its workers runs at once.
    pub(crate) const fn concurrency(&self) -> u32 {
        self.crew.concurrency()
    }

    /// Waits until a part has ended by itself, which none should.
    pub(crate) async fn failed(&mut self) -> DevError {
        let postgres = async {
            match &mut self.postgres {
                Some(server) => server.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut self.orchestrator => match ended {
                Ok(Err(error)) => DevError::Orchestrator(error),
                _ => DevError::Ended("the orchestrator"),
            },
            name = self.crew.ended() => DevError::Ended(name),
            () = postgres => DevError::Ended("the private Postgres server"),
        }
    }

    /// Stops everything in its order: no part misses another that it still needs.
    pub(crate) async fn stop(mut self) {
        self.crew.stop().await;
        self.stop_orchestrator.cancel();
        settle(&mut self.orchestrator).await;
        if let Some(server) = self.postgres {
            server.stop().await;
        }
    }
}

/// The database that is named, or a private server; and how people call it.
async fn database(
    named: Option<SecretString>,
    folder: &Folder,
    config: &mut Config,
) -> Result<(Option<Server>, String), DevError> {
    if let Some(url) = named {
        config.database.url = url;
        return Ok((None, "the one of --database-url".to_owned()));
    }
    let server = Server::start(folder.path()).await?;
    config.database.url = server.url().clone();
    let place = folder.path().join("postgres");
    let text = format!("private Postgres {} in {}", server.version(), place.display());
    Ok((Some(server), text))
}

/// A task that ended before, and told why, is not asked again.
async fn settle<T>(task: &mut JoinHandle<T>) {
    if !task.is_finished() {
        // What it says is in the log.
        let _ = task.await;
    }
}

/// The orchestrator's configuration: file and environment as always, but for what the command line says.
fn load(setup: &Setup) -> Result<Config, DevError> {
    let mut config: Config = Loader::new(orchestrator_config::DEFAULTS)
        .secrets(orchestrator_config::SECRETS)
        .only(orchestrator_config::SECTIONS)
        .load()?;
    config.http.listen = setup.listen;
    // On loopback, for whoever started it.
    config.http.auth = Auth::None;
    if let Some(prefix) = &setup.prefix {
        config.amqp.prefix.clone_from(prefix);
    }
    if let Some(folder) = &setup.definitions {
        config.orchestrator.definitions.clone_from(folder);
    }
    config.orchestrator.drain_seconds = config.orchestrator.drain_seconds.min(DRAIN_SECONDS);
    Ok(config)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DevError> {
    TcpListener::bind(address).await.map_err(|reason| DevError::Listen { address, reason })
}

/// A folder below the data folder, made where it is missing.
pub(crate) fn log_file(data_dir: &Path) -> PathBuf {
    data_dir.join("drover.log")
}

/// How long a system may take until it is ready, a first start with its `initdb` included.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);
