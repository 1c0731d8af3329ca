//! The schedules: when each comes next, and what came of it.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use drover_engine::definition::Schedule;
use maud::{Markup, html};
use serde_json::json;

use super::{
    Failure,
    form::{Form, away},
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{Shared, audited::Told, cursor, path::Name, query::Parameters, schedules::After},
    store::{LastTime, ScheduleStanding},
};

/// Most schedules of a page.
const LIMIT: i64 = 100;

/// `GET /schedules`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    let known = parameters.only(&["cursor", "note"])?;
    let after = known.cursor::<After>()?;
    let from = after.as_ref().map_or("", |after| after.0.as_str());
    let found = shared.app.store.view_schedules(&shared.app.context, from, None, LIMIT + 1).await?;
    let (schedules, next) = cursor::page(found.into_iter().map(|it| (After(it.name.clone()), it)).collect(), LIMIT);
    let rows: Vec<Markup> = schedules.iter().filter_map(row).collect();
    let heads = ["Workflow", "When", "Next", "Latest time", "Latest run", "State", "-Actions"];
    let next = next.map(|cursor| format!("/schedules?cursor={cursor}"));
    let body = html! {
        h1 { "Schedules" }
        @if rows.is_empty() { (nothing()) } @else { (parts::table("Schedules", &heads, &rows)) }
        (parts::pager(after.map(|_| "/schedules"), next.as_deref(), ("First page", "More")))
    };
    Ok(Page::new("Schedules", Tab::Schedules, body).noting(&parameters).live(5))
}

fn nothing() -> Markup {
    let example = "schedule:\n  cron: \"0 3 * * *\"          # every day at 03:00\n  time_zone: Europe/Berlin";
    parts::empty(
        "No workflow has a schedule",
        &html! {
            p { "Add this to a definition and register it with " code { "drover apply FILE" } ":" }
            pre tabindex="0" { code { (example) } }
        },
    )
}

fn row(standing: &ScheduleStanding) -> Option<Markup> {
    let schedule = standing.definition.schedule.as_ref()?;
    let name = &standing.name;
    Some(html! {
        tr data-key=(name) {
            td.name { a href={ "/definitions/" (name) } { (standing.definition.title) } br; code { (name) } }
            td { (schedule.words()) br; code { (schedule.cron) } " " span.muted { (schedule.time_zone.name()) } }
            td.number { (next(standing, schedule)) }
            td { (latest(standing.last.as_ref(), schedule)) }
            td { @match standing.last_job {
                Some((id, status)) => { (parts::badge(status, false)) " " a href={ "/jobs/" (id) } aria-label={ "The latest run of " (name) } { "…" (super::model::short(id)) } },
                None => "–",
            } br; a href={ "/jobs?label=schedule:" (name) } aria-label={ "All runs of the schedule " (name) } { "all runs" } }
            td { (state(standing)) }
            td { div.actions { (actions(standing)) } }
        }
    })
}

fn next(standing: &ScheduleStanding, schedule: &Schedule) -> Markup {
    html! {
        @match standing.next_at {
            Some(at) => (moment(at, schedule)),
            None => "–",
        }
        @if standing.queued > 0 { br; span.muted { (standing.queued) " queued" } }
    }
}

/// A time by the clock of the schedule's zone, to the minute where it has no seconds.
pub(super) fn moment(at: DateTime<Utc>, schedule: &Schedule) -> Markup {
    let local = at.with_timezone(&schedule.time_zone);
    let shown = local.format(if at.timestamp() % 60 == 0 { "%a %d %b, %H:%M" } else { "%a %d %b, %H:%M:%S" });
    html! { time datetime=(at.to_rfc3339()) title=(local.to_rfc3339()) { (shown) } }
}

fn latest(last: Option<&LastTime>, schedule: &Schedule) -> Markup {
    let Some(last) = last else { return html! { "–" } };
    let (class, sign) = match last.outcome.as_str() {
        "fired" => ("completed", "✓"),
        "queued" => ("pending", "○"),
        "failed" => ("failed", "✗"),
        _ => ("with-errors", "!"),
    };
    html! {
        span.number { (moment(last.at, schedule)) } " "
        span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (last.outcome) }
        @if let Some(reason) = &last.reason { div.why { (reason) } }
    }
}

fn state(standing: &ScheduleStanding) -> Markup {
    html! {
        @if standing.is_on() { span class="badge completed" { span aria-hidden="true" { "✓" } " on" } }
        @else { span class="badge paused" { span aria-hidden="true" { "❚❚" } " off" } }
        @if let Some((_, at)) = standing.switched { br; span.muted { "switched " (span::ago(at)) } }
    }
}

fn actions(standing: &ScheduleStanding) -> Markup {
    let name = &standing.name;
    let button = |action: &str, label: &str| {
        html! {
            form method="post" action={ "/schedules/" (name) "/" (action) } { button aria-label={ (label) ": " (name) } { (label) } }
        }
    };
    html! {
        @if may(Action::RunSchedule) { (button("run", "Run now")) }
        @if standing.is_on() && may(Action::DisableSchedule) { (button("disable", "Turn off")) }
        @if !standing.is_on() && may(Action::EnableSchedule) { (button("enable", "Turn on")) }
    }
}

/// `POST /schedules/{name}/enable`
pub(super) async fn enable(State(shared): State<Shared>, Name(name): Name, form: Form) -> Result<Response, Failure> {
    shared.app.switch_schedule(&name, true).await?;
    Ok(form.back("/schedules", Note::TurnedOn))
}

/// `POST /schedules/{name}/disable`
pub(super) async fn disable(State(shared): State<Shared>, Name(name): Name, form: Form) -> Result<Response, Failure> {
    shared.app.switch_schedule(&name, false).await?;
    Ok(form.back("/schedules", Note::TurnedOff))
}

/// `POST /schedules/{name}/run`
pub(super) async fn run(State(shared): State<Shared>, Name(name): Name, _: Form) -> Result<Response, Failure> {
    let submitted = shared.app.run_schedule(&name, None).await?;
    let answer = away(&format!("/jobs/{}", submitted.id), Some(Note::Submitted)).into_response();
    Ok(Told::of(name).with(json!({ "job_id": submitted.id })).to(answer))
}
