//! Dead letters: what nobody could process, sent again or discarded.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::{
    Failure,
    form::{Form, away},
    page::{Note, Page, Tab},
    parts, span,
};
use crate::{
    access::{Action, may},
    http::{
        Shared,
        cursor::Cursor as _,
        dead::{excerpt, filter, unknown},
        path::Number,
        query::Parameters,
    },
    redrive::Redriven,
    store::DeadView,
};

/// Letters of a page, and how much of each body the list reads, in bytes.
const PAGE: i64 = 50;
const EXCERPT_BYTES: i32 = 200;

/// `GET /dead`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    let parameters = parameters.only(&["queue", "reason", "cursor", "note"])?;
    let before = parameters.cursor::<i64>()?;
    let (letters, more) = shared.app.store.view_dead(&filter(parameters), before, PAGE, EXCERPT_BYTES).await?;
    let narrowing: String = ["queue", "reason"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}&", super::job::encoded(parameters.text(name)?))))
        .collect();
    let next = letters.last().filter(|_| more).map(|letter| format!("/dead?{narrowing}cursor={}", letter.id.encode()));
    let first = format!("/dead?{narrowing}");
    let rows: Vec<Markup> = letters.iter().map(row).collect();
    let body = html! {
        h1 { "Dead letters" }
        @if !narrowing.is_empty() { p { "Only those with the same " (if parameters.text("queue").is_some() { "queue" } else { "reason" }) ". " a href="/dead" { "All of them" } } }
        @if rows.is_empty() {
            (parts::empty("There are none", &html! { p { "Every message could be processed. What nobody can is kept here, with the reason." } }))
        } @else {
            (parts::table("Dead letters", &["Came", "Queue", "Reason", "What is wrong", "Job", "Redrives", "-Actions"], &rows))
            p.muted { "Mend what was wrong first: what fails again comes back. Many at once: " code { "drover dead redrive --queue QUEUE" } "." }
        }
        (parts::pager(before.map(|_| first.as_str()), next.as_deref(), ("Newest", "Older")))
    };
    Ok(Page::new("Dead letters", Tab::Dead, body).noting(parameters).live(15))
}

fn row(letter: &DeadView) -> Markup {
    html! {
        tr data-key=(letter.id) {
            td.number { (span::ago(letter.at)) }
            td { a href={ "/dead?queue=" (super::job::encoded(&letter.queue)) } { (letter.queue) } }
            td { a href={ "/dead?reason=" (super::job::encoded(&letter.reason)) } { (letter.reason) } }
            td.words { (letter.detail.as_deref().unwrap_or("–")) }
            td { @if let Some(job) = letter.job_id { a href={ "/jobs/" (job) } { (super::model::short(job)) } } }
            td.number { (letter.redrives) }
            td { a.button href={ "/dead/" (letter.id) } aria-label={ "Open dead letter " (letter.id) } { "Open" } }
        }
    }
}

/// `GET /dead/{id}`
pub(super) async fn show(
    State(shared): State<Shared>,
    Number(id): Number,
    parameters: Parameters,
) -> Result<Page, Failure> {
    parameters.only(&["note"])?;
    let letter = shared.app.store.view_dead_letter(id).await?.ok_or_else(|| unknown(id))?;
    let (body, encoding) = excerpt(&letter);
    let page = html! {
        nav.crumbs aria-label="Where this is" { a href="/dead" { "Dead letters" } }
        div.heading {
            h1 { "Dead letter " (id) }
            div.actions role="group" aria-label="Actions" {
                @if may(Action::Redrive) { (parts::action(&format!("/dead/{id}/redrive"), "Send it again", "primary", &[])) }
                @if may(Action::Discard) {
                    (parts::careful(&format!("/dead/{id}/discard"), "Discard", "Nobody will see this message again.", &[]))
                }
            }
        }
        p.error { strong { (letter.reason) } " " (letter.detail.as_deref().unwrap_or_default()) }
        dl.pairs {
            div { dt { "came" } dd { (span::ago(letter.at)) } }
            div { dt { "queue" } dd { (letter.queue) } }
            div { dt { "type" } dd { (letter.message_type.as_deref().unwrap_or("–")) } }
            div { dt { "message id" } dd { (letter.message_id.as_deref().unwrap_or("–")) } }
            div { dt { "redrives" } dd { (letter.redrives) } }
            @if let Some(job) = letter.job_id { div { dt { "job" } dd { a href={ "/jobs/" (job) } { (job) } } } }
        }
        section { h2 { "Body" } p.muted { (letter.body_bytes) " bytes, " (encoding) @if letter.truncated { "; only its beginning was kept" } } (parts::json(&pretty(body))) }
        (parts::fold("Properties", false, &parts::json(&letter.properties)))
    };
    Ok(Page::new(format!("Dead letter {id}"), Tab::Dead, page).noting(&parameters))
}

/// JSON is indented, anything else shown as it is.
fn pretty(body: String) -> serde_json::Value {
    match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(value @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => value,
        _ => body.into(),
    }
}

/// `POST /dead/{id}/redrive`
pub(super) async fn redrive(State(shared): State<Shared>, Number(id): Number, _: Form) -> Result<Response, Failure> {
    Ok(match shared.app.redrive(id).await? {
        Redriven::Sent { .. } => away("/dead", Some(Note::Redriven)),
        Redriven::Retried { job_id } => away(&format!("/jobs/{job_id}"), Some(Note::Retried)),
    })
}

/// `POST /dead/{id}/discard`
pub(super) async fn discard(State(shared): State<Shared>, Number(id): Number, _: Form) -> Result<Response, Failure> {
    if shared.app.store.delete_dead(&[id]).await?.is_empty() {
        return Err(unknown(id).into());
    }
    Ok(away("/dead", Some(Note::Discarded)))
}
