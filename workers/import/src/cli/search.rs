//! `search`: looks words up in what was imported.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};

use crate::{
    index::{SearchResult, search},
    text::count,
};

/// What to look for, and where.
#[derive(Debug, clap::Args)]
pub struct SearchArgs {
    /// The index_path of imports (its current index is searched), or the folder of one run's index in it
    #[arg(long, value_name = "FOLDER")]
    pub index_path: PathBuf,
    /// Most rows that are shown
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Words that must all be in a row; "phrases", OR, NOT, file:PATH and line:N work, too
    pub query: String,
}

impl SearchArgs {
    /// Searches and prints. Exits with 0 if something was found, with 1 if not.
    ///
    /// # Errors
    /// What kept it from searching.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let found = search(&self.index_path, &self.query, usize::from(self.limit))?;
        let text = if self.json {
            serde_json::to_string_pretty(&found).context("the result is no JSON")? + "\n"
        } else {
            table(&found)
        };
        super::print(&text).context("cannot print the result")?;
        Ok(if found.total > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn table(found: &SearchResult) -> String {
    if found.hits.is_empty() {
        return "nothing found\n".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["file", "line", "row"]);
    for hit in &found.hits {
        table.add_row([hit.file.clone(), hit.line.to_string(), hit.snippet.clone()]);
    }
    let shown = found.hits.len() as u64;
    let more = if shown < found.total { format!(", {shown} shown; raise --limit for more") } else { String::new() };
    format!("{table}\n{} found{more}\n", count(found.total, "row"))
}
