//! `drover token` and `drover audit`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

use super::Page;
use crate::arg;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; prints its secret, which is not shown again.
    #[command(after_help = "\
Examples:
  drover token create ann --role operator
  drover token create ci --role submitter --expires 90d --requests-per-minute 600 > ci.token

A viewer reads; a submitter submits, too; an operator cancels, pauses, retries, deletes, redrives and
recovers, too; an admin may everything. The first token is made on the orchestrator's machine:
drover-orchestrator token create --name NAME --role admin")]
    Create {
        /// What it is called: letters, digits, dots, underscores, hyphens, @.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// What it may.
        #[arg(long, value_enum)]
        role: Role,
        /// When it ends: RFC 3339, a date, or a span from now as 12h, 30d [default: when it is revoked]
        #[arg(long, value_name = "TIME", value_parser = arg::moment_to_come)]
        expires: Option<DateTime<Utc>>,
        /// Most requests in a minute [default: as the orchestrator is configured]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
    },
    /// List the tokens, those that are worth something first.
    #[command(after_help = "\
Example:
  drover token list")]
    List,
    /// Make a token worthless, with the sessions of browsers that logged in with it.
    #[command(after_help = "\
Example:
  drover token revoke ci

Within 5 seconds no orchestrator takes it any more. Its name may be given again.")]
    Revoke {
        /// What it is called.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

/// What a token may. Each may do all that those before it may.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    Viewer,
    Submitter,
    Operator,
    Admin,
}

impl Role {
    /// Its name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Which lines of the audit.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only by the token of this name.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Only this: submit, cancel, create_token, …
    #[arg(long, value_name = "ACTION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) action: Option<String>,
    /// Only to this: a job's id, a name.
    #[arg(long, value_name = "TARGET", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) page: Page,
}
