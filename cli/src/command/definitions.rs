//! `drover definitions`

use super::Context;
use crate::{
    api::{Definition, Definitions, Versions},
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

pub(crate) async fn list(ctx: &Context) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<Definitions>("/definitions", &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([
        Column::whole("NAME"),
        Column::cut("TITLE"),
        Column::right("STEPS"),
        Column::whole("HASH"),
        Column::whole("REGISTERED"),
    ]);
    for definition in &answer.body.definitions {
        table.row([
            definition.name.clone(),
            definition.title.clone().unwrap_or_default(),
            definition.steps.map(|steps| steps.to_string()).unwrap_or_default(),
            short(&definition.hash),
            definition.created_at.map(time::ago).unwrap_or_default(),
        ]);
    }
    table.print(&ctx.output, "no definitions are registered; `drover apply FILE` registers one")
}

pub(crate) async fn show(ctx: &Context, name: &str, hash: Option<&str>) -> Result<Exit, Failure> {
    check(name)?;
    let query: Vec<_> = hash.map(|hash| ("version", hash.to_owned())).into_iter().collect();
    let answer = ctx.client.get::<Definition>(&format!("/definitions/{name}"), &query).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let definition = answer.body;
    let title = definition.title.map(|title| format!(": {title}")).unwrap_or_default();
    ctx.output.line(format_args!("{}{title}", console::style(&definition.name).bold()))?;
    ctx.output.line(format_args!("hash        {}", definition.hash))?;
    if let Some(at) = definition.created_at {
        ctx.output.line(format_args!("registered  {}", time::moment(at)))?;
    }
    ctx.output.line(format_args!("\n{:#}", definition.definition))?;
    Ok(Exit::Done)
}

pub(crate) async fn versions(ctx: &Context, name: &str) -> Result<Exit, Failure> {
    check(name)?;
    let answer = ctx.client.get::<Versions>(&format!("/definitions/{name}/versions"), &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([
        Column::whole("HASH"),
        Column::cut("TITLE"),
        Column::whole("REGISTERED"),
        Column::cut("FROM"),
        Column::right("RUNS"),
        Column::whole(""),
    ]);
    for version in &answer.body.versions {
        table.row([
            short(&version.hash),
            version.title.clone(),
            version.created_at.map(time::ago).unwrap_or_default(),
            version.source.clone(),
            version.runs.to_string(),
            if version.is_current { "current".to_owned() } else { String::new() },
        ]);
    }
    table.print(&ctx.output, "it has no versions")
}

fn check(name: &str) -> Result<(), Failure> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Ok(());
    }
    Err(Failure::Usage(format!("{name:?} names no definition; `drover definitions` lists them")))
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
