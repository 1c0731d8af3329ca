//! What the demo says on its way: to people on standard error, at the end on standard output.

use std::{io::IsTerminal as _, time::Duration};

use drover_import_worker::{generate::Manifest, index::Hit};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::{
    api::{Answer, JobView},
    dev::System,
    failure::Failure,
    output::Output,
    render::{page, text::one_line},
};

/// Where nobody says how wide the output is.
const COLUMNS: usize = 100;
/// Between the digits of large numbers.
const THOUSANDS: char = ',';

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn title(output: &Output, title: &str) {
    output.note(format_args!("{}", console::style(title).for_stderr().bold()));
}

/// Shows a sign of life while something works that says nothing.
pub(super) async fn while_it_works<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let life = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    life.set_style(
        ProgressStyle::with_template(&format!("  {{spinner}} {what} {{elapsed}}"))
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    life.enable_steady_tick(TICK);
    let done = tokio::task::spawn_blocking(work).await;
    life.finish_and_clear();
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

pub(super) fn written(output: &Output, manifest: &Manifest) {
    let megabytes = number(manifest.bytes.div_ceil(1_000_000));
    line(output, "files", &format!("{megabytes} MB, {} of them broken on purpose", number(manifest.broken_files)));
}

pub(super) fn started(output: &Output, system: &System) {
    line(output, "database", &system.database);
    line(output, "broker", &system.broker);
    line(output, "address", &system.url);
    output.note("");
}

/// The result of an import, for people or for programs.
pub(super) fn imported(
    output: &Output,
    word: Option<&str>,
    job: &Answer<JobView>,
    hit: Option<&Hit>,
) -> Result<(), Failure> {
    if output.json {
        return output.json(job.raw.get("result").unwrap_or(&Value::Null));
    }
    self::job(output, &job.body)?;
    let (Some(word), Some(hit)) = (word, hit) else { return Ok(()) };
    let place = format!("{}:{}", hit.file, hit.line);
    output.line(format_args!(
        "\n{} {word}\n  {place}\n  {}",
        console::style("Search for").bold(),
        excerpt(&hit.row.to_string(), output.width())
    ))
}

/// A job that has ended.
pub(super) fn job(output: &Output, job: &JobView) -> Result<(), Failure> {
    output.line(format_args!("\n{}", page::job(job, output.width())))
}

/// As much of a row as fits.
fn excerpt(row: &str, width: Option<usize>) -> String {
    let columns = width.unwrap_or(COLUMNS).saturating_sub(2);
    console::truncate_str(&one_line(row), columns, "…").into_owned()
}

/// How to look around in what stays up.
pub(super) fn kept(output: &Output, url: &str, hint: &str) {
    output.note(format_args!(
        "\nIt stays up until Ctrl-C. In another terminal:\n  export DROVER_URL={url}\n  drover list\n  {hint}"
    ));
}

pub(super) fn line(output: &Output, key: &str, value: &str) {
    output.note(format_args!("  {key:<9} {value}"));
}

/// `1,000,000`
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(THOUSANDS);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_can_be_read() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
    }
}
