//! What many pages have: states, bars, ids, paging, empty states.

use drover_protocol::{JobId, JobStatus, StepStatus};
use maud::{Markup, html};
use serde_json::Value;

use super::model::{Job, short};
use crate::access::Action;

/// Longest JSON that a page shows at once, in bytes. The API has the whole of it.
const JSON_BYTES: usize = 64 * 1024;

/// A status as a word with a sign, so that its colour is not all that tells it.
pub(super) fn badge(status: JobStatus, paused: bool) -> Markup {
    let (class, sign) = match status {
        _ if paused => ("paused", "❚❚"),
        JobStatus::Pending => ("pending", "○"),
        JobStatus::Running => ("running", "▶"),
        JobStatus::Cancelling => ("cancelling", "◌"),
        JobStatus::Completed => ("completed", "✓"),
        JobStatus::CompletedWithErrors => ("with-errors", "!"),
        JobStatus::Failed => ("failed", "✗"),
        JobStatus::Cancelled => ("cancelled", "–"),
    };
    let word = if paused { "paused" } else { status_word(status) };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
}

/// A status for people.
pub(super) const fn status_word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::CompletedWithErrors => "with errors",
        other => other.as_str(),
    }
}

/// The same for a step.
pub(super) fn step_badge(status: StepStatus) -> Markup {
    let (class, sign, word) = match status {
        StepStatus::Pending => ("pending", "○", "pending"),
        StepStatus::Running => ("running", "▶", "running"),
        StepStatus::Completed => ("completed", "✓", "completed"),
        StepStatus::CompletedWithErrors => ("with-errors", "!", "with errors"),
        StepStatus::Failed => ("failed", "✗", "failed"),
        StepStatus::Cancelled => ("cancelled", "–", "cancelled"),
        StepStatus::Skipped => ("skipped", "↷", "skipped"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
}

/// A bar with its number.
pub(super) fn bar(percent: f64, label: &str, class: &str) -> Markup {
    html! {
        div.bar {
            progress class=(class) max="100" value=(format!("{percent:.2}")) aria-label=(label) { (format!("{percent:.0} %")) }
            span.percent { (percent_text(percent)) }
        }
    }
}

/// Which colour a job's bar has.
pub(super) const fn bar_class(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Failed => "failed",
        JobStatus::CompletedWithErrors => "with-errors",
        JobStatus::Completed => "completed",
        JobStatus::Cancelled | JobStatus::Cancelling => "cancelled",
        JobStatus::Pending | JobStatus::Running => "",
    }
}

/// Never rounded up to 100.
pub(super) fn percent_text(percent: f64) -> String {
    let tenths = (percent * 10.0).floor() / 10.0;
    if tenths.fract() == 0.0 { format!("{tenths:.0} %") } else { format!("{tenths:.1} %") }
}

/// The end of an id; the whole of it can be copied.
pub(super) fn id(id: JobId) -> Markup {
    html! {
        code.id title=(id) { "…" (short(id)) }
        button.copy type="button" data-copy=(id) hidden aria-label={ "Copy the id " (id) } { "copy" }
    }
}

/// A job's name, which leads to it.
pub(super) fn job_link(job: &Job) -> Markup {
    html! { a href={ "/jobs/" (job.id) } { (job.name()) } }
}

/// A table that scrolls in itself where the page is too narrow.
pub(super) fn table(label: &str, heads: &[&str], rows: &[Markup]) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for head in heads { (column(head)) } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// The head of a column; with a dash before it, one that only a screen reader needs.
fn column(head: &str) -> Markup {
    match head.strip_prefix('-') {
        Some(hidden) => html! { th scope="col" { span.visually-hidden { (hidden) } } },
        None => html! { th scope="col" { (head) } },
    }
}

/// Nothing is there, and what to do next.
pub(super) fn empty(title: &str, next: &Markup) -> Markup {
    html! { section.empty { h2 { (title) } (next) } }
}

/// The way to the next page of a list, and back to its beginning.
pub(super) fn pager(first: Option<&str>, next: Option<&str>, words: (&str, &str)) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label="Pages of this list" {
                @if let Some(first) = first { a href=(first) { (words.0) } }
                @if let Some(next) = next { a href=(next) rel="next" { (words.1) } }
            }
        }
    }
}

/// A form with one button. It has a key: what a page shows live never becomes another button under somebody's finger.
pub(super) fn action(path: &str, label: &str, class: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" action=(path) data-key=(key(path, fields)) {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button class=(class) { (label) }
        }
    }
}

/// The same, behind one more click that says what it does.
pub(super) fn careful(path: &str, label: &str, words: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        details.careful data-key=(key(path, fields)) {
            summary class="button danger" { (label) "…" }
            div.sheet { p { (words) } (action(path, label, "danger", fields)) }
        }
    }
}

/// What an action does, as what the script knows its element by.
fn key(path: &str, fields: &[(&str, &str)]) -> String {
    fields.iter().fold(path.to_owned(), |key, (name, value)| format!("{key} {name}={value}"))
}

/// A value as indented JSON.
pub(super) fn json(value: &Value) -> Markup {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let cut = text.floor_char_boundary(JSON_BYTES);
    html! {
        pre tabindex="0" { code { (text.get(..cut).unwrap_or(&text)) } }
        @if cut < text.len() { p.muted { "Cut after 64 KiB of " (text.len() / 1024) " KiB; the API has the whole of it." } }
    }
}

/// A part of a page that opens.
pub(super) fn fold(title: &str, open: bool, body: &Markup) -> Markup {
    html! { details.fold open[open] { summary { (title) } (body) } }
}

/// What stands in the place of a button for those who may not press it.
pub(super) fn role_needed(action: Action) -> Markup {
    html! { @if let Some(role) = action.role() { p.muted { "It takes the role " (role) "." } } }
}
