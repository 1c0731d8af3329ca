//! Every knob of the orchestrator, checked. The commented defaults stand in `config/default.toml`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use drover_protocol::{Names, limits};
use drover_service::{
    config::{Invalid, Validate, above_zero, in_range},
    telemetry::{LogConfig, TelemetryConfig},
};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    access::{AccessConfig, Hash},
    retention::{self, MOST_DAYS, RetentionSection},
};

/// The built-in defaults.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
/// The sections that the orchestrator reads.
pub const SECTIONS: &[&str] =
    &["amqp", "database", "files", "http", "log", "logs", "orchestrator", "retention", "telemetry"];
/// The keys that are secrets: each may be given as `<key>_file`.
pub const SECRETS: &[&str] = &["amqp.url", "database.url", "http.admin_token"];

/// Least length of the token of the configuration.
const ADMIN_TOKEN_BYTES: usize = 24;
/// Most characters of the name of a folder whose files are shown.
const FILES_NAME: usize = 64;

/// The configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub amqp: AmqpSection,
    /// The database.
    pub database: DatabaseSection,
    /// Folders whose files are shown, by the name that stands in their addresses.
    pub files: BTreeMap<String, PathBuf>,
    /// The HTTP server.
    pub http: HttpSection,
    /// Log lines.
    pub log: LogConfig,
    /// Log lines of jobs.
    pub logs: LogsSection,
    /// The orchestrator itself.
    pub orchestrator: OrchestratorSection,
    /// How long finished work is kept.
    pub retention: RetentionSection,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
}

/// The broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSection {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`.
    pub url: SecretString,
    /// Prefix of every exchange and queue.
    pub prefix: String,
    /// Largest message, in bytes.
    pub message_bytes: usize,
    /// A file with the certificates, in PEM, that `amqps://` trusts besides those of the system.
    pub ca_file: Option<PathBuf>,
}

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSection {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Most connections of this process.
    pub connections: usize,
    /// Longest wait for a connection, in seconds.
    pub wait_seconds: f64,
    /// The server gives up a statement after this, in seconds.
    pub statement_timeout_seconds: f64,
}

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSection {
    /// Where it listens. Loopback unless told otherwise.
    pub listen: SocketAddr,
    /// Whether whoever asks is asked who they are.
    pub auth: Auth,
    /// A token that is an admin's; empty for none.
    pub admin_token: SecretString,
    /// Names by which browsers may call this server, beside those of this machine itself, where nobody is asked.
    pub hosts: Vec<String>,
    /// Addresses or networks of proxies that are believed about whom they speak for (`X-Forwarded-For`).
    pub proxies: Vec<String>,
    /// What a token without a limit of its own may ask for in a minute; 0: as much as it likes.
    pub requests_per_minute: u32,
    /// How long lines of the audit are kept, in days.
    pub audit_days: u32,
}

/// Whether whoever asks is asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Nobody is asked, and everybody may do everything. For loopback.
    None,
    /// By tokens, each with a role.
    Tokens,
}

impl HttpSection {
    /// Who is let in.
    #[must_use]
    pub fn access(&self) -> AccessConfig {
        let token = Some(self.admin_token.expose_secret()).filter(|token| !token.is_empty());
        AccessConfig {
            auth: self.auth,
            admin_token: token.map(Hash::of),
            requests_per_minute: Some(self.requests_per_minute).filter(|limit| *limit > 0),
            hosts: self.hosts.clone(),
            proxies: self.proxies.iter().filter_map(|text| network(text)).collect(),
            audit_age: Duration::from_secs(u64::from(self.audit_days) * 86_400),
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        if self.auth == Auth::None && !self.listen.ip().is_loopback() {
            let problem = "beyond loopback, whoever reaches it could do everything: set http.auth = \"tokens\" \
                           (DROVER__HTTP__AUTH=tokens), or listen on 127.0.0.1";
            return Err(Invalid::new("http.listen", problem));
        }
        let token = self.admin_token.expose_secret();
        if !token.is_empty() {
            if token.len() < ADMIN_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                let problem = format!(
                    "must be empty, or at least {ADMIN_TOKEN_BYTES} letters, digits and signs without spaces, for example what \
                     `openssl rand -hex 32` prints"
                );
                return Err(Invalid::new("http.admin_token", problem));
            }
            if self.auth == Auth::None {
                let problem = "is set, but nobody is asked for a token: set http.auth = \"tokens\", too";
                return Err(Invalid::new("http.admin_token", problem));
            }
        }
        if let Some(wrong) = self.proxies.iter().find(|text| network(text).is_none()) {
            let problem = format!("{wrong:?} is no address or network, such as 10.0.0.7 or 10.0.0.0/8");
            return Err(Invalid::new("http.proxies", problem));
        }
        in_range("http.requests_per_minute", &self.requests_per_minute, &(0..=10_000_000))?;
        in_range("http.audit_days", &self.audit_days, &(31..=36_500))
    }
}

