//! The import worker's program: the worker, and what helps around it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use drover_import_worker::{
    cli::{GenerateArgs, SearchArgs},
    jobs::{CleanupTemp, IndexData, ProcessImport, ValidateImport},
    roots::Roots,
};
use drover_worker::Worker;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Work: take jobs from the broker until told to stop. The same as no command
    Run,
    /// Search what was imported. Exit codes: 0 found, 1 nothing found, 2 error
    Search(SearchArgs),
    /// Write a data set to try an import with, and print what an import of it must find
    Generate(GenerateArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Some(Command::Search(search)) => search.run(),
        Some(Command::Generate(generate)) => generate.run(),
        Some(Command::Run) | None => work(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn work() -> anyhow::Result<ExitCode> {
    let roots = Roots::from_env()?;
    Ok(Worker::builder("drover-import-worker")
        .version(env!("CARGO_PKG_VERSION"))
        .job(ValidateImport { roots: roots.clone() })
        .job(ProcessImport { roots: roots.clone() })
        .job(IndexData { roots: roots.clone() })
        .job(CleanupTemp { roots })
        .main())
}
