//! The command line's grammar and help texts.

mod accounts;
mod approve;
mod dead;
mod jobs;
mod many;
mod pause;
mod schedules;
mod system;

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::{
    Args, Parser, Subcommand,
    builder::{NonEmptyStringValueParser, StringValueParser, TypedValueParser as _},
};
use drover_protocol::JobId;
use secrecy::SecretString;

use crate::arg;

pub(crate) use self::{
    accounts::{Audit, Role, Token},
    approve::Approve,
    dead::{Dead, Letters, Sweep},
    jobs::{From, Level, List, Logs, Page, Submit},
    many::{Consent, Filter, Selection},
    pause::{Pause, Resume, What},
    schedules::{Action as ScheduleAction, Schedules},
    system::{Demo, Dev, Servers, Shown},
};

const EXIT_CODES: &str = "\
Exit codes:
  0    what was asked happened; the job that was waited for completed
  1    the job that was waited for failed or was cancelled; a replay differs
  2    the command or the request was wrong
  3    the job that was waited for completed with errors
  4    the server could not be reached or could not answer
  130  interrupted; the job goes on

Data goes to standard output, progress and errors to standard error. With --json standard output is
JSON alone: one value, or a line for each with `watch` and `logs --follow`.
An error is then {\"error\": …} too.";

/// Sets the options that every command has apart from its own.
const EVERYWHERE: &str = "Options of every command";

/// Submit, watch and steer workflow jobs.
#[derive(Debug, Parser)]
#[command(name = "drover", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Address of the orchestrator.
    #[arg(
        long,
        global = true,
        env = "DROVER_URL",
        default_value = "http://127.0.0.1:8420",
        value_name = "URL",
        help_heading = EVERYWHERE
    )]
    pub(crate) url: String,
    /// Token to show to the orchestrator; others see it in `ps`, so rather set DROVER_TOKEN, or name a file.
    #[arg(
        long,
        global = true,
        env = "DROVER_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        value_parser = StringValueParser::new().map(SecretString::from),
        help_heading = EVERYWHERE
    )]
    pub(crate) token: Option<SecretString>,
    /// File that holds the token, where none is given.
    #[arg(long, global = true, env = "DROVER_TOKEN_FILE", value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) token_file: Option<PathBuf>,
    /// Write JSON for programs to standard output, and nothing else.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Use no colours; so does the environment variable NO_COLOR.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) no_color: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit a job or a workflow; prints its id.
    #[command(after_help = "\
Examples:
  drover submit data_import --param import_path=/imports/2026-07 --wait
  drover submit data_import --params @params.json --key import-2026-07 --label team=sales
  ID=$(drover submit validate_import --param path=/imports)

A value of --param that is JSON is taken as such (7, true, [1,2]); any other is a text. A text that
looks like JSON is written with quotes: --param 'version=\"7\"'.")]
    Submit(Submit),
    /// Follow a job until it ends.
    #[command(after_help = "\
Example:
  drover watch 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001

On a terminal with live bars, elsewhere with a line for each change. Ctrl-C ends the watching, not
the job.")]
    Watch {
        #[command(flatten)]
        job: Job,
    },
    /// Show a job: its progress, steps, summary and error.
    #[command(after_help = "\
Examples:
  drover show 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover show --result 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001 | jq .summary")]
    Show {
        #[command(flatten)]
        job: Job,
        /// Print the result alone, as JSON.
        #[arg(long)]
        result: bool,
    },
    /// List jobs, newest first.
    #[command(after_help = "\
Examples:
  drover list --status running,cancelling
  drover list --type data_import --label team=sales --created-after 24h
  drover list --paused
  drover list --parent 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001 --status failed")]
    List(List),
    /// Print a job's log lines, with those of its sub-jobs.
    #[command(after_help = "\
Example:
  drover logs --follow --level warn 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001")]
    Logs(Logs),
    /// Cancel a job, or many, and everything that runs for it.
    #[command(after_help = "\
Examples:
  drover cancel --wait 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover cancel --type data_import --label team=sales --dry-run
  drover cancel --status pending --created-before 2h --yes

With --wait the exit code is 0 when the job ended cancelled, 3 when it had completed with errors
before, and 1 when it had ended otherwise. Of many, those that have not ended are meant; jobs that
are made meanwhile are not. The exit code is 2 when one was refused.")]
    Cancel {
        #[command(flatten)]
        jobs: Selection,
        /// Do not wait for what runs: report it as abandoned.
        #[arg(long)]
        now: bool,
        /// Wait until nothing of the job runs any more.
        #[arg(long, conflicts_with_all = many::OF_MANY)]
        wait: bool,
    },
    /// Begin nothing new of a job, of a job type or of all types; what runs goes on.
    #[command(after_help = "\
