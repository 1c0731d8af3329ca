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
mod token;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Builder;

use crate::{cli::Cli, client::Client, command::Context, failure::Failure, output::Output};

fn main() -> ExitCode {
    // An error here means that a provider stands already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let output = Output::new(cli.json, cli.no_color);
    match start(cli, &output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

/// The command makes no sense, or asks for help. Programs that asked for JSON get the reason as such.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed terminal is nobody's concern.
    let _ = error.print();
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let detail = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let _ = Output::new(true, true).json(&serde_json::json!({ "error": { "kind": "usage", "detail": detail } }));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// A command that asks a server needs one thread; one that is the server needs all.
fn start(cli: Cli, output: &Output) -> Result<failure::Exit, Failure> {
    let mut runtime =
        if cli.command.is_a_server() { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(format!("the system gives no threads: {error}")))?;
    // A system of our own asks nobody who they are.
    let token = if cli.command.is_a_server() { None } else { token::choose(cli.token, cli.token_file.as_deref())? };
    let client = Client::new(&cli.url, token.as_ref())?;
    runtime.block_on(command::run(cli.command, &Context { client, output: output.clone() }))
}