/// A network, or a single address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address))).ok()
}

/// How many log lines of jobs are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsSection {
    /// Most bytes of one job's lines. 0: no limit.
    pub job_bytes: u64,
    /// Lines that are older go. 0: they are kept for as long as their job.
    pub days: f64,
    /// Most MiB of all lines together; beyond it the oldest go. 0: no limit.
    pub total_mib: f64,
}

impl LogsSection {
    fn validate(&self) -> Result<(), Invalid> {
        in_range("logs.job_bytes", &self.job_bytes, &(0..=1 << 40))?;
        in_range("logs.days", &self.days, &(0.0..=MOST_DAYS))?;
        in_range("logs.total_mib", &self.total_mib, &(0.0..=1e9))
    }

    /// Most bytes of one job's lines; `None`: no limit.
    #[must_use]
    pub fn job_bytes(&self) -> Option<i64> {
        i64::try_from(self.job_bytes).ok().filter(|bytes| *bytes > 0)
    }

    /// Lines that are older go; `None`: none does.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        retention::age(self.days)
    }

    /// Most bytes of all lines together; `None`: no limit.
    #[must_use]
    pub fn total_bytes(&self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "whole bytes of what was checked to be small enough")]
        let bytes = (self.total_mib * 1024.0 * 1024.0) as i64;
        (self.total_mib > 0.0).then_some(bytes)
    }
}

/// The orchestrator itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrchestratorSection {
    /// A worker that is silent for this long, in seconds, is lost.
    pub lease_seconds: f64,
    /// A cancel reports stragglers as abandoned after this, in seconds.
    pub cancel_timeout_seconds: f64,
    /// A job's silence this long after its own time-out means that its worker will not stop it.
    pub timeout_grace_seconds: f64,
    /// A job that loses this many workers fails as `poison`.
    pub poison_losses: u32,
    /// Folder of definitions to register at the start; empty for none.
    pub definitions: PathBuf,
    /// How long a stop may take, in seconds.
    pub drain_seconds: f64,
    /// A tree of more jobs than this is not replayed.
    pub replay_jobs: usize,
    /// A tree whose history has more than this, in MiB of JSON, is not replayed.
    pub replay_mib: u64,
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Invalid> {
        Names::new(&self.amqp.prefix).map_err(|error| Invalid::new("amqp.prefix", error.to_string()))?;
        in_range("amqp.message_bytes", &self.amqp.message_bytes, &(16 * 1024..=8 * limits::MESSAGE_BYTES))?;
        if let Err(error) = self.database.url.expose_secret().parse::<tokio_postgres::Config>() {
            return Err(Invalid::new("database.url", error.to_string()));
        }
        in_range("database.connections", &self.database.connections, &(4..=200))?;
        above_zero("database.wait_seconds", self.database.wait_seconds)?;
        above_zero("database.statement_timeout_seconds", self.database.statement_timeout_seconds)?;
        self.validate_files()?;
        self.http.validate()?;
        let own = &self.orchestrator;
        in_range("orchestrator.lease_seconds", &own.lease_seconds, &(2.0..=3_600.0))?;
        in_range("orchestrator.cancel_timeout_seconds", &own.cancel_timeout_seconds, &(1.0..=86_400.0))?;
        in_range("orchestrator.timeout_grace_seconds", &own.timeout_grace_seconds, &(0.1..=86_400.0))?;
        in_range("orchestrator.poison_losses", &own.poison_losses, &(1..=1_000))?;
        above_zero("orchestrator.drain_seconds", own.drain_seconds)?;
        in_range("orchestrator.replay_jobs", &own.replay_jobs, &(1..=100_000_000))?;
        in_range("orchestrator.replay_mib", &own.replay_mib, &(1..=1_048_576))?;
        self.logs.validate()?;
        self.retention.validate()?;
        self.telemetry.validate()?;
        self.log.validate()
    }
}

impl Config {
    fn validate_files(&self) -> Result<(), Invalid> {
        let stands_in_addresses = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        for (name, folder) in &self.files {
            let invalid = |problem: String| Err(Invalid::new(format!("files.{name}"), problem));
            if name.is_empty() || name.len() > FILES_NAME || !name.chars().all(stands_in_addresses) {
                return invalid(format!(
                    "a name stands in addresses, /files/NAME/…: it has 1 to {FILES_NAME} of a to z, 0 to 9, - and _"
                ));
            }
            if !folder.is_absolute() {
                return invalid("must be the full path of a folder, as this process sees it".into());
            }
        }
        Ok(())
    }
}

