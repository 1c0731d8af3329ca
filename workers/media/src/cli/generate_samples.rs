//! `generate-samples`: makes short videos to try the workflow with.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use crate::samples::generate;

/// Where the videos go.
#[derive(Debug, clap::Args)]
pub struct SamplesArgs {
    /// A new or empty folder, such as the one of the downloads
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

impl SamplesArgs {
    /// Makes the videos and prints, as JSON, what a run must find.
    ///
    /// # Errors
    /// What kept it from making them.
    pub fn run(&self, ffmpeg: &Path) -> anyhow::Result<ExitCode> {
        let manifest = generate(&self.folder, ffmpeg)?;
        let json = serde_json::to_string_pretty(&manifest).context("the manifest is no JSON")?;
        super::print(&(json + "\n")).context("cannot print the manifest")?;
        Ok(ExitCode::SUCCESS)
    }
}
