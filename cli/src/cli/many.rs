//! What is said of many at once.

use clap::Args;

/// Whether what is asked for many is meant.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Only count what matches.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; needed where nobody can be asked.
    #[arg(long, short, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}
