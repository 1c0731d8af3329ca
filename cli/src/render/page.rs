//! A job on a page, and the few lines at its end.

use std::fmt::Write as _;

use console::style;
use drover_protocol::JobError;
use serde_json::{Map, Value};

use super::{
    bar, style as styles,
    style::To,
    table::{Column, Table},
    text::{one_line, printable},
    time,
};
use crate::api::JobView;

/// Columns of the job's own bar.
const BAR: usize = 40;
/// Columns of a step's bar.
const STEP_BAR: usize = 16;

/// Everything about a job that a person wants to know.
pub(crate) fn job(job: &JobView, width: Option<usize>) -> String {
    let mut parts = vec![header(job)];
    if !job.steps().is_empty() {
        parts.push(steps(job).render(width));
    }
    parts.extend(job.summary().map(|summary| format!("{}\n{}", style("Summary").bold(), summary_lines(summary))));
    parts.extend(job.error.as_ref().map(|error| error_line(error, To::Stdout)));
    parts.join("\n\n")
}

fn header(job: &JobView) -> String {
    let mut text = style(&job.job_type).bold().to_string();
    // Writing into a string cannot fail.
    let _ = job.title.iter().try_for_each(|title| write!(text, ": {}", one_line(title)));
    let mut line = |key: &str, value: String| {
        let _ = write!(text, "\n{key:<10}  {value}");
    };
    line("id", job.id.to_string());
    line("status", status(job));
    if let Some(why) = &job.why {
        line("why", one_line(why));
    }
    line("progress", progress(job));
    line("created", format!("{} ({})", time::moment(job.created_at), time::ago(job.created_at)));
    if let Some(at) = job.run_at.filter(|_| job.started_at.is_none()) {
        line("not before", time::moment(at));
    }
    if let Some(at) = job.started_at {
        line("started", time::moment(at));
    }
    if let Some(at) = job.paused_at.filter(|_| job.paused) {
        line("paused", format!("{} ({})", time::moment(at), time::ago(at)));
    }
    if let Some(at) = job.finished_at {
        let taken = time::taken(job.started_at, job.finished_at).map(|taken| format!(" (took {taken})"));
        line("finished", format!("{}{}", time::moment(at), taken.unwrap_or_default()));
    }
    if job.attempt > 1 {
        line("attempt", job.attempt.to_string());
    }
    if let Some(parent) = job.parent_id {
        let step = job.step.as_deref().map(|step| format!(" (step {step})")).unwrap_or_default();
        line("parent", format!("{parent}{step}"));
    }
    if !job.labels.is_empty() {
        let labels: Vec<String> = job.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        line("labels", one_line(&labels.join(" ")));
    }
    text
}

fn status(job: &JobView) -> String {
    let message = job.message.as_deref().filter(|_| !job.status.is_terminal()).unwrap_or_default();
    let status = styles::standing(job, To::Stdout);
    if message.is_empty() { status } else { format!("{status}  {}", one_line(message)) }
}

fn progress(job: &JobView) -> String {
    let amount = bar::amount(job.processed, job.total);
    let text = format!("{} {}  {amount}", bar::bar(job.progress, BAR), bar::percent(job.progress));
    text.trim_end().to_owned()
}

fn steps(job: &JobView) -> Table {
    let reasons: Vec<Option<&str>> = job.steps().iter().map(|step| job.skipped(step)).collect();
    let explained = reasons.iter().any(Option::is_some);
    let columns = [
        Column::whole(" "),
        Column::cut("STEP"),
        Column::whole("STATUS"),
        Column::whole("PROGRESS"),
        Column::right(""),
        Column::right("DONE"),
        Column::right("FAILED"),
        Column::right("TOOK"),
    ];
    let mut table = Table::new(columns.into_iter().chain(explained.then(|| Column::cut("REASON"))));
    for (step, reason) in job.steps().iter().zip(reasons) {
        // One that was skipped may have looked whether there is something to do.
        let begun = step.started_at.is_some();
        let cells = [
            styles::sign(step.status, To::Stdout),
            step.name().to_owned(),
            step.status.to_string(),
            bar::bar(step.progress, STEP_BAR),
            bar::percent(step.progress),
            step.total.filter(|_| begun).map(|total| format!("{}/{total}", step.done)).unwrap_or_default(),
            if step.failed > 0 { step.failed.to_string() } else { String::new() },
            time::taken(step.started_at, step.finished_at).unwrap_or_default(),
        ];
        table.row(cells.into_iter().chain(explained.then(|| reason.unwrap_or_default().to_owned())));
    }
    table
}

fn summary_lines(summary: &Map<String, Value>) -> String {
    let longest = summary.keys().map(String::len).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("  {key:<longest$}  {}", one_line(text)),
        other => format!("  {key:<longest$}  {other}"),
    };
    summary.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn error_line(error: &JobError, to: To) -> String {
    let again = if error.retryable { " (may succeed when tried again)" } else { "" };
    let head = to.style().red().bold().apply_to("Error");
    format!("{head} {}: {}{again}", printable(&error.kind), printable(&error.message))
}

/// How a job ended: status, time, summary, error.
pub(crate) fn end(job: &JobView, to: To) -> String {
    let took = time::taken(job.started_at, job.finished_at).map(|taken| format!(" in {taken}")).unwrap_or_default();
    let name = to.style().bold().apply_to(one_line(job.name()));
    let mut lines = vec![format!("{name} {} {}{took}", job.id, styles::job(job.status, to))];
    lines.extend(job.summary().filter(|summary| !summary.is_empty()).map(summary_lines));
    lines.extend(job.error.as_ref().map(|error| error_line(error, to)));
    lines.join("\n")
}
