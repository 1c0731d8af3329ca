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
    http::{
        Problem, Shared,
        query::{Name, Parameters},
    },
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

/// `GET /definitions/{name}`
pub(super) async fn show(
    State(shared): State<Shared>,
    Name(name): Name,
    parameters: Parameters,
) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let found = shared.app.store.view_definition(&name).await?;
    let found =
        found.ok_or_else(|| Problem::not_found(format!("there is no workflow {name:?}; /definitions lists them")))?;
    let parsed = Definition::from_json(&name, &found["definition"]).ok();
    let title = found["title"].as_str().unwrap_or(&name).to_owned();
    let body = html! {
        nav.crumbs aria-label="Where this is" { a href="/definitions" { "Definitions" } }
        div.heading { h1 { (title) } @if may(Action::Submit) { a href={ "/run/" (name) } class="button primary" { "Run" } } }
        p.meta { code { (name) } " · version " code { (version(&found)) } @if let Some(at) = at(&found) { " · registered " (span::ago(at)) }
            " from " (found["source"].as_str().unwrap_or("–")) " · " a href={ "/jobs?type=" (name) } { "its runs" } }
        @if let Some(definition) = &parsed {
            section { h2 { "Steps" } ol.steps { @for step in &definition.steps { (shown(step)) } } }
            @if !definition.cleanup.is_empty() {
                section { h2 { "After a failure or a cancel" } ol.steps { @for step in &definition.cleanup { (shown(step)) } } }
            }
        }
        (parts::fold("The document", parsed.is_none(), &parts::json(&found["definition"])))
    };
    Ok(Page::new(title, Tab::Definitions, body))
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
