//! A job while it is watched, on standard error: bars on a terminal, elsewhere a line for each change.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

use chrono::Utc;
use console::{Alignment, Term, measure_text_width, pad_str};
use drover_protocol::{JobStatus, StepStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{bar, style, style::To, text::one_line, time};
use crate::api::{JobView, Step};

/// Length of a bar in steps: hundredths of a percent.
const FULL: u64 = 10_000;
/// Columns of the bars.
const JOB_BAR: usize = 24;
const STEP_BAR: usize = 16;
/// Rows that are left free under the bars.
const FREE_ROWS: usize = 3;
/// Widest title of a step.
const TITLE_COLUMNS: usize = 32;
/// Where only the message changes, a line comes at most this often.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The view of a watched job.
pub(crate) enum Live {
    /// Nothing is shown.
    Silent,
    /// A line for each change.
    Lines(Lines),
    /// Bars that move.
    Bars(Box<Bars>),
}

impl Live {
    /// The view that standard error can show.
    pub(crate) fn new() -> Self {
        if stderr().is_terminal() { Self::Bars(Box::default()) } else { Self::Lines(Lines::default()) }
    }

    /// No view.
    pub(crate) const fn silent() -> Self {
        Self::Silent
    }

    /// Shows a new state.
    pub(crate) fn show(&mut self, job: &JobView) {
        match self {
            Self::Silent => {}
            Self::Lines(lines) => lines.show(job, Instant::now()),
            Self::Bars(bars) => bars.show(job),
        }
    }

    /// Shows the last state and leaves it standing.
    pub(crate) fn end(&mut self, job: &JobView) {
        self.show(job);
        self.leave();
    }

    /// Lets the time that is shown go on.
    pub(crate) fn tick(&mut self) {
        if let Self::Bars(bars) = self {
            bars.redraw();
        }
    }

    /// Says that the server is not heard at the moment.
    pub(crate) fn lost(&mut self, reason: &str) {
        match self {
            Self::Silent => {}
            Self::Lines(_) => write_line(&format!("{reason}; trying again")),
            Self::Bars(bars) => bars.lost(reason),
        }
    }

    /// Ends the view; what it shows stays on the screen.
    pub(crate) fn leave(&mut self) {
        if let Self::Bars(bars) = self {
            bars.leave();
            // The cursor stands at the end of the last bar; a closed standard error is nobody's concern.
            let _ = if bars.last.is_some() { writeln!(stderr().lock()) } else { Ok(()) };
        }
    }
}

fn write_line(text: &str) {
    // A closed standard error is nobody's concern.
    let _ = writeln!(stderr().lock(), "{} {text}", time::clock(Utc::now()));
}

/// What the last line said.
#[derive(Default)]
pub(crate) struct Lines {
    last: Option<(JobStatus, bool, Option<usize>, String)>,
    at: Option<Instant>,
}

impl Lines {
    fn show(&mut self, job: &JobView, now: Instant) {
        if let Some(text) = self.line(job, now) {
            write_line(&text);
        }
    }

    /// The line for a new state, if it is worth one.
    fn line(&mut self, job: &JobView, now: Instant) -> Option<String> {
        let step = job.metadata.as_ref().and_then(|metadata| metadata.current_step);
        let text = text(job);
        let soon = self.at.is_some_and(|at| now.duration_since(at) < LINE_EVERY);
        if let Some((status, paused, last_step, last)) = &self.last {
            let same = (*status, *paused, *last_step) == (job.status, job.paused, step);
            if *last == text || same && soon {
                return None;
            }
        }
        (self.last, self.at) = (Some((job.status, job.paused, step, text.clone())), Some(now));
        Some(text)
    }
}

fn text(job: &JobView) -> String {
    let message = message(job);
    let gap = if message.is_empty() { "" } else { "  " };
    format!("{} {}{gap}{message}", style::standing(job, To::Stderr), bar::percent(job.progress))
}

/// What the job does, or where it stands in numbers; nothing once it has ended.
fn message(job: &JobView) -> String {
    if job.status.is_terminal() {
        return String::new();
    }
    let message = job.metadata.as_ref().and_then(|metadata| metadata.message.as_ref()).or(job.message.as_ref());
    let amount = bar::amount(job.processed, job.total);
    let message = one_line(message.map_or("", String::as_str));
    match (message.is_empty(), amount.is_empty() || !job.steps().is_empty()) {
        (true, true) => String::new(),
        (true, false) => amount,
        (false, true) => message,
        (false, false) => format!("{message} ({amount})"),
    }
}

/// The job's bar, and under it those of its steps.
pub(crate) struct Bars {
    area: MultiProgress,
    job: ProgressBar,
    steps: Vec<ProgressBar>,
    last: Option<JobView>,
    lost: Option<String>,
}

impl Default for Bars {
    fn default() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(10))
    }
}

