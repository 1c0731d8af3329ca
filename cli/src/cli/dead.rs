//! `drover dead`

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use super::{Consent, Page};

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List the messages that nobody could process, with the reasons.
    #[command(after_help = "\
Examples:
  drover dead list --limit 10
  drover dead list --queue drover.events --reason refused")]
    List {
        #[command(flatten)]
        letters: Letters,
        #[command(flatten)]
        page: Page,
    },
    /// Show one: where it came from, what is wrong with it, its properties and its body.
    #[command(after_help = "\
Examples:
  drover dead show 17
  drover dead show 17 --body > message.json")]
    Show {
        /// The letter's id, as `drover dead list` shows it.
        #[arg(value_name = "ID")]
        id: i64,
        /// Print the body alone, as it came.
        #[arg(long)]
        body: bool,
    },
    /// Send messages again to the queue they came from; the message of a job retries the job.
    #[command(after_help = "\
Examples:
  drover dead redrive 17 18
  drover dead redrive --queue drover.submit --dry-run
  drover dead redrive --all --yes

A message leaves the dead letters once the broker has confirmed it. A crash in between sends it twice,
which is harmless: events have fences, submissions have keys. One that fails again comes back, with
the count of its redrives. What a worker said of itself is not sent again: it is no longer so. The exit
code is 2 when one was refused.")]
    Redrive(Sweep),
    /// Delete messages for good.
    #[command(after_help = "\
Examples:
  drover dead discard 17 18
  drover dead discard --queue drover.heartbeats --yes")]
    Discard(Sweep),
}

/// Which of the letters.
#[derive(Debug, Args)]
pub(crate) struct Letters {
    /// Only those that came from this queue.
    #[arg(long, value_name = "QUEUE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) queue: Option<String>,
    /// Only those with this reason: refused, rejected, delivery_limit, …
    #[arg(long, value_name = "REASON", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
}

/// Letters by id, or all of a filter.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// The letters' ids.
    #[arg(value_name = "ID", conflicts_with_all = ["queue", "reason", "all", "dry_run", "yes"])]
    pub(crate) ids: Vec<i64>,
    #[command(flatten)]
    pub(crate) letters: Letters,
    /// Every dead letter.
    #[arg(long, conflicts_with_all = ["queue", "reason"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
