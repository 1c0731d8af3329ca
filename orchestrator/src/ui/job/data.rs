//! What a job was given and what it gave.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::{model::Job, parts};

/// `?view=data`
pub(super) fn part(job: &Job, view: &Value) -> Markup {
    html! {
        section {
            h2 { "Data" }
            (parts::fold("Parameters", true, &parts::json(&job.params)))
            @if !job.result.is_null() { (parts::fold("Result", true, &parts::json(&job.result))) }
            @if let Some(error) = view.get("error").filter(|error| !error.is_null()) { (parts::fold("Error", true, &parts::json(error))) }
            @if let Some(metadata) = view.get("metadata") { (parts::fold("Metadata", false, &parts::json(metadata))) }
            p.muted { "All of it, for programs: " a href={ "/api/v1/jobs/" (job.id) } { "/api/v1/jobs/" (job.id) } }
        }
    }
}

/// Names and values.
pub(super) fn pairs(fields: &Map<String, Value>) -> Markup {
    html! {
        dl.pairs {
            @for (name, value) in fields {
                div { dt { (name.replace('_', " ")) } dd { @match value { Value::String(text) => (text), other => (other) } } }
            }
        }
    }
}
