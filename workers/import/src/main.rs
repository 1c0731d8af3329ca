//! The import worker's program: the worker, and what helps around it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use drover_import_worker::{
    cli::{GenerateArgs, SearchArgs},
    roots::Roots,
};

#[derive(Parser)]
#[command(version, about, after_help = ROOTS)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The worker's configuration; without it, the file that DROVER_CONFIG names
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

const ROOTS: &str = "\
DROVER_IMPORT_ROOTS, folders joined by `:`, limits every path of a job to them. Unset, a job may read and
write wherever the worker's user may.";

#[derive(Subcommand)]
enum Command {
    /// Take jobs from the broker until told to stop; the same as no command
    Run,
    /// Search what was imported. Exit codes: 0 found, 1 nothing found, 2 error
    Search(SearchArgs),
    /// Write a data set to try an import with, and print what an import of it must find
    Generate(GenerateArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Search(search)) => search.run(),
        Some(Command::Generate(generate)) => generate.run(),
        Some(Command::Run) | None => work(cli.config.as_deref()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn work(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    Ok(drover_import_worker::worker(&Roots::from_env()?).main_with(config))
}
