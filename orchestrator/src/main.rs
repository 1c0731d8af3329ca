//! The orchestrator's process.

mod stack;

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use drover_broker::amqp::{AmqpBroker, AmqpConfig};
use drover_orchestrator::{
    access::{NewToken, Role, TokenName},
    config::{self, Config},
    duty::Pace,
    run,
};
use drover_service::{config::Loader, shutdown, telemetry};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

/// A moment in which much is behind takes memory for some large folds. glibc keeps it scattered over its heaps, so that an
/// orchestrator grew with the largest moment that it ever had: from 59 MiB to 86 within 24 minutes at half of the top rate. This one
/// gives back most of what a moment took within half a minute, and was as fast in turns with it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Accepts jobs, dispatches them to workers, folds what they report.
///
/// Configured by a TOML file and by the environment (DROVER__SECTION__KEY); config/default.toml lists every knob of it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration file; DROVER_CONFIG names one, too.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Work until told to stop; the same as no command.
    Run,
    /// Bring the database's schema up to date, and end. Every orchestrator does this at its start if its role may: this is
    /// for installations where only another role may, which owns the schema.
    Migrate,
    /// Make a token, and print its secret. Needs the database alone: it is the way in where there is no token yet.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token, and print its secret, which nobody is told again.
    Create {
        /// What it is called.
        #[arg(long)]
        name: TokenName,
        /// What it may: viewer, submitter, operator or admin.
        #[arg(long)]
        role: Role,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match stack::ensure_depth().and_then(|()| start(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may be what failed.
            #[expect(clippy::print_stderr, reason = "the last word of the process")]
            {
                eprintln!("drover-orchestrator: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config: Config = Loader::new(config::DEFAULTS)
        .file(arguments.config.as_deref())
        .secrets(config::SECRETS)
        .only(config::SECTIONS)
        .load()?;
    telemetry::init(&config.log, Vec::new())?;
    // One provider for lapin and tokio-postgres; a second install fails and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &arguments.command {
        Some(Command::Migrate) => return run::migrate(&config).await,
        Some(Command::Token { command: TokenCommand::Create { name, role } }) => {
            return create_token(&config, name, *role).await;
        }
        Some(Command::Run) | None => {}
    }
    let shutdown = shutdown::on_signal()?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("http.listen: {} cannot be used", config.http.listen))?;
    let mut amqp = AmqpConfig::new(config.amqp.url.expose_secret(), &config.amqp.prefix);
    amqp.heartbeat = Pace::of(&config).amqp_heartbeat();
    if let Some(path) = &config.amqp.ca_file {
        let pem = std::fs::read_to_string(path);
        amqp.ca_pem = Some(pem.with_context(|| format!("amqp.ca_file: {} cannot be read", path.display()))?);
    }
    let broker = AmqpBroker::connect(amqp).await.context("amqp.url")?;
    run::run(&config, Arc::clone(&broker) as _, listener, shutdown).await
}

async fn create_token(config: &Config, name: &TokenName, role: Role) -> anyhow::Result<()> {
    let new = NewToken { name: name.clone(), role, requests_per_minute: None, expires_at: None };
    let secret = run::create_token(config, &new).await?;
    // Log lines go to standard error: what is printed can be taken by a script.
    writeln!(std::io::stdout(), "{}", secret.expose_secret())
        .context("the token was made and cannot be printed: revoke it")
}
