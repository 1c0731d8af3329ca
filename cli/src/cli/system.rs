//! The grammar of `drover dev` and `drover demo`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where the data are kept [default: drover/dev among the user's data; for root /var/lib/drover/dev]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the API on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = crate::command::dev::PORT, value_name = "N")]
    pub(crate) port: u16,
    /// Register the workflows of this folder too.
    #[arg(long, value_name = "DIR")]
    pub(crate) workflows: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) servers: Servers,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Files to import.
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub(crate) files: u64,
    /// Rows in all good files together.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub(crate) rows: u64,
    /// How many of the files are broken on purpose.
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) broken: u64,
    /// Stay up afterwards, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) servers: Servers,
}

/// Real servers in the place of private ones.
#[derive(Args)]
pub(crate) struct Servers {
    /// A RabbitMQ server to use: amqp://user:password@host:port/vhost.
    #[arg(long, value_name = "URL")]
    pub(crate) amqp_url: Option<String>,
    /// A database that nothing else uses: postgres://user:password@host:port/database.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

impl std::fmt::Debug for Servers {
    /// Without the addresses: they have passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { amqp_url, database_url } = self;
        write!(f, "Servers {{ amqp: {}, database: {} }}", amqp_url.is_some(), database_url.is_some())
    }
}
