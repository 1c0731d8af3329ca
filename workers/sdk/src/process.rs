//! A worker as a program: what its `main` does.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use drover_broker::{
    Broker, BrokerError,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_service::{
    config::Invalid,
    retry::Backoff,
    shutdown,
    telemetry::{self, TelemetryError, Traces, TracesError},
};
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::{Worker, WorkerBuilder, WorkerError, config::AmqpSection, logs};

/// Threads of the worker's own tasks: they only wait and carry.
const OWN_THREADS: usize = 2;
/// A handler's thread that blocks for ever must not keep the process.
const LEAVE_HANDLERS: Duration = Duration::from_secs(1);
/// Delay before connecting is tried again.
const RETRY_INITIAL: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The program cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("{0}; usage: PROGRAM [--config FILE]")]
    Usage(String),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Traces(#[from] TracesError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("the system gives no threads or signals: {0}")]
    System(#[from] io::Error),
    #[error("`amqp.ca_file` = {path:?}: {reason}")]
    Certificates { path: PathBuf, reason: io::Error },
}

impl WorkerBuilder {
    /// The whole `main` of a worker: reads `--config FILE`, the configuration and the environment, writes log lines,
    /// connects to RabbitMQ, and works until SIGTERM or SIGINT. The exit code is 0 after an orderly end.
    ///
    /// ```no_run
    /// # use async_trait::async_trait;
    /// # use drover_worker::{Job, JobContext, JobFailure, Outcome, Worker};
    /// # struct Sleep;
    /// # #[async_trait]
    /// # impl Job for Sleep {
    /// #     const TYPE: &'static str = "sleep";
    /// #     const TITLE: &'static str = "Sleep";
    /// #     type Params = ();
    /// #     type Result = ();
    /// #     async fn run(&self, _: &JobContext, (): ()) -> Result<Outcome<()>, JobFailure> {
    /// #         Ok(().into())
    /// #     }
    /// # }
    /// fn main() -> std::process::ExitCode {
    ///     Worker::builder("sleeper").version(env!("CARGO_PKG_VERSION")).job(Sleep).main()
    /// }
    /// ```
    #[must_use]
    pub fn main(self) -> ExitCode {
        match config_argument(env::args_os().skip(1)) {
            Ok(file) => self.main_with(file.as_deref()),
            Err(error) => fail(&error),
        }
    }

    /// As [`WorkerBuilder::main`], for a program that reads its own command line.
    #[must_use]
    pub fn main_with(self, config_file: Option<&Path>) -> ExitCode {
        self.serve(config_file).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
    }

    fn serve(self, config_file: Option<&Path>) -> Result<(), ProcessError> {
        let config = self.load(config_file)?;
        telemetry::init(&config.log, vec![Box::new(logs::job_log_layer(config.worker.log_level))])?;
        // Whichever library asks first would choose otherwise; an earlier choice of the program stands.
        rustls::crypto::ring::default_provider().install_default().ok();
        let handlers = runtime("drover-jobs", None)?;
        let own = runtime("drover-worker", Some(OWN_THREADS))?;
        let traces = {
            let _within = own.enter();
            Traces::start(&config.telemetry, self.name(), self.version_text())?
        };
        let worker = self
            .settings(config.worker)
            .prefix(config.amqp.prefix.clone())
            .handlers(handlers.handle().clone())
            .traces(traces.clone())
            .build()?;
        let outcome = own.block_on(async {
            let shutdown = shutdown::on_signal()?;
            let outcome = connect_and_run(worker, amqp(&config.amqp)?, shutdown).await;
            traces.shutdown().await;
            outcome.map_err(ProcessError::from)
        });
        handlers.shutdown_timeout(LEAVE_HANDLERS);
        outcome
    }
}

fn runtime(name: &str, threads: Option<usize>) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.thread_name(name).enable_all().build()
}

fn amqp(section: &AmqpSection) -> Result<AmqpConfig, ProcessError> {
    let mut config = AmqpConfig::new(section.url.expose_secret(), section.prefix.clone());
    if let Some(path) = section.ca_file.clone() {
        let pem = std::fs::read_to_string(&path);
        config.ca_pem = Some(pem.map_err(|reason| ProcessError::Certificates { path, reason })?);
    }
    Ok(config)
}

async fn connect_and_run(worker: Worker, config: AmqpConfig, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let Some(broker) = connect(config, &shutdown).await? else { return Ok(()) };
    worker.run(Arc::clone(&broker) as Arc<dyn Broker>, shutdown).await;
    broker.close().await;
    Ok(())
}

/// A broker that cannot be reached is awaited; one that refuses is not. `None`: `shutdown` came first.
async fn connect(config: AmqpConfig, shutdown: &CancellationToken) -> Result<Option<Arc<AmqpBroker>>, WorkerError> {
    let mut backoff = Backoff::new(RETRY_INITIAL, RETRY_MAX);
    loop {
        match shutdown.run_until_cancelled(AmqpBroker::connect(config.clone())).await {
            None => return Ok(None),
            Some(Ok(broker)) => return Ok(Some(broker)),
            Some(Err(error @ BrokerError::Unreachable { .. })) => {
                tracing::warn!(error = %error, "the broker is awaited");
            }
            Some(Err(BrokerError::Address { address, reason })) => {
                let problem = format!("is {address:?}: {reason}");
                return Err(WorkerError::Setting(Invalid::new("amqp.url", problem)));
            }
            Some(Err(error)) => return Err(error.into()),
        }
        if !backoff.wait(shutdown).await {
            return Ok(None);
        }
    }
}

fn config_argument(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<PathBuf>, ProcessError> {
    let mut file = None;
    while let Some(argument) = arguments.next() {
        // A path need not be a text.
        let value = match argument.as_bytes().strip_prefix(b"--config=") {
            Some(value) => Some(OsStr::from_bytes(value).to_owned()),
            None if argument == "--config" => arguments.next(),
            None => return Err(ProcessError::Usage(format!("unknown argument {argument:?}"))),
        };
        let value = value.filter(|value| !value.is_empty());
        file = Some(value.ok_or_else(|| ProcessError::Usage("--config needs the path of a file".into()))?.into());
    }
    Ok(file)
}

/// On stderr and not as a log line: the log may not have been set up.
fn fail(error: &ProcessError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn argument<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Option<PathBuf>, String> {
        config_argument(arguments.iter().map(|argument| argument.as_ref().to_owned()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_names_the_configuration() {
        assert_eq!(argument::<&str>(&[]), Ok(None));
        assert_eq!(argument(&["--config", "a.toml"]), Ok(Some("a.toml".into())));
        assert_eq!(argument(&["--config=a=b.toml"]), Ok(Some("a=b.toml".into())));
        for (arguments, text) in [
            (vec!["--config"], "--config needs the path of a file; usage: PROGRAM [--config FILE]"),
            (vec!["-v"], "unknown argument \"-v\"; usage: PROGRAM [--config FILE]"),
        ] {
            assert_eq!(argument(&arguments).unwrap_err(), text);
        }
    }

    #[test]
    fn the_command_line_may_hold_what_is_no_text() {
        let odd = OsStr::from_bytes(b"a\xff.toml");
        assert_eq!(argument(&[OsStr::new("--config"), odd]), Ok(Some(odd.into())));
        assert_eq!(argument(&[OsStr::from_bytes(b"--config=a\xff.toml")]), Ok(Some(odd.into())));
        let text = "unknown argument \"a\\xFF.toml\"; usage: PROGRAM [--config FILE]";
        assert_eq!(argument(&[odd]).unwrap_err(), text);
    }
}
