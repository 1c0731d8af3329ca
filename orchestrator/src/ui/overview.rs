//! The first page: what is at work, what ended lately, what needs a person.

use axum::extract::State;
use chrono::{TimeDelta, Utc};
use drover_protocol::{JobId, JobStatus};
use maud::{Markup, html};
use std::collections::HashMap;

use super::{
    Failure,
    chart::Columns,
    model::Job,
    page::{Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{Shared, query::Parameters},
    store::{Counted, Ended},
    why::why,
};

/// Most cards; the list of jobs has all.
const CARDS: i64 = 24;
/// Jobs of a status are counted up to this.
const COUNTED: i64 = 10_000;
/// The charts: so many periods, each of so many seconds, of at most so many ends.
const PERIODS: i64 = 60;
const PERIOD_SECONDS: i64 = 60;
const ENDS: i64 = 100_000;

/// `GET /`
pub(super) async fn show(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&["note"])?;
    let store = &shared.app.store;
    let now = Utc::now();
    let from = now - TimeDelta::seconds(PERIODS * PERIOD_SECONDS);
    let (counts, active, ended, pauses, workers) = tokio::try_join!(
        store.view_counts(COUNTED),
        store.view_active(CARDS),
        store.view_ended(from, 60.0, ENDS),
        store.view_pauses(None),
        store.live_workers(),
    )?;
    let jobs = active.into_iter().map(Job::read).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let standings = store.standings(&shared.app.context.registry, &ids).await?;
    let broker = shared.app.broker.is_ready();
    let reasons: HashMap<JobId, String> =
        standings.iter().filter_map(|(id, standing)| Some((*id, why(standing, broker)?))).collect();
    let paused: Vec<&str> = pauses.iter().filter_map(|pause| pause["type"].as_str()).collect();
    let known = counts.iter().any(|(_, counted)| counted.count > 0);
    let body = html! {
        h1.visually-hidden { "Overview" }
        (warnings(broker, workers, &paused))
        (statuses(&counts))
        @if !known {
            (nothing_yet(workers))
        } @else {
            section aria-labelledby="active" {
                div.heading { h2 id="active" { "Active" } @if may(Action::Submit) { a href="/run" class="button primary" { "Run a workflow" } } }
                @if jobs.is_empty() {
                    p.muted { "Nothing is at work. " a href="/run" { "Run something" } ", or look at " a href="/jobs" { "what has ended" } "." }
                }
                div.cards { @for job in &jobs { (card(job, reasons.get(&job.id).map(String::as_str))) } }
                @if more(&counts) > CARDS { p { a href="/jobs?status=running" { "All that run" } " · " a href="/jobs?status=pending" { "All that wait" } } }
            }
            (charts(&ended, now))
        }
    };
    Ok(Page::new("Overview", Tab::Overview, body).noting(&parameters).live(10))
}

fn more(counts: &[(JobStatus, Counted)]) -> i64 {
    counts.iter().filter(|(status, _)| !status.is_terminal()).map(|(_, counted)| counted.count).sum()
}

fn warnings(broker: bool, workers: i64, paused: &[&str]) -> Markup {
    html! {
        @if !broker { p.warning role="status" { strong { "RabbitMQ cannot be reached." } " Nothing new begins; what runs goes on, and its reports come later." } }
        @if workers == 0 { p.warning role="status" { strong { "No worker is alive." } " Jobs wait until one starts. " a href="/workers" { "Workers" } } }
        @if !paused.is_empty() {
            p.warning role="status" {
                strong { "Paused: " @for (index, name) in paused.iter().enumerate() {
                    @if index > 0 { ", " } @if *name == "*" { "every job type" } @else { (name) }
                } }
                " " a href="/queues" { "Queues" }
            }
        }
    }
}

fn statuses(counts: &[(JobStatus, Counted)]) -> Markup {
    html! {
        ul.counts aria-label="Jobs by status" {
            @for (status, counted) in counts {
                li { a href={ "/jobs?status=" (status) } {
                    strong { (counted.count) @if counted.more { "+" } }
                    (parts::badge(*status, false))
                } }
            }
        }
    }
}

fn nothing_yet(workers: i64) -> Markup {
    let next = html! {
        ol {
            @if workers == 0 { li { "Start a worker, for example " code { "drover-import-worker" } ". It announces the job types that it takes." } }
            li { "Register a workflow: " code { "drover apply workflows/data_import.yaml" } ". " a href="/definitions" { "Definitions" } }
            li { a href="/run" { "Run it from a form" } ", or " code { "drover submit data_import --param import_path=/data --wait" } "." }
        }
    };
    parts::empty("Nothing has run yet", &next)
}

/// A job that has not ended.
fn card(job: &Job, why: Option<&str>) -> Markup {
    let label = format!("Progress of {} {}", job.name(), job.short_id());
    html! {
        article.card data-key=(job.id) {
            header { h3 { (parts::job_link(job)) } (parts::badge(job.status, job.paused)) }
            p.meta { (parts::id(job.id)) }
            (parts::bar(job.progress, &label, parts::bar_class(job.status)))
            @if let Some(line) = job.step_line() { p.step { (line) } }
            @if let Some(active) = job.metadata.as_ref().and_then(|metadata| metadata.active_sub_job.as_ref()) {
                div.active {
                    a href={ "/jobs/" (active.id) } { (active.job_type) }
                    (parts::bar(active.progress, &format!("Progress of {}", active.job_type), "small"))
                }
            }
            @if let Some(words) = job.words() { p.words { (words) } }
            @if let Some(why) = why { p.why { (why) } }
            footer {
                span.times {
                    (span::taken(job.started_at, None))
                    @if let Some(left) = span::remaining(job.started_at, job.progress).filter(|_| !job.paused) { " · " (left) }
                }
                @if job.status != JobStatus::Cancelling && may(Action::Cancel) {
                    (parts::action(&format!("/jobs/{}/cancel", job.id), "Cancel", "", &[("back", "/")]))
                }
            }
        }
    }
}

fn charts(ended: &[Ended], now: chrono::DateTime<Utc>) -> Markup {
    let columns = Columns::new(ended, now, PERIOD_SECONDS, PERIODS);
    html! {
        section.charts aria-label="The last hour" {
            (columns.draw("Completed", "completed", |ended| ended.completed))
            (columns.draw("Failed", "failed", |ended| ended.failed))
            (columns.draw("Cancelled", "cancelled", |ended| ended.cancelled))
        }
    }
}
