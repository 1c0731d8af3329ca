//! The list of jobs.

use console::{pad_str, truncate_str};

use super::{
    bar, style,
    style::To,
    table::{Column, Table},
    text::one_line,
    time,
};
use crate::api::JobView;

/// From this width on a job fits one line, since its id is shown whole.
const ONE_LINE_COLUMNS: usize = 100;
/// Width of the longest status.
const STATUS_COLUMNS: usize = 21;

/// The jobs as text: a table, or two lines for each where the terminal is narrow.
pub(crate) fn list(jobs: &[JobView], width: Option<usize>) -> String {
    match width {
        Some(width) if width < ONE_LINE_COLUMNS => {
            jobs.iter().map(|job| two_lines(job, width)).collect::<Vec<_>>().join("\n")
        }
        _ => table(jobs).render(width),
    }
}

fn table(jobs: &[JobView]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::cut("TYPE"),
        Column::whole("STATUS"),
        Column::right("DONE"),
        Column::whole("CREATED"),
        Column::cut("MESSAGE"),
    ]);
    for job in jobs {
        table.row([
            job.id.to_string(),
            job.job_type.clone(),
            style::standing(job, To::Stdout),
            bar::percent(job.progress),
            time::ago(job.created_at),
            message(job),
        ]);
    }
    table
}

fn two_lines(job: &JobView, width: usize) -> String {
    let status = style::standing(job, To::Stdout);
    let status = pad_str(&status, STATUS_COLUMNS, console::Alignment::Left, None);
    let first = format!("{}  {status}  {:>6}  {}", job.id, bar::percent(job.progress), time::ago(job.created_at));
    let message = message(job);
    let colon = if message.is_empty() { "" } else { ": " };
    let second = format!("  {}{colon}{message}", job.job_type);
    [first, second].map(|line| truncate_str(line.trim_end(), width, "…").into_owned()).join("\n")
}

/// What the job does or why it failed, and its place in its workflow.
fn message(job: &JobView) -> String {
    let place = match (&job.step, job.batch_index) {
        (Some(step), Some(batch)) => format!("[{step} #{batch}] "),
        (Some(step), None) => format!("[{step}] "),
        (None, _) => String::new(),
    };
    let text = match &job.error {
        Some(error) => error.to_string(),
        None => job.message.clone().unwrap_or_default(),
    };
    one_line(&format!("{place}{text}")).trim_end().to_owned()
}
