//! `generate`: writes a data set to try an import with.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;

use crate::generate::{Request, generate};

/// What is to be generated.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// A new or empty folder
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Files in all
    #[arg(long, default_value_t = 40)]
    pub files: u64,
    /// Rows in all good files together
    #[arg(long, default_value_t = 10_000)]
    pub rows: u64,
    /// How many of the files are broken on purpose, each kind of fault in turn
    #[arg(long, default_value_t = 0)]
    pub broken: u64,
    /// Another seed gives other data; the same one gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl GenerateArgs {
    /// Writes the files and prints the manifest: what an import of them must find.
    ///
    /// # Errors
    /// What kept it from writing.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Self { out, files, rows, broken, seed } = self;
        let manifest = generate(&Request { out, files, rows, broken, seed })?;
        let json = serde_json::to_string_pretty(&manifest).context("the manifest is no JSON")?;
        super::print(&(json + "\n")).context("cannot print the manifest")?;
        Ok(ExitCode::SUCCESS)
    }
}
