//! The form itself.

use drover_engine::definition::FieldError;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::form::Form,
    fields::{Field, Kind},
    read::{LABELS, control},
};

/// What was given before, and what was wrong with it.
#[derive(Default)]
pub(super) struct Given<'a> {
    pub(super) form: Option<&'a Form>,
    pub(super) errors: Vec<FieldError>,
}

impl Given<'_> {
    /// What is wrong with a field: errors at it or within it.
    fn errors_of<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b FieldError> {
        self.errors.iter().filter(move |error| first(&error.pointer) == name)
    }
}

/// The parameter that a pointer leads into.
fn first(pointer: &str) -> String {
    let first = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    first.replace("~1", "/").replace("~0", "~")
}

/// What is wrong, before the fields, each with the way to its field.
pub(super) fn errors(fields: &[Field], given: &Given<'_>) -> Markup {
    let title = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.title.as_str());
    html! {
        @if !given.errors.is_empty() {
            section.errors role="alert" {
                h2 { "This cannot be run yet" }
                ul { @for error in &given.errors {
                    @let name = first(&error.pointer);
                    li {
                        @if let Some(title) = title(&name).filter(|_| !name.is_empty()) { a href={ "#" (control(&name)) } { (title) } ": " }
                        (error.message)
                    }
                } }
            }
        }
    }
}

/// A field with its label, its words and what is wrong with it.
pub(super) fn field(field: &Field, given: &Given<'_>) -> Markup {
    let id = control(&field.name);
    let errors: Vec<&FieldError> = given.errors_of(&field.name).collect();
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let mut described = Vec::new();
    if field.description.is_some() {
        described.push(hint_id.as_str());
    }
    if !errors.is_empty() {
        described.push(error_id.as_str());
    }
    let described = (!described.is_empty()).then(|| described.join(" "));
    html! {
        div class={ "field" @if !errors.is_empty() { " wrong" } } {
            label for=(id) { (field.title) @if field.required { span.muted { " (required)" } } }
            (input(field, &id, given, described.as_deref(), !errors.is_empty()))
            @if let Some(description) = &field.description { p.hint id=(hint_id) { (description) } }
            @if !errors.is_empty() { p.bad id=(error_id) { @for error in &errors { (error.message) " " } } }
        }
    }
}

fn input(field: &Field, id: &str, given: &Given<'_>, described: Option<&str>, wrong: bool) -> Markup {
    let value = value(field, id, given);
    let wrong = wrong.then_some("true");
    match &field.kind {
        Kind::Text { pattern, most } => html! {
            input id=(id) name=(id) type="text" value=(value) required[field.required] pattern=[pattern.as_deref()] maxlength=[*most]
                aria-describedby=[described] aria-invalid=[wrong];
        },
        Kind::Number { whole, least, most } => html! {
            input id=(id) name=(id) type="number" value=(value) required[field.required] min=[*least] max=[*most]
                step=(if *whole { "1" } else { "any" }) aria-describedby=[described] aria-invalid=[wrong];
        },
        Kind::Flag => html! {
            input id=(id) name=(id) type="checkbox" value="true" checked[value == "true"] aria-describedby=[described];
        },
        Kind::Choice(values) => html! {
            select id=(id) name=(id) required[field.required] aria-describedby=[described] aria-invalid=[wrong] {
                @if !field.required || field.default.is_none() { option value="" { "–" } }
                @for choice in values { @let text = plain(choice); option value=(text) selected[text == value] { (text) } }
            }
        },
        Kind::Lines => html! {
            textarea id=(id) name=(id) rows="4" placeholder="one on each line" aria-describedby=[described] aria-invalid=[wrong] { (value) }
        },
        Kind::Json => html! {
            textarea.json id=(id) name=(id) rows="6" spellcheck="false" placeholder="JSON" aria-describedby=[described] aria-invalid=[wrong] { (value) }
        },
    }
}

/// What was given before, else the default.
fn value(field: &Field, id: &str, given: &Given<'_>) -> String {
    match (given.form, &field.default) {
        (Some(form), _) => form.text(id).unwrap_or_default().to_owned(),
        (None, None) => String::new(),
        (None, Some(default)) => match (&field.kind, default) {
            (Kind::Lines, Value::Array(lines)) => lines.iter().map(plain).collect::<Vec<_>>().join("\n"),
            (Kind::Json, default) => serde_json::to_string_pretty(default).unwrap_or_default(),
            (_, default) => plain(default),
        },
    }
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The labels of the job.
pub(super) fn labels(given: &Given<'_>) -> Markup {
    let value = given.form.and_then(|form| form.text(LABELS)).unwrap_or_default();
    html! {
        div.field {
            label for=(LABELS) { "Labels" }
            textarea id=(LABELS) name=(LABELS) rows="2" placeholder="team: sales" aria-describedby="labels-hint" { (value) }
            p.hint id="labels-hint" { "To find it again: KEY: VALUE, one on each line." }
        }
    }
}
