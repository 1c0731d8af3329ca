//! The sub-jobs of a workflow, page by page: a grid of all, or a list of those of one status with what they say.

use maud::{Markup, html};

use super::{
    super::{Failure, model::Job, parts, span},
    encoded,
};
use crate::http::{Shared, cursor::Cursor as _, query::Parameters};

/// Cells of a grid, and rows of a list.
const CELLS: i64 = 500;
const ROWS: i64 = 50;

/// `?view=jobs`
pub(super) async fn part(shared: &Shared, job: &Job, parameters: &Parameters) -> Result<Markup, Failure> {
    let (step, statuses) = (parameters.text("step"), parameters.statuses()?);
    let limit = if statuses.is_some() { ROWS } else { CELLS };
    let after = parameters.cursor::<(i32, i32)>()?;
    let store = &shared.app.store;
    let found = store.view_sub_jobs(job.id, after.unwrap_or((-1, -1)), step, statuses.as_deref(), limit + 1).await?;
    let more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut places, mut jobs) = (Vec::new(), Vec::new());
    for (place, view) in found.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        places.push(place);
        jobs.push(Job::read(view)?);
    }
    let address = |status: Option<&str>, cursor: Option<String>| {
        let step = step.map(|step| format!("&step={}", encoded(step))).unwrap_or_default();
        let status = status.map(|status| format!("&status={status}")).unwrap_or_default();
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        format!("/jobs/{}?view=jobs{step}{status}{cursor}", job.id)
    };
    let status = parameters.text("status");
    let next = places.last().filter(|_| more).map(|place| address(status, Some(place.encode())));
    let first = after.map(|_| address(status, None));
    Ok(html! {
        section {
            div.heading {
                h2 { @match step { Some(step) => { "Sub-jobs of step " (step) } None => "Sub-jobs" } }
                nav.choices aria-label="Which sub-jobs" {
                    @for (value, words) in [(None, "All"), (Some("failed"), "Failed"), (Some("running"), "Running"), (Some("completed_with_errors"), "With errors")] {
                        a href=(address(value, None)) aria-current=[(value == status).then_some("true")] { (words) }
                    }
                }
            }
            @if let Some(step) = step { p { "Only step " strong { (step) } ". " a href={ "/jobs/" (job.id) "?view=jobs" } { "All steps" } } }
            (waiting(job, step))
            @if jobs.is_empty() { p.muted { "There are none." } }
            @else if statuses.is_some() { (list(&jobs)) }
            @else { (grid(&jobs)) }
            (parts::pager(first.as_deref(), next.as_deref(), ("First", "Next")))
        }
    })
}

/// Batches that have no job yet: their window moves over them.
fn waiting(job: &Job, step: Option<&str>) -> Markup {
    let steps = job.metadata.iter().flat_map(|metadata| &metadata.steps);
    let waiting: u32 = steps
        .filter(|found| step.is_none_or(|step| step == found.key) && !found.status.is_terminal())
        .map(|step| step.total.saturating_sub(step.done + step.failed + step.running))
        .sum();
    html! { @if waiting > 0 { p.muted { (waiting) " more wait for their turn." } } }
}

fn grid(jobs: &[Job]) -> Markup {
    let mut steps: Vec<(&str, Vec<&Job>)> = Vec::new();
    for job in jobs {
        let step = job.step.as_deref().unwrap_or_default();
        match steps.last_mut() {
            Some((last, found)) if *last == step => found.push(job),
            _ => steps.push((step, vec![job])),
        }
    }
    html! {
        @for (step, jobs) in &steps {
            h3 { (step) }
            ul.grid aria-label={ "Sub-jobs of " (step) } { @for job in jobs { li data-key=(job.id) { (cell(job)) } } }
        }
    }
}

fn cell(job: &Job) -> Markup {
    let word = parts::status_word(job.status);
    let name = job.batch_index.map_or_else(|| job.job_type.clone(), |batch| batch.to_string());
    let label = match job.batch_index {
        Some(batch) => format!("Batch {batch}: {word}, {}", parts::percent_text(job.progress)),
        None => format!("{}: {word}, {}", job.job_type, parts::percent_text(job.progress)),
    };
    html! { a class={ "cell " (cell_class(job)) } href={ "/jobs/" (job.id) } title=(label) aria-label=(label) { (name) } }
}

const fn cell_class(job: &Job) -> &'static str {
    use drover_protocol::JobStatus;
    match job.status {
        JobStatus::Pending => "pending",
        JobStatus::Running => "running",
        other => parts::bar_class(other),
    }
}

fn list(jobs: &[Job]) -> Markup {
    let row = |job: &Job| {
        let name = job.batch_index.map_or_else(|| job.name().to_owned(), |batch| format!("Batch {batch}"));
        html! {
            tr data-key=(job.id) {
                td.name { a href={ "/jobs/" (job.id) } { (name) } " " span.muted { (job.step.as_deref().unwrap_or_default()) } }
                td { (parts::badge(job.status, job.paused)) }
                td { (parts::bar(job.progress, &format!("Progress of {name}"), parts::bar_class(job.status))) }
                td.words { @match &job.error { Some(error) => { span.bad { (error.message) } } None => (job.words().unwrap_or_default()) } }
                td.number { (job.attempt) }
                td.number { (span::taken(job.started_at, job.finished_at)) }
            }
        }
    };
    let rows: Vec<Markup> = jobs.iter().map(row).collect();
    parts::table("Sub-jobs", &["Sub-job", "Status", "Progress", "Says", "Attempt", "Took"], &rows)
}
