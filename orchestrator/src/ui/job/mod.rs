//! One job or workflow, in parts: where it stands, its sub-jobs, its logs, its history, its data.

pub(super) mod actions;
pub(super) mod answer;
mod data;
mod files;
mod history;
mod logs;
mod steps;
mod sub_jobs;

use axum::extract::State;
use drover_protocol::JobStatus;
use maud::{Markup, html};

use super::{
    Failure,
    model::Job,
    page::{Page, Tab},
    parts, span,
};
use crate::{
    http::{Shared, jobs, parts::trail, path::Id, query::Parameters},
    store::{LogSearch, SeenJob},
    why,
};

/// Lines of the log that the first part shows.
const LATEST: i64 = 8;

/// The parts of the page.
const VIEWS: [(&str, &str); 5] =
    [("", "Overview"), ("jobs", "Sub-jobs"), ("logs", "Logs"), ("history", "History"), ("data", "Data")];

/// `GET /jobs/{id}`
pub(super) async fn show(State(shared): State<Shared>, Id(id): Id, parameters: Parameters) -> Result<Page, Failure> {
    let parameters = parameters.only(&["view", "step", "status", "cursor", "level", "q", "tree", "before", "note"])?;
    let view = parameters.text("view").unwrap_or_default();
    if !VIEWS.iter().any(|(name, _)| *name == view) {
        return Err(parameters.unfit("view", view, "jobs, logs, history or data").into());
    }
    let seen = jobs::find(&shared, id, view != "data").await?;
    let job = Job::read(seen.view.clone())?;
    let part = match view {
        "jobs" => sub_jobs::part(&shared, &job, parameters).await?,
        "logs" => logs::part(&shared, &job, &seen, parameters).await?,
        "history" => history::part(&shared, &job, &seen, parameters).await?,
        "data" => data::part(&job, &seen.view),
        _ => overview(&shared, &job, &seen).await?,
    };
    let reason = why::of(&shared.app, id).await?;
    let body = html! {
        (head(&job, reason.as_deref()))
        (tabs(&job, view))
        (part)
    };
    let page = Page::new(format!("{} {}", job.name(), job.short_id()), Tab::Jobs, body).noting(parameters);
    // Log lines do not change the job: what may still write them is looked at often.
    let every_seconds = if job.status.is_terminal() { 15 } else { 2 };
    Ok(page.live_tree(job.root_id, every_seconds))
}

fn head(job: &Job, reason: Option<&str>) -> Markup {
    let label = format!("Progress of {}", job.name());
    html! {
        @if job.parent_id.is_some() { (ancestors(job)) }
        div.heading {
            h1 { (job.name()) " " (parts::badge(job.status, job.paused)) }
            (actions::buttons(job))
        }
        p.meta { (parts::id(job.id)) @if job.title.is_some() { " · " code { (job.job_type) } } " · made " (span::ago(job.created_at))
            @if job.attempt > 1 { " · attempt " (job.attempt) }
            @if job.round > 1 { " · round " (job.round) }
            @for (key, value) in &job.labels { " " a.label href={ "/jobs?label=" (encoded(&format!("{key}:{value}"))) } { (key) ": " (value) } }
        }
        div.standing {
            (parts::bar(job.progress, &label, &format!("large {}", parts::bar_class(job.status))))
            p.line {
                @if let Some(line) = job.step_line().filter(|_| !job.status.is_terminal()) { strong { (line) } " " }
                span.times {
                    (span::taken(job.started_at, job.finished_at))
                    @if let Some(left) = left(job) { " · " (left) }
                    @if let Some(amount) = amount(job) { " · " (amount) }
                }
            }
            @if let Some(words) = job.words().filter(|_| !job.status.is_terminal()) { p.words { (words) } }
            @if let Some(reason) = reason { p.why { (reason) } }
            @if let Some(error) = &job.error {
                p.error { strong { (error.kind) } " " (error.message) @if error.retryable { span.muted { " (may succeed when tried again)" } } }
            }
        }
    }
}

fn left(job: &Job) -> Option<String> {
    (job.status == JobStatus::Running && !job.paused).then(|| span::remaining(job.started_at, job.progress)).flatten()
}

/// What a job counts, in its own unit.
fn amount(job: &Job) -> Option<String> {
    match (job.processed, job.total) {
        (Some(processed), Some(total)) => Some(format!("{processed} of {total}")),
        (Some(processed), None) => Some(processed.to_string()),
        _ => None,
    }
}

fn ancestors(job: &Job) -> Markup {
    html! {
        nav.crumbs aria-label="Where it belongs" {
            @if job.parent_id != Some(job.root_id) { a href={ "/jobs/" (job.root_id) } { "root workflow" } " › " }
            @if let Some(parent) = job.parent_id { a href={ "/jobs/" (parent) } { "workflow" } }
            @if let Some(step) = &job.step { " › step " (step) }
            @if let Some(batch) = job.batch_index { " › batch " (batch) }
        }
    }
}

fn tabs(job: &Job, view: &str) -> Markup {
    html! {
        nav.tabs aria-label="Parts of this job" {
            @for (name, title) in VIEWS.iter().filter(|(name, _)| *name != "jobs" || job.is_workflow) {
                @let path = if name.is_empty() { format!("/jobs/{}", job.id) } else { format!("/jobs/{}?view={name}", job.id) };
                a href=(path) aria-current=[(*name == view).then_some("page")] { (title) }
            }
        }
    }
}

async fn overview(shared: &Shared, job: &Job, seen: &SeenJob) -> Result<Markup, Failure> {
    let latest = shared.app.store.search_logs(trail(seen, job.id, true), &LogSearch::default(), LATEST).await?;
    Ok(html! {
        (answer::forms(shared, job).await?)
        @if let Some(metadata) = &job.metadata { (steps::table(job, metadata)) }
        @if let Some(summary) = job.result.get("summary").and_then(serde_json::Value::as_object).filter(|summary| !summary.is_empty()) {
            section { h2 { "Summary" } (data::pairs(summary)) }
        } @else if !job.is_workflow && !job.result.is_null() {
            section { h2 { "Result" } (parts::json(&job.result)) }
        }
        (files::part(&job.result, &shared.app.files))
        section {
            div.heading { h2 { "Latest log lines" } a href={ "/jobs/" (job.id) "?view=logs" } { "All, with filters" } }
            (logs::lines(&latest.lines, job))
        }
    })
}

/// A value as it stands in an address.
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
