//! `drover`: submit, watch and steer workflow jobs from a terminal or a script.

mod api;
mod arg;
mod cli;
mod client;
mod command;
mod dev;
mod failure;
mod follow;
mod output;
mod render;
mod sse;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Builder;

use crate::{cli::Cli, client::Client, command::Context, failure::Failure, output::Output};

fn main() -> ExitCode {
    // An error here means that a provider stands already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let output = Output::new(cli.json, cli.no_color);
    match start(cli, &output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

/// A command that asks a server needs one thread; one that is the server needs all.
fn start(cli: Cli, output: &Output) -> Result<failure::Exit, Failure> {
    let mut runtime =
        if cli.command.is_a_server() { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(format!("the system gives no threads: {error}")))?;
    let client = Client::new(&cli.url)?;
    runtime.block_on(command::run(cli.command, &Context { client, output: output.clone() }))
}
