//! The media worker's program: the worker, and what helps around it.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use drover_media_worker::{cli::SamplesArgs, config::MediaArgs, store::Store};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The worker's configuration; without it, the file that DROVER_CONFIG names
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    media: MediaArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Take jobs from the broker until told to stop; the same as no command
    Run,
    /// Bring the library's database up to date and end; the worker does it at its start, too
    Migrate,
    /// Make short videos to try the workflow with, and print what a run must find
    GenerateSamples(SamplesArgs),
}

fn main() -> ExitCode {
    // Whichever library asks first would choose otherwise.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::GenerateSamples(samples)) => samples.run(&cli.media.ffmpeg),
        Some(Command::Migrate) => migrate(&cli),
        Some(Command::Run) | None => work(&cli),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn migrate(cli: &Cli) -> anyhow::Result<ExitCode> {
    let media = cli.media.open()?;
    runtime()?.block_on(media.store.migrate())?;
    Ok(ExitCode::SUCCESS)
}

fn work(cli: &Cli) -> anyhow::Result<ExitCode> {
    let media = cli.media.open()?;
    media.tools.check()?;
    first_migration(&media.store)?;
    Ok(drover_media_worker::worker(&media).main_with(cli.config.as_deref()))
}

/// At the start, so that what is wrong with the database is seen there. One that is only away is no reason not to start: its
/// jobs fail with the cause and are tried again, and the first that reaches it migrates.
fn first_migration(store: &Store) -> anyhow::Result<()> {
    match runtime()?.block_on(store.migrate()) {
        Err(error) if error.is_transient() => {
            eprintln!("warning: {error}; jobs fail until it is back");
            Ok(())
        }
        migrated => Ok(migrated?),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
