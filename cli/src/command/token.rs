//! `drover token`

use serde_json::json;

use super::Context;
use crate::{
    api::{CreatedToken, Tokens},
    cli::{Role, Token},
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

pub(super) async fn run(ctx: &Context, args: Token) -> Result<Exit, Failure> {
    match args {
        Token::Create { name, role, expires, requests_per_minute } => {
            let body = json!({
                "name": name, "role": Role::as_str(role), "expires_at": expires,
                "requests_per_minute": requests_per_minute,
            });
            let made = ctx.client.post_json::<CreatedToken>("/tokens", &body).await?;
            if ctx.output.json {
                ctx.output.json(&made.raw)?;
            } else {
                ctx.output.line(&made.body.token)?;
                ctx.output.note("keep it: it is not shown again");
            }
            Ok(Exit::Done)
        }
        Token::List => list(ctx).await,
        Token::Revoke { name } => revoke(ctx, &name).await,
    }
}

async fn list(ctx: &Context) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<Tokens>("/tokens", &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::whole("NAME"),
        Column::whole("ROLE"),
        Column::whole("STATUS"),
        Column::whole("LAST USED"),
        Column::whole("EXPIRES"),
        Column::cut("MADE BY"),
    ];
    let mut table = Table::new(columns);
    for token in answer.body.tokens {
        let last_used = token.last_used_at.map_or_else(|| "never".into(), time::ago);
        let expires = token.expires_at.map_or_else(String::new, time::moment);
        table.row([token.name, token.role, token.status, last_used, expires, token.created_by]);
    }
    table.print(&ctx.output, "no tokens")
}

async fn revoke(ctx: &Context, name: &str) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<Tokens>("/tokens", &[]).await?;
    let found = answer.body.tokens.into_iter().find(|token| token.name == name && token.status != "revoked");
    let Some(token) = found else {
        let words = format!("there is no token {name:?} that could be revoked; `drover token list` has all of them");
        return Err(Failure::Usage(words));
    };
    ctx.client.delete(&format!("/tokens/{}", token.id)).await?;
    if ctx.output.json {
        ctx.output.json(&json!({ "id": token.id, "name": token.name, "status": "revoked" }))?;
    } else {
        ctx.output.line(format_args!("revoked {name}"))?;
    }
    Ok(Exit::Done)
}
