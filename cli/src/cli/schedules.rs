//! The grammar of `drover schedules`.

use clap::{Args, Subcommand};

use super::Page;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Schedules {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show a schedule with its next times.
    #[command(after_help = "\
Example:
  drover schedules show nightly_import")]
    Show(Named),
    /// Turn a schedule on. What went by while it was off is not made up for.
    #[command(after_help = "\
Example:
  drover schedules enable nightly_import")]
    Enable(Named),
    /// Turn a schedule off, until it is turned on; runs that were made go on.
    #[command(after_help = "\
Example:
  drover schedules disable nightly_import

It stays off whatever later versions of the definition say.")]
    Disable(Named),
    /// Run a schedule now, with its input; prints the job's id.
    #[command(after_help = "\
Examples:
  drover schedules run nightly_import
  drover schedules run nightly_import --wait

Also one that is off, and whatever runs. Its times stay as they are.")]
    Run {
        #[command(flatten)]
        named: Named,
        /// Follow the job until it ends.
        #[arg(long)]
        wait: bool,
    },
}

/// The schedule that is meant.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The workflow that has the schedule.
    #[arg(value_name = "NAME", value_parser = name)]
    pub(crate) name: String,
}

/// A workflow's name, which goes into an address.
fn name(text: &str) -> Result<String, String> {
    match drover_protocol::JobType::new(text) {
        Ok(name) => Ok(name.into()),
        Err(error) => Err(format!("{error}; `drover schedules` lists them")),
    }
}
