//! Which RabbitMQ and Postgres servers the tests use.

use anyhow::{Context, bail};
use reqwest::Url;
use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio::sync::OnceCell;

const AMQP: &str = "DROVER_TEST_AMQP_URL";
const MANAGEMENT: &str = "DROVER_TEST_RABBITMQ_MANAGEMENT_URL";
const RABBITMQCTL: &str = "DROVER_TEST_RABBITMQCTL";
const DATABASE: &str = "DROVER_TEST_DATABASE_URL";

/// The port of RabbitMQ's management API where the environment names only its AMQP address.
const DEFAULT_MANAGEMENT_PORT: u16 = 15672;

/// Addresses, with user and password, of servers on which tests may create vhosts and databases.
#[derive(Debug, Clone)]
pub struct Servers {
    /// RabbitMQ; the vhost in it is not for tests to use.
    pub amqp_url: Url,
    /// RabbitMQ's management API.
    pub management_url: Url,
    /// Its command-line tool, where the environment or `scripts/servers` names one.
    pub rabbitmqctl: Option<PathBuf>,
    /// Postgres; the database in it is where other databases are created from.
    pub database_url: Url,
}

/// The servers that `DROVER_TEST_AMQP_URL` and `DROVER_TEST_DATABASE_URL` name, else those of `scripts/servers`, which
/// are started where they do not run yet.
///
/// # Errors
/// An address does not parse, or the servers do not start: the message has the command to run.
pub async fn servers() -> anyhow::Result<&'static Servers> {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS.get_or_try_init(find).await
}

async fn find() -> anyhow::Result<Servers> {
    let named: HashMap<String, String> = env::vars().filter(|(_, value)| !value.is_empty()).collect();
    if named.contains_key(AMQP) && named.contains_key(DATABASE) {
        return Servers::from(&named);
    }
    let mut all = start().await?;
    if named.contains_key(AMQP) {
        all.remove(MANAGEMENT);
        all.remove(RABBITMQCTL);
    }
    all.extend(named);
    Servers::from(&all)
}

impl Servers {
    fn from(addresses: &HashMap<String, String>) -> anyhow::Result<Self> {
        let url = |name: &str| -> anyhow::Result<Option<Url>> {
            let parse = |value: &String| Url::parse(value).with_context(|| format!("{name} is not a URL"));
            addresses.get(name).map(parse).transpose()
        };
        let amqp_url = url(AMQP)?.with_context(|| format!("{AMQP} is missing"))?;
        Ok(Self {
            management_url: match url(MANAGEMENT)? {
                Some(named) => named,
                None => default_management_url(&amqp_url)?,
            },
            database_url: url(DATABASE)?.with_context(|| format!("{DATABASE} is missing"))?,
            rabbitmqctl: addresses.get(RABBITMQCTL).map(PathBuf::from),
            amqp_url,
        })
    }
}

fn default_management_url(amqp_url: &Url) -> anyhow::Result<Url> {
    let host = amqp_url.host_str().with_context(|| format!("{AMQP} names no host"))?;
    let mut url = Url::parse(&format!("http://{host}:{DEFAULT_MANAGEMENT_PORT}"))?;
    // Neither setter fails on an http URL with a host.
    let _ = url.set_username(amqp_url.username());
    let _ = url.set_password(amqp_url.password());
    Ok(url)
}

/// `scripts/servers up` takes a lock: of many test processes one starts the servers and the others wait for it.
async fn start() -> anyhow::Result<HashMap<String, String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scripts").join("servers");
    run(&script, "up").await?;
    Ok(parse_exports(&run(&script, "env").await?))
}

async fn run(script: &Path, verb: &str) -> anyhow::Result<String> {
    let hint = || format!("no servers to test with; run `{} up` to see why", script.display());
    let output = Command::new(script).arg(verb).output().await.with_context(hint)?;
    if !output.status.success() {
        bail!("{}:\n{}", hint(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Lines of the form `export NAME='value'`.
fn parse_exports(lines: &str) -> HashMap<String, String> {
    let parse = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    lines.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_management_api_is_found_from_the_amqp_address() {
        let named = parse_exports(
            "export DROVER_TEST_AMQP_URL='amqp://me:secret@broker:5673/%2f'\n\
             export DROVER_TEST_DATABASE_URL='postgres://me@db/postgres'\n",
        );
        let servers = Servers::from(&named).expect("addresses");
        assert_eq!(servers.management_url.as_str(), "http://me:secret@broker:15672/");
        assert_eq!(servers.database_url.path(), "/postgres");
        assert_eq!(servers.rabbitmqctl, None);
    }

    #[test]
    fn an_address_that_is_no_url_is_named() {
        let named = HashMap::from([(AMQP.to_owned(), "localhost".to_owned())]);
        let error = Servers::from(&named).expect_err("must be refused");
        assert_eq!(error.to_string(), "DROVER_TEST_AMQP_URL is not a URL");
    }
}
