//! Who is alive, what each takes and runs.

use std::collections::HashMap;

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use drover_protocol::JobStatus;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Failure,
    form::Form,
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{Shared, audited::Told, path::Session, query::Parameters},
    store::{StoreError, WorkerJob},
};

/// Most jobs that the page shows of all workers together.
const JOBS: i64 = 500;

const DRAIN: &str =
    "It takes no new jobs, finishes what it runs and ends. What it does not finish in time begins elsewhere.";

/// A worker as the API shows it.
#[derive(Debug, Deserialize)]
struct Worker {
    session: Uuid,
    host: String,
    version: String,
    types: Vec<String>,
    concurrency: u64,
    running: u64,
    draining: bool,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    status: String,
}

/// `GET /workers`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    parameters.only(&[])?;
    let read = |view: Value| {
        serde_json::from_value::<Worker>(view)
            .map_err(|error| StoreError::Corrupt { what: "a worker".into(), reason: error.to_string() })
    };
    let store = &shared.app.store;
    let workers = store.view_workers().await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (live, gone): (Vec<_>, Vec<_>) = workers.into_iter().partition(|worker| worker.status == "live");
    let sessions: Vec<Uuid> = live.iter().map(|worker| worker.session).collect();
    let mut held: HashMap<Uuid, Vec<WorkerJob>> = HashMap::new();
    for job in store.view_worker_jobs(&sessions, JOBS).await? {
        held.entry(job.session).or_default().push(job);
    }
    let body = html! {
        h1 { "Workers" }
        @if live.is_empty() { (nobody()) }
        div.cards { @for worker in &live { (card(worker, held.get(&worker.session).map_or(&[][..], Vec::as_slice))) } }
        @if !gone.is_empty() { (parts::fold(&format!("Gone: {}", gone.len()), false, &past(&gone))) }
    };
    Ok(Page::new("Workers", Tab::Workers, body).live(5))
}

fn nobody() -> Markup {
    let next = html! {
        p { "Start one, for example " code { "drover-import-worker" } ". It announces what it takes, and is here within a second." }
        p { "Your own is about 40 lines of Rust: " code { "docs/adding-a-workflow-job.md" } ". In another language: " code { "docs/wire" } "." }
    };
    parts::empty("No worker is alive", &next)
}

fn card(worker: &Worker, jobs: &[WorkerJob]) -> Markup {
    let label = format!("Slots in use on {}", worker.host);
    html! {
        article.card data-key=(worker.session) {
            header { h2 { (worker.host) } @if worker.draining { span class="badge cancelling" { "about to end" } } @else { span class="badge completed" { "✓ live" } } }
            p.meta { "version " (worker.version) " · since " (span::ago(worker.started_at)) " · heard " (span::ago(worker.seen_at)) }
            div.bar { progress max=(worker.concurrency.max(1)) value=(worker.running) aria-label=(label) {} span.percent { (worker.running) " of " (worker.concurrency) } }
            p.types { @for job_type in &worker.types { a.label href={ "/jobs?parent=any&type=" (job_type) } { (job_type) } " " } }
            @if jobs.is_empty() { p.muted { "Runs nothing." } }
            ul.held { @for job in jobs { li data-key=(job.id) {
                a href={ "/jobs/" (job.id) } { (job.job_type) }
                (parts::bar(job.progress, &format!("Progress of {}", job.job_type), "small"))
                span.number { (span::taken(job.started_at, None)) }
                @if job.status == JobStatus::Cancelling.as_str() { (parts::badge(JobStatus::Cancelling, false)) }
            } } }
            @if !worker.draining && may(Action::Drain) { (parts::careful(&format!("/workers/{}/drain", worker.session), "Drain", DRAIN, &[])) }
        }
    }
}

/// `POST /workers/{session}/drain`
pub(super) async fn drain(
    State(shared): State<Shared>,
    Session(session): Session,
    form: Form,
) -> Result<Response, Failure> {
    shared.app.drain(session).await?;
    Ok(Told::of(session).to(form.back("/workers", Note::Draining)))
}

fn past(gone: &[Worker]) -> Markup {
    let row = |worker: &Worker| {
        html! {
            tr {
                td.name { (worker.host) }
                td { @if worker.status == "lost" { span class="badge failed" { "lost" } } @else { span class="badge cancelled" { "ended" } } }
                td { (worker.version) }
                td { (worker.types.join(", ")) }
                td.number { (span::ago(worker.seen_at)) }
            }
        }
    };
    let rows: Vec<Markup> = gone.iter().take(200).map(row).collect();
    parts::table("Workers that are gone", &["Host", "Status", "Version", "Types", "Last heard"], &rows)
}
