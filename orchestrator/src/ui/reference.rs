//! The API for those who read it: made of the same document that programs read.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    Failure,
    page::{Page, Tab},
    parts,
};
use crate::http::{Shared, openapi::DOCUMENT, query::Parameters};

/// `GET /api`
pub(super) async fn show(State(_): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let mut operations: Vec<(&str, &str, &Value)> = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operations.push((method, path, operation));
        }
    }
    let body = html! {
        h1 { "API" }
        p.meta { (DOCUMENT["info"]["description"].as_str().unwrap_or_default()) " For programs: " a href="/api/v1/openapi.json" { "/api/v1/openapi.json" } " (OpenAPI)." }
        @for tag in ["jobs", "live", "definitions", "schedules", "fleet", "dead letters", "accounts"] {
            section.reference {
                h2 { (tag) }
                @for (method, path, operation) in operations.iter().filter(|(.., operation)| operation["tags"][0] == tag) {
                    (shown(method, path, operation))
                }
            }
        }
        section.reference { h2 { "Shapes" } @for (name, schema) in DOCUMENT["components"]["schemas"].as_object().into_iter().flatten() {
            details.fold id={ "shape-" (name) } { summary { (name) } (parts::json(schema)) }
        } }
    };
    Ok(Page::new("API", Tab::None, body))
}

fn shown(method: &str, path: &str, operation: &Value) -> Markup {
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    let bodies = operation["requestBody"]["content"].as_object();
    html! {
        details.fold {
            summary { code { strong { (method.to_uppercase()) } " " (path) } " " span.muted { (operation["summary"].as_str().unwrap_or_default()) } }
            @if let Some(role) = operation["x-role"].as_str() { p.muted { "Takes the role " (role) "." } }
            dl.terms {
                @for parameter in parameters {
                    dt { code { (parameter["name"].as_str().unwrap_or_default()) } " " span.muted { (parameter["in"].as_str().unwrap_or_default()) } }
                    dd { (parameter["description"].as_str().unwrap_or_default()) }
                }
                @for (kind, body) in bodies.into_iter().flatten() {
                    dt { "body " span.muted { (kind) } }
                    dd { (operation["requestBody"]["description"].as_str().unwrap_or_default()) " " (shape(&body["schema"])) }
                }
                @for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    dt { (status) }
                    dd { (response["description"].as_str().unwrap_or_default()) " "
                        @for content in response["content"].as_object().into_iter().flat_map(|contents| contents.values()) { (shape(&content["schema"])) }
                    }
                }
            }
        }
    }
}

/// The way to a shape.
fn shape(schema: &Value) -> Markup {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    html! { @if let Some(name) = name { a href={ "#shape-" (name) } { (name) } } }
}
