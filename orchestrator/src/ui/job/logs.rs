//! Log lines: of the job and all below it, filtered, without an end.

use maud::{Markup, html};

use super::{
    super::{
        Failure,
        model::{Job, short},
        parts, span,
    },
    encoded,
};
use crate::{
    http::{
        Shared,
        parts::{levels, trail},
        query::Parameters,
    },
    store::{LogLine, LogSearch, SeenJob},
};

/// Lines of a page.
const PAGE: i64 = 200;
const LEVELS: [(&str, &str); 6] = [
    ("", "any"),
    ("trace", "trace and above"),
    ("debug", "debug and above"),
    ("info", "info and above"),
    ("warn", "warnings and errors"),
    ("error", "errors"),
];

/// `?view=logs`
pub(super) async fn part(
    shared: &Shared,
    job: &Job,
    seen: &SeenJob,
    parameters: &Parameters,
) -> Result<Markup, Failure> {
    let whole = parameters.flag("tree")?.unwrap_or(true);
    let before = parameters.number("before", 0, i64::MAX)?;
    let search = LogSearch {
        levels: levels(parameters)?.map(|levels| levels.iter().map(|level| level.as_str()).collect()),
        text: parameters.text("q").map(str::to_owned),
        before,
    };
    let found = shared.app.store.search_logs(trail(seen, job.id, whole), &search, PAGE).await?;
    let reaches_the_oldest = found.next_before.is_none();
    let expired = if reaches_the_oldest { shared.app.store.expired_logs(trail(seen, job.id, whole)).await? } else { 0 };
    let address = |before: Option<i64>| {
        let mut path = format!("/jobs/{}?view=logs", job.id);
        for name in ["level", "q", "tree"] {
            if let Some(value) = parameters.text(name) {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        path + &before.map(|before| format!("&before={before}")).unwrap_or_default()
    };
    let (first, next) = (before.map(|_| address(None)), found.next_before.map(|before| address(Some(before))));
    Ok(html! {
        section {
            h2 { "Logs" }
            (filters(job, parameters, whole))
            @if search.text.is_some() && found.lines.is_empty() && next.is_some() {
                p.muted { "None among the lines that were looked at; there are older ones." }
            }
            (lines(&found.lines, job))
            @if expired > 0 {
                p.muted { (expired) " older lines were deleted: they were too old, or all together too many (" code { "[logs]" } ")." }
            }
            (parts::pager(first.as_deref(), next.as_deref(), ("Newest", "Older lines")))
        }
    })
}

fn filters(job: &Job, parameters: &Parameters, whole: bool) -> Markup {
    let level = parameters.text("level").unwrap_or_default();
    html! {
        form.filters method="get" action={ "/jobs/" (job.id) } role="search" aria-label="Filter log lines" {
            input type="hidden" name="view" value="logs";
            label { "Level" select name="level" { @for (value, words) in LEVELS { option value=(value) selected[value == level] { (words) } } } }
            label { "Text" input type="search" name="q" value=[parameters.text("q")]; }
            @if job.is_workflow {
                label { "Of" select name="tree" {
                    option value="true" selected[whole] { "the workflow and its sub-jobs" }
                    option value="false" selected[!whole] { "the workflow itself" }
                } }
            }
            button { "Filter" }
        }
    }
}

/// Lines, newest first.
pub(super) fn lines(lines: &[LogLine], job: &Job) -> Markup {
    if lines.is_empty() {
        return html! { p.muted { "No lines." } };
    }
    html! {
        div.log role="log" aria-live="off" aria-label="Log lines, newest first" tabindex="0" {
            @for line in lines {
                div class={ "line " (line.level) } data-key=(line.id) {
                    span.at { (span::clock(line.at)) }
                    span.level { (line.level) }
                    @if line.job_id != job.id {
                        a.from href={ "/jobs/" (line.job_id) } title=(line.job_id) {
                            (line.job_type.as_deref().unwrap_or("job")) @match line.batch_index { Some(batch) => { " " (batch) } None => { " " (short(line.job_id)) } }
                        }
                    }
                    span.message { (line.message) @if let Some(fields) = line.fields.as_ref().and_then(serde_json::Value::as_object) {
                        @for (name, value) in fields { " " span.pair { (name) "=" (value) } }
                    } }
                }
            }
        }
    }
}
