//! The grammar of `drover dev` and `drover demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// The workflow to show: data_import makes files and imports them; process_new_scenes makes short videos and takes them into
    /// a library, twice, which needs ffmpeg.
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Shown::DataImport, value_name = "NAME")]
    pub(crate) workflow: Shown,
    /// Files to import [default: 400]
    #[arg(long, value_name = "N")]
    pub(crate) files: Option<u64>,
    /// Rows in all good files together [default: 1000000]
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,
    /// How many of the files are broken on purpose [default: 12]
    #[arg(long, value_name = "N")]
    pub(crate) broken: Option<u64>,
    /// Stay up afterwards, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) servers: Servers,
}

/// A workflow that the demo knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    #[value(name = "data_import")]
    DataImport,
    #[value(name = "process_new_scenes")]
    ProcessNewScenes,
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
