//! A worker's configuration.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use drover_protocol::{LogLevel, limits};
use drover_service::{
    config::{ConfigError, Invalid, Loader, Validate, above_zero, in_range},
    telemetry::{LogConfig, TelemetryConfig},
};
use secrecy::SecretString;
use serde::Deserialize;

const DEFAULTS: &str = include_str!("default.toml");
const SECTIONS: &[&str] = &["amqp", "log", "telemetry", "worker"];

/// Everything that a worker reads from its configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// Where the broker is.
    pub amqp: AmqpSection,
    /// How log lines look.
    pub log: LogConfig,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
    /// How the worker works.
    pub worker: WorkerSection,
}

/// Where the broker is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSection {
    /// The address, with user and password.
    pub url: SecretString,
    /// What every exchange and queue name begins with.
    pub prefix: String,
    /// A file with the certificates, in PEM, that `amqps://` trusts besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The orchestrators' limit, which may stand in a file that is theirs, too. A worker has [`WorkerSection::message_bytes`].
    pub message_bytes: Option<usize>,
}

/// How a worker works. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSection {
    /// Jobs at once, over all types; 0: as many as there are processors.
    pub concurrency: u32,
    /// Most messages that are fetched ahead per job type.
    pub prefetch: u16,
    /// How often the progress of one job is sent at most.
    pub progress_interval_seconds: f64,
    /// How long `started` waits for the end of a short job.
    pub started_delay_seconds: f64,
    /// How long a handler may take to return after it was told to stop.
    pub grace_seconds: f64,
    /// How long running jobs may go on after SIGTERM before they are told to stop.
    pub drain_seconds: f64,
    /// After this long without the broker the worker stops its jobs, but not before two leases
    /// (`orchestrator.lease_seconds`) have passed.
    pub isolation_seconds: f64,
    /// How often `worker_up` is repeated until it is answered.
    pub announce_seconds: f64,
    /// The least level of lines that go to a job's log.
    pub log_level: LogLevel,
    /// Most lines per second that one job may log.
    pub log_lines_per_second: u32,
    /// Largest message of what a job reports: its result, a part of a list, log lines. What the worker is told may be larger.
    pub message_bytes: usize,
}

impl WorkerConfig {
    /// Loads built-in defaults, the file (or the one that `DROVER_CONFIG` names) and the environment.
    ///
    /// `own_sections` are sections that the worker's jobs read for themselves.
    ///
    /// # Errors
    /// The first thing that is wrong, with key, value and source.
    pub fn load(file: Option<&Path>, own_sections: &[&str]) -> Result<Self, ConfigError> {
        Loader::new(DEFAULTS).file(file).secrets(&["amqp.url"]).only(SECTIONS).pass_over(own_sections).load()
    }
}

impl Default for WorkerSection {
    /// The built-in defaults.
    fn default() -> Self {
        Self {
            concurrency: 0,
            prefetch: 256,
            progress_interval_seconds: 0.2,
            started_delay_seconds: 0.002,
            grace_seconds: 10.0,
            drain_seconds: 30.0,
            isolation_seconds: 600.0,
            announce_seconds: 3.0,
            log_level: LogLevel::Info,
            log_lines_per_second: 500,
            message_bytes: limits::MESSAGE_BYTES,
        }
    }
}

/// Longest duration that makes sense here, in seconds: a day.
const DAY_SECONDS: f64 = 86_400.0;
/// Smaller messages would not hold the texts that the wire allows.
const LEAST_MESSAGE_BYTES: usize = 64 * 1024;
/// RabbitMQ 4 refuses messages over twice this, and what it refuses would be sent again for ever. No orchestrator sends larger ones.
pub(crate) const MOST_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

impl Validate for WorkerConfig {
    fn validate(&self) -> Result<(), Invalid> {
        drover_protocol::Names::new(&self.amqp.prefix)
            .map_err(|error| Invalid::new("amqp.prefix", error.to_string()))?;
        self.log.validate()?;
        self.telemetry.validate()?;
        self.worker.validate()
    }
}