Examples:
  drover pause 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover pause --type validate_import --wait --reason 'the disk is being replaced'
  drover pause --all

Of a paused job no step, no sub-job and no retry begins, at any depth; it can be cancelled. Of a
paused type workers take no jobs: they wait in their queue, and workflows wait for them. Both last
until `drover resume`, also over restarts.
With --wait the exit code is 1 when somebody resumed it meanwhile, or when a worker of an older version goes
on taking jobs.")]
    Pause(Pause),
    /// Let what is paused go on.
    #[command(after_help = "\
Examples:
  drover resume 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover resume --type validate_import
  drover resume --all

What was paused by itself stays paused: a type after `resume --all`, a part of a resumed workflow.")]
    Resume(Resume),
    /// Approve or refuse what a workflow waits for.
    #[command(after_help = "\
Examples:
  drover approve 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover approve 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001 --step release --reason 'tested on staging'
  drover approve --refuse --reason 'not on a Friday' 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover approve --data '{\"ring\": 2}' 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001

The id is that of the workflow, or of the sub-job that waits. Who answered, when and why is kept, and
is the step's result. The first answer counts: a second one is refused, with what was answered. A
retry of the workflow waits anew.")]
    Approve(Approve),
    /// Run again what failed of a job, or of many.
    #[command(after_help = "\
Examples:
  drover retry --wait 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover retry --from start 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover retry --type data_import --created-after 2026-07-26

Of many, those are meant that failed or completed with errors; with --status cancelled those that were
cancelled. The exit code is 2 when one was refused.")]
    Retry {
        #[command(flatten)]
        jobs: Selection,
        /// Where to begin: `failed` keeps what is done, `start` runs everything again.
        #[arg(long, value_enum, default_value_t = From::Failed)]
        from: From,
        /// Follow the job until it ends.
        #[arg(long, conflicts_with_all = many::OF_MANY)]
        wait: bool,
    },
    /// Delete a finished job, or many, with sub-jobs, logs and results.
    #[command(after_help = "\
Examples:
  drover delete 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001
  drover delete --status completed --created-before 30d --yes

Of many, those that have ended are meant. The exit code is 2 when one was refused.")]
    Delete(Selection),
    /// Check and register workflow definitions.
    #[command(after_help = "\
