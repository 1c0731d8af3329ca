//! The server's process. It ends when ours does, however ours ends.

use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Stdio,
    time::Duration,
};

use drover_orchestrator::store::{Store, StoreConfig};
use drover_service::retry::Backoff;
use secrecy::SecretString;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin},
    time::{sleep, timeout},
};

use super::{
    PostgresError,
    cluster::{Cluster, USER},
};

/// Starts the server and waits at its side for a word from us. The pipe closes when our process is gone, killed or not, and
/// the server is told to end at once, which loses nothing that was committed. Needs nothing but a shell, unlike Linux's
/// `PR_SET_PDEATHSIG`.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r word <&3; case $word in stop) kill -INT "$server";; *) kill -QUIT "$server";; esac; } &
watcher=$!
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;
/// Another process may take the port between our look and the server's start.
const TRIES: u32 = 3;
/// How long a start may take; after a kill the server first replays its log.
const START: Duration = Duration::from_secs(60);
/// How long an orderly stop may take.
const STOP: Duration = Duration::from_secs(20);
/// Pauses between two looks whether it answers.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// A running private server.
pub(crate) struct Server {
    url: SecretString,
    version: String,
    child: Child,
    /// Closed: the server ends at once.
    line: ChildStdin,
}

impl Server {
    /// Starts the server of the folder; its data are made where there are none.
    pub(crate) async fn start(folder: &Path) -> Result<Self, PostgresError> {
        let folder = folder.to_owned();
        let cluster = tokio::task::spawn_blocking(move || Cluster::open(&folder)).await;
        let cluster = cluster.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        for _ in 1..TRIES {
            match Self::try_start(&cluster).await {
                Err(error @ PostgresError::NotStarted { .. }) => tracing::warn!(%error, "it is tried again"),
                other => return other,
            }
        }
        Self::try_start(&cluster).await
    }

    /// Its address, with the password.
    pub(crate) const fn url(&self) -> &SecretString {
        &self.url
    }

    /// As `15.18`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Waits until it has ended by itself, which it should not.
    pub(crate) async fn ended(&mut self) {
        // An error means that it was waited for before.
        let _ = self.child.wait().await;
    }

    /// Stops it in an orderly way.
    pub(crate) async fn stop(mut self) {
        // An error means that it has ended.
        let _ = self.line.write_all(b"stop\n").await;
        if timeout(STOP, self.child.wait()).await.is_err() {
            tracing::warn!("the private Postgres server does not stop; it is killed");
            drop(self.line);
            let _ = timeout(STOP, self.child.wait()).await;
        }
    }

    async fn try_start(cluster: &Cluster) -> Result<Self, PostgresError> {
        let port = free_port()?;
        let log_file = cluster.log();
        let log = OpenOptions::new().create(true).append(true).open(&log_file);
        let log = log.map_err(PostgresError::io(&log_file))?;
        let errors = log.try_clone().map_err(PostgresError::io(&log_file))?;
        let mut command = cluster.owner.command("sh");
        command.args(["-c", SUPERVISOR, "drover-postgres"]).arg(cluster.binaries.program("postgres"));
        command.arg("-D").arg(cluster.data()).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        // A Ctrl-C in the terminal is for us alone: we stop the server when we are done with it.
        command.process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let mut child = tokio::process::Command::from(command).spawn().map_err(PostgresError::io("sh"))?;
        let not_started = || PostgresError::NotStarted { log: log_file.clone(), words: cluster.last_words() };
        let line = child.stdin.take().ok_or_else(not_started)?;
        let url = format!("postgres://{USER}:{}@127.0.0.1:{port}/postgres", cluster.password()?);
        let mut server = Self { url: url.into(), version: cluster.binaries.version.clone(), child, line };
        if server.answers().await { Ok(server) } else { Err(not_started()) }
    }

    /// Waits until it answers. `false`: it ended, or took too long.
    async fn answers(&mut self) -> bool {
        let wait = Duration::from_secs(5);
        let config = StoreConfig { url: self.url.clone(), connections: 1, wait, statement_timeout: wait };
        let Ok(store) = Store::new(&config) else { return false };
        let answers = async {
            let mut backoff = Backoff::new(LOOKS.0, LOOKS.1);
            while store.ping().await.is_err() {
                sleep(backoff.next()).await;
            }
        };
        tokio::select! {
            answered = timeout(START, answers) => answered.is_ok(),
            _ = self.child.wait() => false,
        }
    }
}

fn free_port() -> Result<u16, PostgresError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|listener| listener.local_addr()).map(|address| address.port());
    port.map_err(PostgresError::io("127.0.0.1"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    async fn ping(url: &SecretString) -> bool {
        let wait = Duration::from_secs(5);
        let config = StoreConfig { url: url.clone(), connections: 1, wait, statement_timeout: wait };
        Store::new(&config).unwrap().ping().await.is_ok()
    }

    /// A folder that the user postgres may enter too.
    fn folder() -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        folder
    }

    #[tokio::test]
    async fn it_starts_stops_and_starts_again_on_the_same_data() {
        let folder = folder();
        let server = Server::start(folder.path()).await.unwrap();
        let password = |url: &SecretString| url.expose_secret().split('@').next().unwrap().to_owned();
        let first = password(server.url());
        assert!(ping(server.url()).await);
        let url = server.url().clone();
        server.stop().await;
        assert!(!ping(&url).await, "it is gone");
        let server = Server::start(folder.path()).await.unwrap();
        assert_eq!(password(server.url()), first, "the data are the same");
        assert!(ping(server.url()).await);
        server.stop().await;
    }

    #[tokio::test]
    async fn a_server_whose_line_is_cut_ends_by_itself_and_its_data_are_good() {
        let folder = folder();
        let Server { mut child, line, .. } = Server::start(folder.path()).await.unwrap();
        drop(line);
        timeout(STOP, child.wait()).await.expect("it follows").unwrap();
        let server = Server::start(folder.path()).await.unwrap();
        assert!(ping(server.url()).await);
        server.stop().await;
    }

    #[tokio::test]
    async fn a_begun_cluster_is_thrown_away() {
        let folder = folder();
        std::fs::create_dir_all(folder.path().join("postgres/data.begun/base")).unwrap();
        let server = Server::start(folder.path()).await.unwrap();
        assert!(ping(server.url()).await);
        server.stop().await;
    }
}
