//! `drover`: submit, watch and steer workflow jobs from a terminal or a script.

mod api;
mod arg;
mod cli;
mod client;
mod command;
mod failure;
mod follow;
mod output;
mod render;
mod sse;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, client::Client, command::Context, failure::Failure, output::Output};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // An error here means that a provider stands already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let output = Output::new(cli.json, cli.no_color);
    match run(cli, output.clone()).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

async fn run(cli: Cli, output: Output) -> Result<failure::Exit, Failure> {
    let client = Client::new(&cli.url)?;
    command::run(cli.command, &Context { client, output }).await
}
