//! The servers of this run alone, killed and started again by `scripts/servers`.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

use crate::schedule::Server;

/// Names the folder of the servers, see `scripts/servers`.
const FOLDER: &str = "DROVER_SERVERS_DIR";

/// See the module.
pub(crate) struct Servers {
    script: PathBuf,
}

impl Servers {
    /// The servers of the folder that the environment names: nobody else may use them.
    pub(crate) fn own() -> anyhow::Result<Self> {
        if env::var_os(FOLDER).is_none_or(|folder| folder.is_empty()) {
            bail!("{FOLDER} is not set: run `scripts/chaos`, which starts servers that may be killed");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scripts").join("servers");
        ensure!(script.is_file(), "{} is missing", script.display());
        Ok(Self { script })
    }

    /// SIGKILL to every process of the server.
    pub(crate) async fn kill(&self, server: Server) -> anyhow::Result<()> {
        let name = match server {
            Server::RabbitMq => "rabbitmq",
            Server::Postgres => "postgres",
        };
        self.run(&["kill", name]).await.map(drop)
    }

    /// Starts what does not run.
    pub(crate) async fn up(&self) -> anyhow::Result<()> {
        let said = self.run(&["up"]).await?;
        ensure!(!said.contains("starting with none"), "a server lost its data when it was killed:\n{said}");
        Ok(())
    }

    /// What it said.
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.script).args(arguments).output().await.context("scripts/servers")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "scripts/servers {}: {}\n{said}", arguments.join(" "), output.status);
        Ok(said)
    }
}
