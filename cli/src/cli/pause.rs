//! The grammar of `drover pause` and `drover resume`.

use clap::{Args, builder::NonEmptyStringValueParser};
use drover_protocol::JobId;

use crate::arg;

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) what: What,
    /// Why, for those who wonder; with --type and --all.
    #[arg(long, value_name = "TEXT", conflicts_with = "id", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
    /// Wait until nothing of the job runs any more; with --type and --all, until every live worker has acknowledged.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) what: What,
}

/// What is paused or resumed: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct What {
    /// A job's whole id.
    #[arg(value_parser = arg::job_id, value_name = "ID")]
    pub(crate) id: Option<JobId>,
    /// Every job of this type, whatever it belongs to: workers take none of them.
    #[arg(long = "type", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job_type: Option<String>,
    /// Every job type: workers take nothing.
    #[arg(long)]
    pub(crate) all: bool,
}
