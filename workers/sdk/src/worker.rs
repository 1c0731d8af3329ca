//! A worker, put together: its jobs, its configuration, its `main`.

use std::{path::Path, sync::Arc};

use drover_broker::{Broker, BrokerError};
use drover_protocol::{DecodeError, Names, limits, names::InvalidJobType};
use drover_service::{
    config::{ConfigError, Invalid, Validate},
    telemetry::Traces,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    Job, RegistryError,
    config::{Settings, WorkerConfig, WorkerSection},
    control::Introduction,
    registry::Registry,
    run::Life,
    session::Session,
    text,
};

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting is out of its range.
    #[error("`{}` {}", .0.key, .0.problem)]
    Setting(Invalid),
    /// Its jobs cannot be registered.
    #[error(transparent)]
    Jobs(#[from] RegistryError),
    /// What it says of itself and its jobs breaks a limit: `types` are its jobs in the order of their types.
    #[error("what the worker announces cannot be sent: {0}")]
    Announcement(DecodeError),
    /// The prefix of all names is not valid.
    #[error("the prefix of exchanges and queues: {0}")]
    Prefix(#[from] InvalidJobType),
    /// The broker's address cannot be used, or the broker refuses the connection.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// A program that runs jobs.
pub struct Worker {
    registry: Registry,
    names: Names,
    settings: Settings,
    introduction: Introduction,
    handlers: Option<Handle>,
    traces: Traces,
}

/// Puts a [`Worker`] together.
pub struct WorkerBuilder {
    name: String,
    version: String,
    registry: Result<Registry, RegistryError>,
    section: WorkerSection,
    prefix: String,
    handlers: Option<Handle>,
    traces: Traces,
    own_sections: Vec<String>,
}

impl Worker {
    /// Begins a worker; `name` is what people know the program by.
    pub fn builder(name: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder {
            name: name.into(),
            version: String::new(),
            registry: Ok(Registry::default()),
            section: WorkerSection::default(),
            prefix: "drover".into(),
            handlers: None,
            traces: Traces::default(),
            own_sections: Vec::new(),
        }
    }

    /// How many jobs it runs at once.
    #[must_use]
    pub const fn concurrency(&self) -> u32 {
        self.settings.concurrency
    }

    /// Works until `shutdown` is cancelled, or until the orchestrator says to drain and everything is done. What the worker
    /// needs and the broker has not, or does not let it use, is awaited. The broker stays open. Whoever drops the future before its end
    /// stops its jobs, of which nothing is reported: the orchestrator takes them for lost.
    pub async fn run(self, broker: Arc<dyn Broker>, shutdown: CancellationToken) {
        let Self { registry, names, settings, introduction, handlers, traces } = self;
        let session = Arc::new(Session::new(names, broker, settings));
        let handlers = handlers.unwrap_or_else(Handle::current);
        Life { session, registry, introduction, handlers, traces }.run(shutdown).await;
    }
}

/// The machine and the process.
fn host() -> String {
    let machine = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    format!("{}:{}", machine.as_deref().unwrap_or("unknown"), std::process::id())
}

impl WorkerBuilder {
    /// Registers a job.
    #[must_use]
    pub fn job<J: Job>(mut self, job: J) -> Self {
        self.registry = self.registry.and_then(|mut registry| registry.add(job).map(|()| registry));
        self
    }

    /// The program's version, which the UI shows: `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// How it works. [`WorkerBuilder::main`] takes this from the configuration.
    #[must_use]
    pub const fn settings(mut self, section: WorkerSection) -> Self {
        self.section = section;
        self
    }

    /// What every exchange and queue name begins with. [`WorkerBuilder::main`] takes this from the configuration.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The runtime that handlers run on, apart from the worker's own tasks: then a handler that computes without ever
    /// awaiting delays other handlers, but no heartbeat. [`WorkerBuilder::main`] makes one.
    #[must_use]
    pub fn handlers(mut self, handlers: Handle) -> Self {
        self.handlers = Some(handlers);
        self
    }

    /// Where the spans of its jobs go. [`WorkerBuilder::main`] takes this from the configuration.
    #[must_use]
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = traces;
        self
    }

    /// A section of the configuration that the jobs read for themselves; the worker passes over it.
    #[must_use]
    pub fn own_section(mut self, section: impl Into<String>) -> Self {
        self.own_sections.push(section.into());
        self
    }

    /// What people know the program by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its version, as it was given.
    pub(crate) fn version_text(&self) -> &str {
        &self.version
    }

    /// What the configuration says, with the sections of the jobs passed over.
    pub(crate) fn load(&self, file: Option<&Path>) -> Result<WorkerConfig, WorkerError> {
        let own: Vec<&str> = self.own_sections.iter().map(String::as_str).collect();
        Ok(WorkerConfig::load(file, &own)?)
    }

    /// Checks everything.
    ///
    /// # Errors
    /// When a job's type is not valid or doubled, there is no job, a setting is out of its range, or what is announced of a job
    /// (title, unit, concurrency) is.
    pub fn build(self) -> Result<Worker, WorkerError> {
        let registry = self.registry?;
        if registry.types().next().is_none() {
            return Err(RegistryError::Empty.into());
        }
        self.section.validate().map_err(WorkerError::Setting)?;
        let settings = Settings::from(&self.section);
        let introduction = Introduction {
            types: registry.infos(),
            version: text::clean(format!("{} {}", self.name, self.version).trim().to_owned(), limits::KEY_BYTES),
            host: text::clean(host(), limits::KEY_BYTES),
        };
        introduction.check(settings.concurrency).map_err(WorkerError::Announcement)?;
        Ok(Worker {
            registry,
            names: Names::new(&self.prefix)?,
            settings,
            introduction,
            handlers: self.handlers,
            traces: self.traces,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{JobContext, JobFailure, Outcome};

    /// A job that is announced as a test says.
    macro_rules! idle {
        ($name:ident, $title:expr, $concurrency:expr) => {
            struct $name;

            #[async_trait]
            impl Job for $name {
                const TYPE: &'static str = "idle";
                const TITLE: &'static str = $title;
                const CONCURRENCY: Option<u32> = $concurrency;

                type Params = ();
                type Result = ();

                async fn run(&self, _: &JobContext, (): ()) -> Result<Outcome<()>, JobFailure> {
                    Ok(().into())
                }
            }
        };
    }

    const LONG: &str = match std::str::from_utf8(&[b'x'; limits::KEY_BYTES + 1]) {
        Ok(text) => text,
        Err(_) => "",
    };

    idle!(Good, "Idle", Some(1));
    idle!(NoSlots, "Idle", Some(0));
    idle!(LongTitle, LONG, None);

    fn build<J: Job>(job: J) -> Result<(), String> {
        Worker::builder("test").job(job).build().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_announced_is_refused_at_once_and_named() {
        assert_eq!(build(Good), Ok(()));
        let refused = "what the worker announces cannot be sent: ";
        let text = build(NoSlots).unwrap_err();
        assert!(text.starts_with(&format!("{refused}/types/0/concurrency is 0; it must be from 1")), "{text}");
        assert_eq!(build(LongTitle).unwrap_err(), format!("{refused}/types/0/title has 256 bytes; the limit is 255"));
    }
}
