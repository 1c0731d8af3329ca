//! The grammar of `drover approve`.

use clap::{Args, builder::NonEmptyStringValueParser};

use super::Job;

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) job: Job,
    /// The key of the step that is answered, where several wait.
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) step: Option<String>,
    /// Refuse instead: the step fails, and the workflow does what its `on_failure` says.
    #[arg(long)]
    pub(crate) refuse: bool,
    /// Why, for people.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
    /// What the next steps may read, as JSON; `@FILE` reads a file, `-` standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub(crate) data: Option<String>,
}