/// Seconds of the configuration as a duration; their range was checked.
#[must_use]
pub fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use drover_service::config::Loader;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| (format!("DROVER__HTTP__{name}"), (*value).to_owned())).collect();
        Loader::new(DEFAULTS)
            .secrets(SECRETS)
            .only(SECTIONS)
            .environment(variables)
            .load()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_that_is_shown_has_a_name_for_addresses_and_a_full_path() {
        assert!(load(&[]).is_ok_and(|config| config.files.is_empty()), "nothing is shown unless told");
        let load = |name: &str, folder: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), format!("[files]\n{name:?} = {folder:?}\n")).expect("written");
            let loader = Loader::new(DEFAULTS).file(Some(file.path())).secrets(SECRETS).only(SECTIONS);
            loader.environment(HashMap::new()).load::<Config>().map_err(|error| error.to_string())
        };
        let expected = BTreeMap::from([("media".to_owned(), PathBuf::from("/data/generated"))]);
        assert_eq!(load("media", "/data/generated").expect("accepted").files, expected);
        let variables = HashMap::from([("DROVER__FILES__MEDIA".to_owned(), "/data/generated".to_owned())]);
        let loader = Loader::new(DEFAULTS).secrets(SECRETS).only(SECTIONS).environment(variables);
        assert_eq!(loader.load::<Config>().expect("accepted").files, expected);
        for name in ["", "a/b", "a.b", "A", "\u{e9}", "a b", &"x".repeat(65)] {
            let refused = load(name, "/data").expect_err("refused");
            assert!(refused.contains("files.") && refused.contains("/files/NAME/"), "{name}: {refused}");
        }
        for folder in ["", "data", "./data"] {
            let refused = load("media", folder).expect_err("refused");
            assert!(refused.contains("files.media") && refused.contains("full path"), "{folder}: {refused}");
        }
    }

    #[test]
    fn beyond_loopback_it_does_not_listen_without_tokens() {
        assert!(load(&[]).is_ok_and(|config| config.http.auth == Auth::None));
        for listen in ["0.0.0.0:8420", "[::]:8420", "192.0.2.7:1"] {
            let refused = load(&[("LISTEN", listen)]).expect_err("refused");
            for words in ["http.listen", listen, "DROVER__HTTP__LISTEN", "DROVER__HTTP__AUTH=tokens", "127.0.0.1"] {
                assert!(refused.contains(words), "{words}: {refused}");
            }
            assert!(load(&[("LISTEN", listen), ("AUTH", "tokens")]).is_ok(), "{listen}");
        }
        for listen in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1"] {
            assert!(load(&[("LISTEN", listen)]).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_token_of_the_configuration_is_long_and_never_shown() {
        let refused = load(&[("AUTH", "tokens"), ("ADMIN_TOKEN", "hunter2")]).expect_err("refused");
        assert!(refused.contains("http.admin_token") && refused.contains("at least 24"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
        let token = "a-token-that-is-long-enough";
        let refused = load(&[("ADMIN_TOKEN", token)]).expect_err("refused");
        assert!(refused.contains("http.auth = \"tokens\"") && !refused.contains(token), "{refused}");
        let config =
            load(&[("AUTH", "tokens"), ("ADMIN_TOKEN", token), ("HOSTS", "a.example,b.example")]).expect("it fits");
        assert!(!format!("{config:?}").contains(token));
        assert_eq!(config.http.access().admin_token, Some(Hash::of(token)));
        assert_eq!(config.http.access().hosts, ["a.example", "b.example"]);
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let config = load(&[("PROXIES", "10.0.0.7,192.168.0.0/16")]).expect("it fits");
        let proxies: Vec<String> = config.http.access().proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.7/32", "192.168.0.0/16"]);
        let refused = load(&[("PROXIES", "10.0.0.7,proxy.example")]).expect_err("refused");
        assert!(refused.contains("http.proxies") && refused.contains("proxy.example"), "{refused}");
    }

    #[test]
    fn the_limits_have_their_ranges() {
        assert!(
            load(&[("REQUESTS_PER_MINUTE", "0")]).is_ok_and(|config| config
                .http
                .access()
                .requests_per_minute
                .is_none())
        );
        for (name, value) in [("AUTH", "password"), ("AUDIT_DAYS", "30"), ("REQUESTS_PER_MINUTE", "10000001")] {
            let refused = load(&[(name, value)]).expect_err("refused");
            assert!(refused.contains(&name.to_lowercase()) && refused.contains(value), "{refused}");
        }
    }

    #[test]
    fn one_file_may_configure_a_whole_system() {
        let workers = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../workers/sdk/src/default.toml"));
        let text = workers.expect("it is there").replace("# ca_file", "ca_file");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let loader = Loader::new(DEFAULTS).file(Some(file.path())).secrets(SECRETS).only(SECTIONS);
        let config: Config = loader.environment(HashMap::new()).load().expect("it passes over what is not its own");
        assert_eq!(config.amqp.ca_file.as_deref(), Some(std::path::Path::new("/etc/drover/ca.pem")));
    }
}
