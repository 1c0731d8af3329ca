//! What waits for an answer: approve, refuse.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::super::{
    Failure,
    form::Form,
    model::{Job, short},
    page::Note,
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{
        Problem, Shared,
        answer::{of_caller, reason, told},
        audited::Told,
        path::Id,
    },
    store::WaitingSignal,
};

/// Most of them that a page shows; who answered the first sees the next.
const SHOWN: i64 = 20;

/// Of each job that waits, this one or below it, the first to wait first.
pub(super) async fn forms(shared: &Shared, job: &Job) -> Result<Markup, Failure> {
    if job.status.is_terminal() || !(job.is_workflow || job.wait_for.is_some()) {
        return Ok(html! {});
    }
    let waiting = shared.app.store.waiting_signals(job.id, None, SHOWN).await?;
    Ok(html! {
        @if !waiting.is_empty() {
            section.waiting {
                h2 { "Waits for an answer" }
                @for signal in &waiting { (form(signal, job)) }
                @if !may(Action::Answer) { (parts::role_needed(Action::Answer)) }
            }
        }
    })
}

fn form(signal: &WaitingSignal, job: &Job) -> Markup {
    let title = signal.title.as_deref().or(signal.step.as_deref()).unwrap_or("Approval");
    html! {
        div data-key=(signal.id) {
            p {
                strong { @if signal.id == job.id { (title) } @else { a href={ "/jobs/" (signal.id) } { (title) } } }
                " " span.muted { (short(signal.id)) }
                @if let Some(since) = signal.since { " · waits since " (span::ago(since)) }
                @if let Some(until) = signal.until { " · until " (span::exact(until)) }
            }
            @if may(Action::Answer) {
                form.filters method="post" action={ "/jobs/" (signal.id) "/answer" } aria-label={ "Answer " (title) } {
                    input type="hidden" name="back" value={ "/jobs/" (job.id) };
                    input type="hidden" name="dispatch" value=(signal.dispatch);
                    label { "Reason" input name="reason" maxlength="500" autocomplete="off"; }
                    button.primary name="approved" value="true" { "Approve" }
                    button.danger name="approved" value="false" { "Refuse" }
                }
            }
        }
    }
}

/// `POST /jobs/{id}/answer`
pub(in crate::ui) async fn answer(State(shared): State<Shared>, Id(id): Id, form: Form) -> Result<Response, Failure> {
    let approved = match form.text("approved") {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(Problem::bad_request("approved: it must be true or false").field("approved").into()),
    };
    let seen = form.text("dispatch").map(str::parse).transpose();
    let seen = seen.map_err(|_| Problem::bad_request("dispatch: it must be a number").field("dispatch"))?;
    let reason = reason(form.text("reason"))?;
    let told = told(approved, None, reason.as_deref());
    shared.app.answer(id, None, seen, of_caller(approved, reason, None)).await?;
    let back = form.back(&format!("/jobs/{id}"), if approved { Note::Approved } else { Note::Refused });
    Ok(Told::of(id).with(told).to(back))
}
