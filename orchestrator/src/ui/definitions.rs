//! The workflows that are registered.

use axum::extract::State;
use chrono::{DateTime, Utc};
use drover_engine::definition::{Definition, Step, Work};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    Failure,
    page::{Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{Shared, definitions, path::Name, query::Parameters},
    store::Version,
};

/// `GET /definitions`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let definitions = shared.app.store.view_definitions().await?;
    let rows: Vec<Markup> = definitions.iter().map(row).collect();
    let body = html! {
        h1 { "Definitions" }
        @if rows.is_empty() {
            (parts::empty("No workflow is registered", &html! {
                p { "Write one as YAML and register it: " code { "drover apply FILE" } ". It names file, line and key of every mistake." }
            }))
        } @else { (parts::table("Definitions", &["Workflow", "Steps", "Version", "Registered", "-Actions"], &rows)) }
    };
    Ok(Page::new("Definitions", Tab::Definitions, body))
}

fn row(definition: &Value) -> Markup {
    let name = definition["name"].as_str().unwrap_or_default();
    html! {
        tr {
            td.name { a href={ "/definitions/" (name) } { (definition["title"].as_str().unwrap_or(name)) } br; code { (name) } }
            td.number { (definition["steps"].as_u64().unwrap_or(0)) }
            td { code { (version(definition)) } }
            td.number { @if let Some(at) = at(definition) { (span::ago(at)) } }
            td { @if may(Action::Submit) { a.button href={ "/run/" (name) } aria-label={ "Run " (name) } { "Run" } } }
        }
    }
}

/// The beginning of its hash.
fn version(definition: &Value) -> &str {
    definition["hash"].as_str().and_then(|hash| hash.get(..12)).unwrap_or_default()
}

fn at(definition: &Value) -> Option<DateTime<Utc>> {
    definition["created_at"].as_str()?.parse().ok()
}

/// `GET /definitions/{name}`: its current version, or the one whose hash begins as `version` says.
pub(super) async fn show(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Page, Failure> {
    let asked = parameters.only(&["version"])?.text("version");
    let found = definitions::found(&shared, &name, asked).await?;
    let versions = shared.app.store.view_versions(&name, definitions::RUNS, definitions::VERSIONS).await?;
    let parsed = Definition::from_json(&name, &found["definition"]).ok();
    let title = found["title"].as_str().unwrap_or(&name).to_owned();
    let is_current = |one: &Version| one.is_current && found["hash"] == one.hash;
    let body = html! {
        nav.crumbs aria-label="Where this is" { a href="/definitions" { "Definitions" } }
        div.heading { h1 { (title) } @if may(Action::Submit) { a href={ "/run/" (name) } class="button primary" { "Run" } } }
        p.meta { code { (name) } " · version " code { (version(&found)) } @if let Some(at) = at(&found) { " · registered " (span::ago(at)) }
            " from " (found["source"].as_str().unwrap_or("–")) " · " a href={ "/jobs?type=" (name) } { "its runs" } }
        @if asked.is_some() && !versions.iter().any(is_current) {
            p.warning { "This is not the current version. " a href={ "/definitions/" (name) } { "To the current one" } }
        }
        @if let Some(definition) = &parsed {
            @if let Some(schedule) = &definition.schedule { p { "Scheduled: " (schedule.words()) " (" code { (schedule.cron) } ", " (schedule.time_zone.name()) "). " a href="/schedules" { "Schedules" } } }
            section { h2 { "Steps" } ol.steps { @for step in &definition.steps { (shown(step)) } } }
            @if !definition.cleanup.is_empty() {
                section { h2 { "After a failure or a cancel" } ol.steps { @for step in &definition.cleanup { (shown(step)) } } }
            }
        }
        (parts::fold("The document", parsed.is_none() || asked.is_some(), &parts::json(&found["definition"])))
        @if versions.len() > 1 || asked.is_some() { (history(&name, &versions)) }
    };
    Ok(Page::new(title, Tab::Definitions, body))
}

/// The versions, the newest first.
fn history(name: &str, versions: &[Version]) -> Markup {
    let row = |one: &Version| {
        let short = one.hash.get(..12).unwrap_or(&one.hash);
        html! {
            tr data-key=(one.hash) {
                td.name { a href={ "/definitions/" (name) "?version=" (short) } { code { (short) } } @if one.is_current { " " span class="badge completed" { "current" } } }
                td { (one.title) }
                td.number { (span::ago(one.created_at)) }
                td { (one.source) }
                td.number { (one.runs) }
            }
        }
    };
    let rows: Vec<Markup> = versions.iter().map(row).collect();
    html! {
        section {
            h2 { "Versions" }
            (parts::table("Versions", &["Version", "Title", "Registered first", "From", "Runs"], &rows))
            p.muted { "Runs among the newest " (definitions::RUNS) " of this workflow. A run keeps the version it began with." }
        }
    }
}

fn shown(step: &Step) -> Markup {
    html! {
        li {
            strong { (step.title) } " "
            @match &step.work {
                Work::Job(name) => span.muted { "job " code { (name) } },
                Work::Workflow(name) => span.muted { "workflow " a href={ "/definitions/" (name) } { (name) } },
                Work::Steps(_) => span.muted { "nested steps" },
                Work::Signal => span.muted { "waits for an answer" },
                Work::Milestone => span.muted { "milestone" },
            }
            @if step.weight > 0 { span.muted { " · weight " (step.weight) } }
            @if let Some(fan_out) = &step.for_each { span.muted { " · batches of " (fan_out.batch_size) ", at most " (fan_out.max_parallel) " at once" } }
            @if let Some(repeat) = &step.repeat { span.muted { " · up to " (repeat.max) " rounds" } }
            @if step.condition.is_some() { span.muted { " · on a condition" } }
            @if step.retry.attempts > 1 { span.muted { " · up to " (step.retry.attempts) " attempts" } }
            @if let Work::Steps(nested) = &step.work { ol.steps { @for step in &nested.steps { (shown(step)) } } }
        }
    }
}
