//! What the commands about jobs take.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use serde_json::Value;

use super::{Filter, Job};
use crate::arg;

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// A workflow's name or a job type.
    #[arg(value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job_type: String,
    /// All parameters as one JSON object; `@FILE` reads a file, `-` standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub(crate) params: Option<String>,
    /// One parameter; wins over --params. Repeatable.
    #[arg(long, value_name = "KEY=VALUE", value_parser = arg::param)]
    pub(crate) param: Vec<(String, Value)>,
    /// Idempotency key: a second submission with the same key makes no second job.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) key: Option<String>,
    /// A label to find the job by. Repeatable.
    #[arg(long, value_name = "KEY=VALUE", value_parser = arg::pair)]
    pub(crate) label: Vec<(String, String)>,
    /// Not before this time: RFC 3339, a date, or a span as 15m, 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = arg::moment_to_come)]
    pub(crate) run_at: Option<DateTime<Utc>>,
    /// Follow the job until it ends.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Only jobs with this text in their parameters, labels, names or messages, whatever its case.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// Which part of a long list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most this many.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Go on where the list before ended; its last line names the cursor.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Go on with new lines until the job ends.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only lines at least this grave.
    #[arg(long, value_enum)]
    pub(crate) level: Option<Level>,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Where a retry begins.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum From {
    Failed,
    Start,
}
