//! What a person does to a job.

use axum::{extract::State, response::Response};
use drover_protocol::JobStatus;
use maud::{Markup, html};
use serde_json::json;

use super::super::{
    Failure,
    form::{Form, away},
    model::Job,
    page::Note,
    parts,
};
use crate::{
    access::{Action, may},
    http::{Shared, audited::Told, path::Id},
};

/// The buttons that make sense for its state, and that the caller may press.
pub(super) fn buttons(job: &Job) -> Markup {
    let at = |action: &str| format!("/jobs/{}/{action}", job.id);
    let ended = job.status.is_terminal();
    let may_retry = matches!(job.status, JobStatus::Failed | JobStatus::CompletedWithErrors | JobStatus::Cancelled)
        && may(Action::Retry);
    // What a worker runs cannot be paused half-way.
    let may_pause = !job.paused
        && (job.status == JobStatus::Pending
            || (job.is_workflow || job.wait_for.is_some()) && job.status == JobStatus::Running)
        && may(Action::Pause);
    html! {
        div.actions role="group" aria-label="Actions" {
            @if job.paused && may(Action::Resume) { (parts::action(&at("resume"), "Resume", "primary", &[])) }
            @if may_pause { (parts::action(&at("pause"), "Pause", "", &[])) }
            @if may(Action::Cancel) { (cancels(job, &at("cancel"))) }
            @if may_retry && job.parent_id.is_none() {
                (parts::action(&at("retry"), if job.is_workflow { "Retry what failed" } else { "Retry" }, "primary", &[]))
                @if job.is_workflow { (parts::action(&at("retry"), "Retry from the start", "", &[("from", "start")])) }
            } @else if may_retry {
                (parts::action(&at("retry"), "Retry", "primary", &[]))
            }
            @if ended && job.parent_id.is_none() && may(Action::Delete) {
                (parts::careful(&at("delete"), "Delete", "Deletes it with its sub-jobs, logs, results and history.", &[]))
            }
        }
    }
}

fn cancels(job: &Job, at: &str) -> Markup {
    html! {
        @if matches!(job.status, JobStatus::Pending | JobStatus::Running) { (parts::action(at, "Cancel", "", &[])) }
        @if job.status == JobStatus::Cancelling {
            (parts::careful(at, "Cancel now", "Ends it without waiting. What still runs is named as abandoned, and may go on for a while.", &[("now", "true")]))
        }
    }
}

/// `POST /jobs/{id}/cancel`
pub(in crate::ui) async fn cancel(State(shared): State<Shared>, Id(id): Id, form: Form) -> Result<Response, Failure> {
    let now = form.text("now") == Some("true");
    shared.app.cancel(id, now).await?;
    let back = form.back(&format!("/jobs/{id}"), if now { Note::CancelledNow } else { Note::Cancelled });
    Ok(Told::of(id).with(json!({ "now": now })).to(back))
}

/// `POST /jobs/{id}/pause`
pub(in crate::ui) async fn pause(State(shared): State<Shared>, Id(id): Id, form: Form) -> Result<Response, Failure> {
    shared.app.pause(id).await?;
    Ok(form.back(&format!("/jobs/{id}"), Note::Paused))
}

/// `POST /jobs/{id}/resume`
pub(in crate::ui) async fn resume(State(shared): State<Shared>, Id(id): Id, form: Form) -> Result<Response, Failure> {
    shared.app.resume(id).await?;
    Ok(form.back(&format!("/jobs/{id}"), Note::Resumed))
}

/// `POST /jobs/{id}/retry`
pub(in crate::ui) async fn retry(State(shared): State<Shared>, Id(id): Id, form: Form) -> Result<Response, Failure> {
    let from_start = form.text("from") == Some("start");
    shared.app.retry(id, from_start).await?;
    let told = Told::of(id).with(json!({ "from": if from_start { "start" } else { "failed" } }));
    Ok(told.to(form.back(&format!("/jobs/{id}"), Note::Retried)))
}

/// `POST /jobs/{id}/delete`
pub(in crate::ui) async fn delete(State(shared): State<Shared>, Id(id): Id, _: Form) -> Result<Response, Failure> {
    shared.app.delete(id).await?;
    Ok(away("/jobs", Some(Note::Deleted)))
}
