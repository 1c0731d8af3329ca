//! All jobs: filters in the address, page by page, and what is done to many at once.

use axum::{extract::State, response::Response};
use chrono::{TimeDelta, Utc};
use drover_protocol::JobId;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    Failure,
    form::Form,
    model::Job,
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{
        Shared,
        audited::Told,
        jobs::{self, FILTER, filter},
        query::Parameters,
    },
};

/// Jobs of a page.
const PAGE: i64 = 50;
/// What the filter of this page knows beside those of the API: jobs made since so long ago.
const SINCE: [(&str, &str, i64); 4] = [
    ("1h", "the last hour", 1),
    ("1d", "the last day", 24),
    ("7d", "the last 7 days", 168),
    ("30d", "the last 30 days", 720),
];
/// The choices of the status.
const STATUSES: [(&str, &str); 10] = [
    ("", "any"),
    ("pending,running,cancelling", "not ended"),
    ("completed_with_errors,failed", "went wrong"),
    ("pending", "pending"),
    ("running", "running"),
    ("cancelling", "cancelling"),
    ("completed", "completed"),
    ("completed_with_errors", "with errors"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
];

/// `GET /jobs`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    let parameters = parameters.only(&[FILTER, &["text", "since", "cursor", "note"]].concat())?;
    let mut wanted = filter(parameters)?;
    if let Some(since) = parameters.text("since") {
        let known = SINCE.iter().find(|(name, ..)| *name == since);
        let (_, _, hours) = known.ok_or_else(|| parameters.unfit("since", since, "1h, 1d, 7d or 30d"))?;
        wanted.created_after = wanted.created_after.max(Some(Utc::now() - TimeDelta::hours(*hours)));
    }
    let store = &shared.app.store;
    let page = async { jobs::page(&shared, &wanted, parameters, PAGE).await.map_err(Failure::from) };
    let types = async { Ok::<_, Failure>(tokio::try_join!(store.view_types(), store.view_definitions())?) };
    let ((rows, next), (types, definitions)) = tokio::try_join!(page, types)?;
    let found = rows.into_iter().map(Job::read).collect::<Result<Vec<_>, _>>()?;
    let (text, next) = (parameters.text("text"), next.map(|cursor| address(parameters, Some(&cursor))));
    let first = parameters.text("cursor").map(|_| address(parameters, None));
    let names = names(&definitions, &types);
    let body = html! {
        div.heading { h1 { "Jobs" } @if may(Action::Submit) { a href="/run" class="button primary" { "Run a workflow" } } }
        (filters(parameters, &names))
        @if found.is_empty() { (nothing(wanted.narrows() || text.is_some(), text.is_some() && next.is_some())) }
        @else { (table(&found, &address(parameters, parameters.text("cursor")))) }
        (parts::pager(first.as_deref(), next.as_deref(), ("Newest", "Older")))
    };
    let page = Page::new("Jobs", Tab::Jobs, body).noting(parameters);
    // A search reads much; it is not repeated for whoever only leaves it open.
    Ok(if text.is_some() { page } else { page.live(10) })
}

/// The names of what can be run.
fn names(definitions: &[Value], types: &[Value]) -> Vec<String> {
    let texts = |values: &[Value], key: &str| -> Vec<String> {
        values.iter().filter_map(|value| value[key].as_str().map(str::to_owned)).collect()
    };
    let mut names = [texts(definitions, "name"), texts(types, "type")].concat();
    names.sort();
    names.dedup();
    names
}

