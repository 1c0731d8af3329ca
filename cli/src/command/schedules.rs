//! `drover schedules`

use console::style;
use uuid::Uuid;

use super::{Context, again::again, submit};
use crate::{
    api::{ScheduleView, Schedules, Submitted},
    cli::{Page, ScheduleAction, Schedules as Args},
    failure::{Exit, Failure},
    render::{
        style::{self as styles, To},
        table::{Column, Table},
        time,
    },
};

pub(super) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    match args.action {
        None => list(ctx, &args.page).await,
        Some(ScheduleAction::Show(named)) => show(ctx, &named.name).await,
        Some(ScheduleAction::Enable(named)) => switch(ctx, &named.name, "enable").await,
        Some(ScheduleAction::Disable(named)) => switch(ctx, &named.name, "disable").await,
        Some(ScheduleAction::Run { named, wait }) => run_now(ctx, &named.name, wait).await,
    }
}

async fn list(ctx: &Context, page: &Page) -> Result<Exit, Failure> {
    let mut query = vec![("limit", page.limit.to_string())];
    query.extend(page.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
    let answer = ctx.client.get::<Schedules>("/schedules", &query).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::cut("NAME"),
        Column::cut("CRON"),
        Column::cut("ZONE"),
        Column::whole("NEXT"),
        Column::whole("LATEST"),
        Column::cut("LATEST RUN"),
    ];
    let mut table = Table::new(columns);
    for schedule in &answer.body.schedules {
        let latest = schedule.last_outcome.clone().unwrap_or_default();
        let ran = schedule.last_job.map(|job| styles::job(job.status, To::Stdout)).unwrap_or_default();
        let (name, cron, zone) = (schedule.name.clone(), schedule.cron.clone(), schedule.time_zone.clone());
        table.row([name, cron, zone, next(schedule), latest, ran]);
    }
    let exit = table.print(&ctx.output, "no workflow has a schedule; it gets one by `schedule:` in its definition")?;
    if let Some(cursor) = &answer.body.next_cursor {
        ctx.output.note(format_args!("there are more: add --cursor {cursor}"));
    }
    Ok(exit)
}

fn next(schedule: &ScheduleView) -> String {
    match schedule.next_at {
        Some(at) => time::moment(at),
        None => "off".into(),
    }
}

async fn show(ctx: &Context, name: &str) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<ScheduleView>(&format!("/schedules/{name}"), &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    let schedule = answer.body;
    let line = |words: &str, text: String| ctx.output.line(format_args!("{words:<11} {text}"));
    ctx.output.line(format_args!("{}: {}", style(&schedule.name).bold(), schedule.title))?;
    line("cron", format!("{}  ({}, {})", schedule.cron, schedule.description, schedule.time_zone))?;
    let on = if schedule.enabled { "on" } else { "off" };
    let switched = schedule.switched_at.map(|at| format!(", switched {}", time::ago(at))).unwrap_or_default();
    line("state", format!("{on}{switched}"))?;
    line("overlap", schedule.overlap)?;
    line("catch up", schedule.catch_up)?;
    line("input", schedule.input.to_string())?;
    if schedule.queued > 0 {
        line("queued", format!("{} times wait for a run of before", schedule.queued))?;
    }
    if let (Some(at), Some(outcome)) = (schedule.last_at, schedule.last_outcome) {
        let reason = schedule.last_reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        line("latest", format!("{} {outcome}{reason}", time::moment(at)))?;
    }
    if let Some(job) = schedule.last_job {
        line("latest run", format!("{} {}", job.id, styles::job(job.status, To::Stdout)))?;
    }
    for (index, at) in schedule.next.iter().enumerate() {
        let words = if index == 0 { if schedule.enabled { "next" } else { "would be" } } else { "" };
        line(words, at.format("%a %Y-%m-%d %H:%M:%S %:z").to_string())?;
    }
    Ok(Exit::Done)
}

async fn switch(ctx: &Context, name: &str, action: &str) -> Result<Exit, Failure> {
    let answer = ctx.client.post::<ScheduleView>(&format!("/schedules/{name}/{action}"), &[]).await?;
    if ctx.output.json {
        ctx.output.json(&answer.raw)?;
        return Ok(Exit::Done);
    }
    match answer.body.next_at {
        Some(at) => ctx.output.line(format_args!("{name} is on; next {}", time::moment(at)))?,
        None => ctx.output.line(format_args!("{name} is off"))?,
    }
    Ok(Exit::Done)
}

async fn run_now(ctx: &Context, name: &str, wait: bool) -> Result<Exit, Failure> {
    let (path, key) = (format!("/schedules/{name}/run"), format!("drover-cli/{}", Uuid::now_v7()));
    // Its key makes the repeats harmless.
    let answer = again(ctx, || ctx.client.post_once::<Submitted>(&path, &key)).await?;
    submit::tell(ctx, &answer, wait).await
}
