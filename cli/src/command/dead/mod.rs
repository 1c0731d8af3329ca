//! `drover dead`

mod body;
mod list;
mod show;
mod sweep;

use super::Context;
use crate::{
    api::DeadLetter,
    cli::Dead,
    failure::{Exit, Failure},
};

pub(super) async fn run(ctx: &Context, args: Dead) -> Result<Exit, Failure> {
    match args {
        Dead::List { letters, page } => list::run(ctx, &letters, &page).await,
        Dead::Show { id, body } => show::run(ctx, id, body).await,
        Dead::Redrive(args) => sweep::redrive(ctx, args).await,
        Dead::Discard(args) => sweep::discard(ctx, args).await,
    }
}

/// Why it is here, in one line.
fn reason(message: &DeadLetter) -> String {
    let parts: Vec<&str> = [&message.reason, &message.detail].into_iter().flatten().map(String::as_str).collect();
    parts.join(": ")
}