/// This list, from a place of it.
fn address(parameters: &Parameters, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in FILTER.iter().chain(&["text", "since"]) {
        for value in parameters.all(name).filter(|value| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    let query = query.finish();
    if query.is_empty() { "/jobs".into() } else { format!("/jobs?{query}") }
}

fn filters(parameters: &Parameters, names: &[String]) -> Markup {
    let chosen = |name: &str, value: &str| parameters.text(name).unwrap_or_default() == value;
    html! {
        form.filters method="get" action="/jobs" role="search" aria-label="Filter jobs" {
            label { "Status"
                select name="status" {
                    @for (value, words) in STATUSES { option value=(value) selected[chosen("status", value)] { (words) } }
                    @if let Some(other) = parameters.text("status").filter(|text| !STATUSES.iter().any(|(value, _)| value == text)) {
                        option value=(other) selected { (other) }
                    }
                }
            }
            label { "Type"
                select name="type" {
                    option value="" { "any" }
                    @for name in names { option value=(name) selected[chosen("type", name)] { (name) } }
                }
            }
            label { "Made in"
                select name="since" {
                    option value="" { "any time" }
                    @for (value, words, _) in SINCE { option value=(value) selected[chosen("since", value)] { (words) } }
                }
            }
            label { "Label"
                input name="label" placeholder="team:sales" value=[parameters.text("label")] pattern="[^:]+:.*" title="KEY:VALUE";
            }
            label { "Text"
                input name="text" type="search" placeholder="a file, an error" value=[parameters.text("text")];
            }
            label { "Sub-jobs"
                select name="parent" {
                    option value="" { "left out" }
                    option value="any" selected[chosen("parent", "any")] { "listed, too" }
                    @if let Some(id) = parameters.text("parent").filter(|text| !matches!(*text, "any" | "none")) {
                        option value=(id) selected { "of one workflow" }
                    }
                }
            }
            button { "Filter" }
        }
    }
}

/// `goes_on`: a search has looked through as many as it does for one page.
fn nothing(narrows: bool, goes_on: bool) -> Markup {
    if goes_on {
        return parts::empty(
            "No job here has this text",
            &html! { p { "Older ones have not been looked through yet: go on with Older." } },
        );
    }
    if narrows {
        return parts::empty("No job matches", &html! { p { a href="/jobs" { "Leave the filter out" } } });
    }
    parts::empty("There are no jobs yet", &html! { p { a href="/run" { "Run a workflow from a form" } } })
}

fn table(jobs: &[Job], back: &str) -> Markup {
    let rows: Vec<Markup> = jobs.iter().map(row).collect();
    html! {
        form method="post" action="/jobs/bulk" {
            input type="hidden" name="back" value=(back);
            (parts::table("Jobs", &["-Choose", "Status", "Job", "Progress", "Now", "Made", "Took"], &rows))
            @if may(Action::Many) { (bulk_actions()) }
        }
    }
}

fn bulk_actions() -> Markup {
    html! {
        fieldset.bulk {
            legend { "With the ticked jobs" }
            button type="button" data-tick="id" hidden { "Tick all of this page" }
            button name="action" value="cancel" { "Cancel" }
            button name="action" value="retry" { "Retry" }
            details.careful {
                summary class="button danger" { "Delete…" }
                div.sheet { p { "With their logs, results and history." } button.danger name="action" value="delete" { "Delete" } }
            }
        }
    }
}

fn row(job: &Job) -> Markup {
    let name = format!("{} {}", job.name(), job.short_id());
    let words = match &job.error {
        Some(error) if job.status.is_terminal() => Some(error.message.as_str()),
        _ if job.status.is_terminal() => None,
        _ => job.words(),
    };
    html! {
        tr data-key=(job.id) {
            td { @if may(Action::Many) { input type="checkbox" name="id" value=(job.id) aria-label={ "Choose " (name) }; } }
            td { (parts::badge(job.status, job.paused)) }
            td.name { (parts::job_link(job)) " " (parts::id(job.id)) }
            td { (parts::bar(job.progress, &format!("Progress of {name}"), parts::bar_class(job.status))) }
            td.words { @if let Some(line) = job.step_line().filter(|_| !job.status.is_terminal()) { (line) br; } @if let Some(words) = words { span.muted { (words) } } }
            td.number { (span::ago(job.created_at)) }
            td.number { (span::taken(job.started_at, job.finished_at)) }
        }
    }
}

/// `POST /jobs/bulk`: as many as a page has.
pub(super) async fn bulk(State(shared): State<Shared>, form: Form) -> Result<Response, Failure> {
    let app = &shared.app;
    let ids: Vec<JobId> = form.all("id").filter_map(|id| id.parse().ok()).take(500).collect();
    if ids.is_empty() {
        return Ok(form.back("/jobs", Note::Nothing));
    }
    let mut refused = 0;
    let told = Told::default().with(json!({ "action": form.text("action"), "ids": ids }));
    for id in ids {
        let done = match form.text("action") {
            Some("cancel") => app.cancel(id, false).await,
            Some("retry") => app.retry(id, false).await,
            Some("delete") => app.delete(id).await,
            other => {
                let detail =
                    format!("action: it is {:?}; it must be cancel, retry or delete", other.unwrap_or_default());
                return Err(crate::http::Problem::bad_request(detail).field("action").into());
            }
        };
        match done {
            Ok(()) => {}
            Err(crate::app::ActionError::Store(error)) => return Err(error.into()),
            Err(_) => refused += 1,
        }
    }
    Ok(told.to(form.back("/jobs", if refused == 0 { Note::Done } else { Note::DoneInPart })))
}