Examples:
  drover apply workflows/*.yaml
  generate | drover apply -

All files are tried; the exit code is 2 when one of them was refused.")]
    Apply {
        /// Definitions in YAML or JSON; `-` for standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the registered workflow definitions, or show one or its versions.
    #[command(after_help = "\
Examples:
  drover definitions
  drover definitions data_import
  drover definitions data_import --versions
  drover definitions data_import --hash 0123456789ab")]
    Definitions {
        /// The definition to show.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: Option<String>,
        /// List its versions, the newest first.
        #[arg(long, requires = "name", conflicts_with = "hash")]
        versions: bool,
        /// Show the version whose hash begins like this, in the place of the current one.
        #[arg(long, requires = "name", value_name = "HASH", value_parser = NonEmptyStringValueParser::new())]
        hash: Option<String>,
    },
    /// List the schedules of workflows, with what came of them; show, enable, disable or run one.
    #[command(after_help = "\
Examples:
  drover schedules
  drover schedules show nightly_import
  drover schedules disable nightly_import
  drover schedules run nightly_import --wait

A workflow has a schedule by `schedule:` in its definition. Times in the list are by the clock of this
machine. The runs of one: drover list --label schedule=nightly_import")]
    Schedules(Schedules),
    /// List the job types that workers have announced.
    #[command(after_help = "\
Example:
  drover types")]
    Types,
    /// List the workers, with what they run.
    #[command(after_help = "\
Example:
  drover workers")]
    Workers,
    /// Tell a worker to take no new jobs, to finish what it runs and to end.
    #[command(after_help = "\
Examples:
  drover drain 3f6f3ad3a001
  drover drain --wait 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001

What it does not finish within its own drain time it gives back, and that begins elsewhere as the
same attempt. Whatever started the worker may start it again. With --wait the exit code is 1 when it
was lost instead.")]
    Drain {
        /// Its session as `drover workers` shows it, or the end of it.
        #[arg(value_name = "WORKER", value_parser = NonEmptyStringValueParser::new())]
        worker: String,
        /// Wait until it has ended.
        #[arg(long)]
        wait: bool,
    },
    /// Ask whether the orchestrator can take and dispatch jobs now.
    #[command(after_help = "\
Example:
  drover health

Exit code 0: ready; 4: not now, or not reached. Fit for health checks of containers.")]
    Health,
    /// Print what happened to a job, event by event.
    #[command(after_help = "\
Example:
  drover history 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001")]
    History {
        #[command(flatten)]
        job: Job,
        /// At most this many events.
        #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Rebuild a job from its history and compare it with what is stored.
    #[command(after_help = "\
Example:
  drover replay 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001

Every kept input goes once more through the code that took it the first time; what comes out must
equal the rows of the job and of all below it, field by field. Nothing is changed. Exit code 0: it
does; 1: it does not, and each difference is listed: what is stored, and what the history leads to.
history.N is line N of the history: the rebuilt job does something else there.")]
    Replay {
        #[command(flatten)]
        job: Job,
    },
    /// Run the whole system in this process, with nothing to set up.
    #[command(after_help = "\
Examples:
  drover dev
  drover dev --port 0 --data-dir /tmp/drover --workflows ./workflows

Orchestrator, import worker and, where ffmpeg is, media worker, a private Postgres server from the
binaries of this machine, and a broker of its own. The data stay: the next start goes on where the
last one ended, killed or not.
Settings come from DROVER_CONFIG and DROVER__SECTION__KEY, as for drover-orchestrator.")]
    Dev(Dev),
    /// See it work: import generated files, from nothing to a search hit; or take short videos into a library.
    #[command(after_help = "\
Examples:
  drover demo
  drover demo --json | jq .summary
  drover demo --keep --amqp-url amqp://guest:guest@127.0.0.1:5672/%2f
  drover demo --workflow process_new_scenes --json | jq '.runs[].summary'

Everything is in a temporary folder that goes with the demo. The exit code is 0 when the workflow found
what is in the files, and 1 when not. On a real broker the demo uses the prefix drover-demo; its
queues stay there.")]
    Demo(Demo),
    /// Dispatch again what the broker or workers have lost, now.
    #[command(after_help = "\
Examples:
  drover recover
  drover recover --older-than 1m --json

For when a queue was purged or deleted, or it is not clear what RabbitMQ still has. What was published
and not started gets a new message, and what no worker holds any more is retried. Harmless where
nothing was lost: old messages are withdrawn. The running system does the same by itself: what a
broker lost with all its data as soon as it is back, a lost queue within three leases.")]
    Recover {
        /// Leave alone what was published within this time: 5s, 1m, 2h.
        #[arg(long, default_value = "5s", value_name = "SPAN", value_parser = arg::span)]
        older_than: TimeDelta,
    },
    /// Delete finished work that is kept no longer, now.
    #[command(after_help = "\
Examples:
  drover prune --dry-run
  drover prune --json

What that is says the orchestrator's configuration, [retention]: by age, by number, for each type.
Whole trees go, with their history, logs and idempotency keys, and old dead letters. The running
system does the same by itself, once a minute.")]
    Prune {
        /// Only say how many would go.
        #[arg(long)]
        dry_run: bool,
    },
    /// Messages that nobody could process: list, show, send again, discard.
    #[command(
        subcommand,
        after_help = "\
Examples:
  drover dead list
  drover dead redrive --queue drover.events"
    )]
    Dead(Dead),
    /// Tokens, which let people and programs in: make, list, revoke.
    #[command(
        subcommand,
        after_help = "\
Examples:
  drover token create ci --role submitter --expires 90d
  drover token list"
    )]
    Token(Token),
    /// Print what was done by whom, newest first.
    #[command(after_help = "\
Examples:
  drover audit --limit 10
  drover audit --name ci --action cancel
  drover audit --target 01980c5e-7a00-7d10-8b6e-3f6f3ad3a001 --json

Where the orchestrator asks for tokens, every action leaves a line, whatever came of it.")]
    Audit(Audit),
}

impl Command {
    /// Whether it runs a system itself, rather than asking one.
    pub(crate) const fn is_a_server(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Demo(_))
    }
}

/// The job that is meant.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Job {
    /// The job's whole id.
    #[arg(value_parser = arg::job_id, value_name = "ID")]
    pub(crate) id: JobId,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_token_is_in_no_help_and_in_no_debug_output() {
        let cli = Cli::try_parse_from(["drover", "--token", "drover_secret", "list"]).unwrap();
        assert!(!format!("{cli:?}").contains("drover_secret"));
        let help = Cli::command().mut_arg("token", |arg| arg.env("PATH")).render_long_help().to_string();
        assert!(help.contains("[env: PATH]"), "the name of the variable alone: {help}");
    }

    #[test]
    fn every_command_has_a_line_about_it_and_an_example() {
        fn check(command: &clap::Command) {
            let about =
                command.get_about().unwrap_or_else(|| panic!("{} has no about", command.get_name())).to_string();
            assert!(!about.contains('\n'), "{about}");
            if command.get_name() != "drover" {
                let help = command.get_after_help().unwrap_or_else(|| panic!("{} has no example", command.get_name()));
                assert!(help.to_string().contains("  drover "), "{}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
