//! What happened to a job and to all below it.

use maud::{Markup, html};

use super::super::{
    Failure,
    model::{Job, short},
    parts, span,
};
use crate::{
    http::{Shared, parts::trail, query::Parameters},
    store::{HistoryLine, SeenJob},
};

/// Lines of a page.
const PAGE: i64 = 100;

/// `?view=history`
pub(super) async fn part(
    shared: &Shared,
    job: &Job,
    seen: &SeenJob,
    parameters: &Parameters,
) -> Result<Markup, Failure> {
    let before = parameters.number("before", 0, i64::MAX)?;
    let found = shared.app.store.view_history_back(trail(seen, job.id, true), before, PAGE).await?;
    let path = format!("/jobs/{}?view=history", job.id);
    let next = found.next_before.map(|before| format!("{path}&before={before}"));
    let rows: Vec<Markup> = found.lines.iter().map(|line| row(line, job)).collect();
    Ok(html! {
        section {
            h2 { "History" }
            @if rows.is_empty() { p.muted { "Nothing happened yet." } }
            @else { (parts::table("History, newest first", &["Time", "What", "Job", "Attempt", "Detail"], &rows)) }
            (parts::pager(before.map(|_| path.as_str()), next.as_deref(), ("Newest", "Older")))
        }
    })
}

fn row(line: &HistoryLine, job: &Job) -> Markup {
    let name = line.job_type.as_deref().unwrap_or("job");
    html! {
        tr data-key=(line.id) {
            td.number { (span::clock(line.at)) }
            td { (line.kind.replace('_', " ")) }
            td.name { @if line.job_id == job.id { "itself" } @else {
                a href={ "/jobs/" (line.job_id) } { (name) " " @match line.batch_index { Some(batch) => (batch), None => (short(line.job_id)) } }
            } }
            td.number { (line.attempt) }
            td.words { @if let Some(detail) = &line.detail { code { (detail) } } }
        }
    }
}
