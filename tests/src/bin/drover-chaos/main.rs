//! `drover-chaos`: a fleet of real processes under faults, and an account of what its handlers really did that is compared
//! with what the system says.
//!
//! ```text
//! schedule, shapes   what befalls the fleet, and what is submitted: drawn from the seed
//! fleet, servers     the processes with their proxies, and the servers
//! strike, users      do it, and keep a record
//! watch, bars        look at every bar all the time
//! evidence, judge    at the end: the rows, the history and the ledger, tree by tree
//! verdict            what they say together, pure
//! story, report      what is told of it
//! ```
//!
//! `docs/chaos.md` says how to read it.

mod api;
mod arguments;
mod bars;
mod evidence;
mod fleet;
mod judge;
mod report;
mod run;
mod schedule;
mod servers;
mod settings;
mod shapes;
mod story;
mod strike;
mod users;
mod verdict;
mod watch;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use arguments::Arguments;

/// Something is wrong with the system.
const WRONG: u8 = 1;
/// The run could not be done.
const BROKEN: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = match run::run(&arguments).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            return ExitCode::from(BROKEN);
        }
    };
    let text = if arguments.json { format!("{:#}\n", report.json()) } else { report.table() };
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        return ExitCode::from(BROKEN);
    }
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}