impl Bars {
    fn on(target: ProgressDrawTarget) -> Self {
        let area = MultiProgress::with_draw_target(target);
        let job = area.add(ProgressBar::new(FULL).with_style(bar_style(JOB_BAR)));
        Self { area, job, steps: Vec::new(), last: None, lost: None }
    }
}

fn bar_style(columns: usize) -> ProgressStyle {
    let template = format!("{{prefix}} {{bar:{columns}.cyan/dim}} {{wide_msg}}");
    // The template is ours and has no fault to report.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏░")
}

impl Bars {
    fn show(&mut self, job: &JobView) {
        self.lost = None;
        self.last = Some(job.clone());
        self.redraw();
    }

    fn lost(&mut self, reason: &str) {
        self.lost = Some(reason.to_owned());
        self.redraw();
    }

    fn redraw(&mut self) {
        let Some(job) = self.last.take() else { return };
        let rows = usize::from(Term::stderr().size().0);
        let shown = visible(job.steps(), rows.saturating_sub(FREE_ROWS));
        while self.steps.len() < shown.len() {
            self.steps.push(self.area.add(ProgressBar::new(FULL).with_style(bar_style(STEP_BAR))));
        }
        let titles = job.steps().iter().map(|step| measure_text_width(step.name())).max().unwrap_or(0);
        let titles = titles.min(TITLE_COLUMNS);
        let own = measure_text_width(&one_line(job.name())).min(TITLE_COLUMNS);
        self.draw_job(&job, own.max(titles + 4));
        for (bar, step) in self.steps.iter().zip(shown) {
            draw_step(bar, step, &job, titles);
        }
        self.last = Some(job);
    }

    fn draw_job(&self, job: &JobView, columns: usize) {
        self.job.set_prefix(pad_str(&one_line(job.name()), columns, Alignment::Left, Some("…")).into_owned());
        self.job.set_position(position(job.progress));
        let mut parts = vec![style::standing(job, To::Stderr), bar::percent(job.progress)];
        match &self.lost {
            Some(reason) => parts = vec![format!("{reason}; trying again")],
            None => {
                parts.extend(time::taken(job.started_at, job.finished_at));
                parts.push(message(job));
            }
        }
        self.job.set_message(parts.join("  "));
    }

    fn leave(&mut self) {
        for bar in self.steps.iter().chain([&self.job]) {
            bar.abandon();
        }
    }
}

fn draw_step(bar: &ProgressBar, step: &Step, job: &JobView, columns: usize) {
    let title = one_line(step.name());
    let title = pad_str(&title, columns, Alignment::Left, Some("…"));
    bar.set_prefix(format!("  {} {title}", style::sign(step.status, To::Stderr)));
    bar.set_position(position(step.progress));
    let mut parts = Vec::new();
    if !matches!(step.status, StepStatus::Pending | StepStatus::Skipped) {
        parts.extend(step.total.filter(|total| *total > 1).map(|total| format!("{}/{total}", step.done)));
        parts.extend(time::taken(step.started_at, step.finished_at));
    }
    if step.failed > 0 {
        parts.push(To::Stderr.style().red().apply_to(format!("{} failed", step.failed)).to_string());
    }
    parts.extend(step_message(step, job));
    bar.set_message(parts.join("  "));
}

/// The running step's own words: the workflow's message begins with the step's title.
fn step_message(step: &Step, job: &JobView) -> Option<String> {
    let message = job.metadata.as_ref()?.message.as_deref()?;
    let own = message.strip_prefix(step.name())?.strip_prefix(": ")?;
    (step.status == StepStatus::Running).then(|| one_line(own))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 10000 by the clamp")]
fn position(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) * 100.0) as u64
}

