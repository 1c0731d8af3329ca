//! One file per command.

mod again;
mod apply;
mod approve;
mod audit;
mod cancel;
mod dead;
mod definitions;
mod delete;
pub(crate) mod demo;
pub(crate) mod dev;
mod drain;
mod health;
mod history;
mod list;
mod logs;
mod many;
mod pause;
mod pause_types;
mod prune;
mod recover;
mod replay;
mod retry;
mod schedules;
mod show;
mod submit;
mod token;
mod types;
mod watch;
mod workers;

use crate::{
    cli::Command,
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

/// Runs a command.
pub(crate) async fn run(command: Command, ctx: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Submit(args) => submit::run(ctx, args).await,
        Command::Watch { job } => watch::run(ctx, job.id).await,
        Command::Show { job, result } => show::run(ctx, job.id, result).await,
        Command::List(args) => list::run(ctx, &args).await,
        Command::Logs(args) => logs::run(ctx, &args).await,
        Command::Cancel { jobs, now, wait } => cancel::run(ctx, &jobs, now, wait).await,
        Command::Pause(args) => pause::pause(ctx, args).await,
        Command::Resume(args) => pause::resume(ctx, args).await,
        Command::Approve(args) => approve::run(ctx, args).await,
        Command::Retry { jobs, from, wait } => retry::run(ctx, &jobs, from, wait).await,
        Command::Delete(jobs) => delete::run(ctx, &jobs).await,
        Command::Apply { files } => apply::run(ctx, &files).await,
        Command::Definitions { name: None, .. } => definitions::list(ctx).await,
        Command::Definitions { name: Some(name), versions: true, .. } => definitions::versions(ctx, &name).await,
        Command::Definitions { name: Some(name), hash, .. } => definitions::show(ctx, &name, hash.as_deref()).await,
        Command::Schedules(args) => schedules::run(ctx, args).await,
        Command::Types => types::run(ctx).await,
        Command::Workers => workers::run(ctx).await,
        Command::Drain { worker, wait } => drain::run(ctx, &worker, wait).await,
        Command::Health => health::run(ctx).await,
        Command::History { job, limit } => history::run(ctx, job.id, limit).await,
        Command::Replay { job } => replay::run(ctx, job.id).await,
        Command::Recover { older_than } => recover::run(ctx, older_than).await,
        Command::Prune { dry_run } => prune::run(ctx, dry_run).await,
        Command::Dead(args) => dead::run(ctx, args).await,
        Command::Token(args) => token::run(ctx, args).await,
        Command::Audit(args) => audit::run(ctx, &args).await,
        Command::Dev(args) => dev::run(&ctx.output, args).await,
        Command::Demo(args) => demo::run(&ctx.output, args).await,
    }
}