impl Validate for WorkerSection {
    fn validate(&self) -> Result<(), Invalid> {
        in_range("worker.concurrency", &self.concurrency, &(0..=10_000))?;
        in_range("worker.prefetch", &self.prefetch, &(1..=4_096))?;
        in_range("worker.progress_interval_seconds", &self.progress_interval_seconds, &(0.01..=60.0))?;
        in_range("worker.started_delay_seconds", &self.started_delay_seconds, &(0.0..=1.0))?;
        in_range("worker.grace_seconds", &self.grace_seconds, &(0.0..=DAY_SECONDS))?;
        in_range("worker.drain_seconds", &self.drain_seconds, &(0.0..=DAY_SECONDS))?;
        above_zero("worker.isolation_seconds", self.isolation_seconds)?;
        in_range("worker.isolation_seconds", &self.isolation_seconds, &(0.0..=7.0 * DAY_SECONDS))?;
        in_range("worker.announce_seconds", &self.announce_seconds, &(0.1..=60.0))?;
        in_range("worker.log_lines_per_second", &self.log_lines_per_second, &(0..=100_000))?;
        in_range("worker.message_bytes", &self.message_bytes, &(LEAST_MESSAGE_BYTES..=MOST_MESSAGE_BYTES))
    }
}

/// The section, checked and in the units that the code works with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) concurrency: u32,
    pub(crate) prefetch: u16,
    pub(crate) progress_interval: Duration,
    pub(crate) started_delay: Duration,
    pub(crate) grace: Duration,
    pub(crate) drain: Duration,
    pub(crate) isolation: Duration,
    pub(crate) announce: Duration,
    pub(crate) log_level: LogLevel,
    pub(crate) log_lines_per_second: u32,
    pub(crate) message_bytes: usize,
}

impl From<&WorkerSection> for Settings {
    fn from(section: &WorkerSection) -> Self {
        // Out-of-range values were refused by `validate`.
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let processors = || std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
        Self {
            concurrency: if section.concurrency == 0 { processors().unwrap_or(1) } else { section.concurrency },
            prefetch: section.prefetch,
            progress_interval: seconds(section.progress_interval_seconds),
            started_delay: seconds(section.started_delay_seconds),
            grace: seconds(section.grace_seconds),
            drain: seconds(section.drain_seconds),
            isolation: seconds(section.isolation_seconds),
            announce: seconds(section.announce_seconds),
            log_level: section.log_level,
            log_lines_per_second: section.log_lines_per_second,
            message_bytes: section.message_bytes,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<WorkerConfig, String> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let loader = Loader::new(DEFAULTS).secrets(&["amqp.url"]).only(SECTIONS).environment(variables);
        loader.load().map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_of_defaults_and_the_code_agree() {
        assert_eq!(load(&[]).unwrap().worker, WorkerSection::default());
    }

    #[test]
    fn out_of_range_values_are_refused_by_key() {
        for (key, value) in [
            ("prefetch", "0"),
            ("grace_seconds", "-1"),
            ("isolation_seconds", "0"),
            ("message_bytes", "10"),
            ("progress_interval_seconds", "nan"),
        ] {
            let variable = format!("DROVER__WORKER__{}", key.to_uppercase());
            let text = load(&[(&variable, value)]).unwrap_err();
            assert!(
                text.starts_with(&format!("`worker.{key}` = \"{value}\" in the environment ({variable})")),
                "{text}"
            );
        }
        let text = load(&[("DROVER__AMQP__PREFIX", "Not Good")]).unwrap_err();
        assert!(text.starts_with("`amqp.prefix` = \"Not Good\""), "{text}");
        let text = load(&[("DROVER__WORKER__LOG_LEVEL", "loud")]).unwrap_err();
        assert!(text.ends_with("expected one of trace, debug, info, warn, error"), "{text}");
    }

    #[test]
    fn one_file_may_configure_a_whole_system() {
        let orchestrators = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/default.toml");
        let loader = Loader::new(DEFAULTS).file(Some(orchestrators.as_ref())).secrets(&["amqp.url"]).only(SECTIONS);
        let config: WorkerConfig =
            loader.environment(HashMap::new()).load().expect("it passes over what is not its own");
        assert_eq!(config.worker, WorkerSection::default());
    }
}
