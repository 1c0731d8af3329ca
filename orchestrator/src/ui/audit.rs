//! What was done, by whom.

use axum::extract::State;
use chrono::{DateTime, Utc};
use drover_protocol::JobId;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    Failure,
    job::encoded,
    page::{Page, Tab},
    parts, span,
};
use crate::http::{
    Shared,
    audit::{FILTER, filter},
    cursor,
    query::Parameters,
};

/// Lines of a page.
const PAGE: i64 = 100;

/// `GET /audit`
pub(super) async fn list(State(shared): State<Shared>, parameters: Parameters) -> Result<Page, Failure> {
    let parameters = parameters.only(&[FILTER, &["cursor"]].concat())?;
    let before = parameters.cursor::<i64>()?;
    let rows = shared.app.store.view_audit(&filter(parameters), before, PAGE + 1).await?;
    let (lines, next) = cursor::page(rows, PAGE);
    let narrowing: String =
        FILTER.iter().filter_map(|name| Some(format!("{name}={}&", encoded(parameters.text(name)?)))).collect();
    let next = next.map(|next| format!("/audit?{narrowing}cursor={next}"));
    let first = format!("/audit?{narrowing}");
    let rows: Vec<Markup> = lines.iter().map(row).collect();
    let body = html! {
        h1 { "Audit" }
        p.meta { "Every action, whatever came of it, newest first. Lines are never changed." }
        (filters(parameters))
        @if rows.is_empty() {
            (parts::empty("There are no lines", &html! { p { "Actions leave one each: whoever reads leaves none." } }))
        } @else {
            (parts::table("Audit", &["When", "Who", "Action", "To what", "Answer", "From", "More"], &rows))
        }
        (parts::pager(before.map(|_| first.as_str()), next.as_deref(), ("Newest", "Older")))
    };
    Ok(Page::new("Audit", Tab::Audit, body))
}

fn filters(parameters: &Parameters) -> Markup {
    html! {
        form.filters method="get" action="/audit" role="search" aria-label="Filter the audit" {
            label { "Token" input name="name" value=[parameters.text("name")]; }
            label { "Action" input name="action" value=[parameters.text("action")] placeholder="cancel"; }
            label { "To what" input name="target" value=[parameters.text("target")] placeholder="a job's id, a name"; }
            button { "Filter" }
        }
    }
}

fn row(line: &Value) -> Markup {
    let text = |key: &str| line[key].as_str().unwrap_or("–");
    let at: Option<DateTime<Utc>> = line["at"].as_str().and_then(|at| at.parse().ok());
    let status = line["status"].as_i64().unwrap_or_default();
    html! {
        tr data-key=[line["id"].as_i64()] {
            td.number title=(text("at")) { @if let Some(at) = at { (span::ago(at)) } }
            td { (text("token_name")) " " span.muted { (line["role"].as_str().unwrap_or_default()) } }
            td { code { (text("action")) } }
            td { (target(line["target"].as_str())) }
            td.number { span class=[(status >= 400).then_some("bad")] { (status) } }
            td.number { (text("address")) }
            td.words { @if !line["detail"].is_null() { code { (line["detail"]) } } }
        }
    }
}

fn target(target: Option<&str>) -> Markup {
    let target = target.unwrap_or("–");
    html! { @match target.parse::<JobId>() { Ok(id) => a href={ "/jobs/" (id) } { (super::model::short(id)) }, Err(_) => (target) } }
}