/// The steps that fit the screen: those around the one that runs.
fn visible(steps: &[Step], rows: usize) -> &[Step] {
    if steps.len() <= rows {
        return steps;
    }
    let current = steps.iter().position(|step| !step.status.is_terminal()).unwrap_or(steps.len() - 1);
    let first = current.saturating_sub(rows / 2).min(steps.len() - rows);
    &steps[first..first + rows]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(status: &str, progress: f64, step: usize, message: &str) -> JobView {
        serde_json::from_value(json!({
            "id": "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001", "type": "t", "status": status, "progress": progress,
            "created_at": "2026-07-26T12:00:00Z", "metadata": { "current_step": step, "message": message, "steps": [] },
        }))
        .unwrap()
    }

    #[test]
    fn a_line_comes_for_what_is_new_and_not_too_often() {
        let mut lines = Lines::default();
        let start = Instant::now();
        let later = |millis| start + Duration::from_millis(millis);
        assert_eq!(lines.line(&job("running", 1.0, 1, "a"), start).as_deref(), Some("running 1%  a"));
        assert_eq!(lines.line(&job("running", 1.0, 1, "a"), later(5_000)), None, "nothing is new");
        assert_eq!(lines.line(&job("running", 2.0, 1, "b"), later(5_001)).as_deref(), Some("running 2%  b"));
        assert_eq!(lines.line(&job("running", 3.0, 1, "c"), later(5_500)), None, "too soon");
        assert!(lines.line(&job("running", 3.0, 2, "c"), later(5_501)).is_some(), "a step");
        assert!(lines.line(&job("cancelling", 3.0, 2, "c"), later(5_502)).is_some(), "a status");
    }

    #[test]
    fn the_running_step_is_always_visible() {
        let step = |status: &str| serde_json::from_value(json!({ "key": status, "status": status })).unwrap();
        let mut steps: Vec<Step> = (0..10).map(|_| step("completed")).collect();
        steps.push(step("running"));
        steps.extend((0..10).map(|_| step("pending")));
        for rows in 1..30 {
            let shown = visible(&steps, rows);
            assert_eq!(shown.len(), rows.min(21));
            assert!(shown.iter().any(|step| step.key == "running"), "{rows} rows");
        }
        assert!(visible(&steps, 0).is_empty());
    }

    #[test]
    fn bars_show_the_job_and_its_steps() {
        let screen = indicatif::InMemoryTerm::new(24, 100);
        let mut bars = Bars::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let step = |title: &str, status: &str, progress: f64, done: u64| {
            json!({
                "key": title, "title": title, "status": status, "progress": progress, "total": 4, "done": done, "failed": 1,
                "started_at": "2026-07-26T12:00:00Z", "finished_at": "2026-07-26T12:01:05Z",
            })
        };
        let raw = json!({
            "id": "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001", "type": "t", "title": "Data import", "status": "running",
            "progress": 45.25, "created_at": "2026-07-26T12:00:00Z", "metadata": {
                "current_step": 2, "message": "Analyze scenes: b.mp4",
                "steps": [step("Check", "completed", 100.0, 4), step("Analyze scenes", "running", 25.0, 1)],
            },
        });
        let job: JobView = serde_json::from_value(raw).unwrap();
        bars.show(&job);
        bars.leave();
        let shown = screen.contents();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(lines[0].starts_with("Data import") && lines[0].contains("running  45.2%"), "{shown}");
        assert!(lines[1].starts_with("  ✓ Check") && lines[1].ends_with("4/4  1m 05s  1 failed"), "{shown}");
        assert!(lines[2].starts_with("  ▶ Analyze scenes") && lines[2].ends_with("1 failed  b.mp4"), "{shown}");
        assert!(lines[0].contains("████") && lines[2].contains("░░░░"), "{shown}");

        let screen = indicatif::InMemoryTerm::new(24, 100);
        let mut bars = Bars::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        bars.show(&job);
        bars.lost("the server closed the stream");
        bars.leave();
        assert!(screen.contents().contains("the server closed the stream; trying again"));
    }

    #[test]
    fn a_job_without_steps_keeps_its_name() {
        let screen = indicatif::InMemoryTerm::new(24, 100);
        let mut bars = Bars::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let raw = json!({
            "id": "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001", "type": "validate_import", "status": "running",
            "progress": 50.0, "created_at": "2026-07-26T12:00:00Z",
        });
        bars.show(&serde_json::from_value(raw).unwrap());
        bars.leave();
        let shown = screen.contents();
        assert!(shown.starts_with("validate_import ██") && shown.contains("running  50%"), "{shown}");
    }

    #[test]
    fn a_bar_has_its_place() {
        for (percent, expected) in [(-1.0, 0), (0.0, 0), (45.25, 4_525), (100.0, FULL), (f64::NAN, 0)] {
            assert_eq!(position(percent), expected);
        }
    }
}
