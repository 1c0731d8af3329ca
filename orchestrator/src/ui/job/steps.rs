//! The steps of a workflow, each with its bar and its place in time.

use chrono::{DateTime, Utc};
use drover_engine::view::{Metadata, StepView};
use drover_protocol::StepStatus;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::{model::Job, parts, span},
    encoded,
};

/// Width of the timeline, in units of its drawing.
const WIDTH: i64 = 1_000;
/// A step that took no time is seen all the same.
const LEAST_WIDTH: i64 = 6;

/// All of them, in their order.
pub(super) fn table(job: &Job, metadata: &Metadata) -> Markup {
    let span = Span::of(metadata, job);
    let weights: u32 = metadata.steps.iter().map(|step| step.weight).sum();
    let rows: Vec<Markup> = metadata.steps.iter().map(|step| row(job, step, weights, span)).collect();
    html! {
        section {
            h2 { "Steps" }
            (parts::table("Steps", &["Step", "Status", "Progress", "Done", "Took", "Timeline", "Weight"], &rows))
        }
    }
}

fn row(job: &Job, step: &StepView, weights: u32, span: Option<Span>) -> Markup {
    // One that was skipped may have looked whether there is something to do.
    let begun = step.started_at.is_some();
    let sub_jobs = format!("/jobs/{}?view=jobs&step={}", job.id, encoded(&step.key));
    html! {
        tr data-key=(step.key) {
            td.name {
                @if step.total > 0 && begun { a href=(sub_jobs) { (step.title) } } @else { (step.title) }
                @if let Some(reason) = skipped(job, step) { br; span.muted { (reason) } }
            }
            td { (parts::step_badge(step.status)) }
            td { (parts::bar(step.progress, &format!("Progress of {}", step.title), class(step.status))) }
            td.number {
                @if begun && step.total > 0 {
                    (step.done) "/" (step.total)
                    @if step.running > 0 { br; span.muted { (step.running) " running" } }
                    @if step.failed > 0 { br; a.bad href={ (sub_jobs) "&status=failed" } { (step.failed) " failed" } }
                }
            }
            td.number { (span::taken(step.started_at, step.finished_at.or(job.finished_at))) }
            td.timeline { @if let Some((from, width)) = span.and_then(|span| span.place(step)) {
                svg viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" aria-hidden="true" {
                    rect class=(if step.status == StepStatus::Running { "running" } else { class(step.status) }) x=(from) y="0" width=(width) height="10" rx="2" {}
                }
            } }
            td.number { (share(step.weight, weights)) }
        }
    }
}

/// Why it was skipped, as the result says once there is one.
fn skipped<'j>(job: &'j Job, step: &StepView) -> Option<&'j str> {
    let error = job.result.get("steps")?.get(&step.key)?.get("error")?;
    error.get("message").and_then(Value::as_str).filter(|_| step.status == StepStatus::Skipped)
}

/// Its share of the whole bar; clean-up has none.
fn share(weight: u32, weights: u32) -> String {
    match (u64::from(weight) * 100).checked_div(u64::from(weights)) {
        None | Some(0) if weight == 0 => String::new(),
        percent => format!("{} %", percent.unwrap_or(0)),
    }
}

const fn class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Completed => "completed",
        StepStatus::CompletedWithErrors => "with-errors",
        StepStatus::Failed => "failed",
        StepStatus::Cancelled | StepStatus::Skipped => "cancelled",
        StepStatus::Pending | StepStatus::Running => "",
    }
}

/// From when to when the timeline goes.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Span {
    /// From the first step's beginning to the end, or to now.
    fn of(metadata: &Metadata, job: &Job) -> Option<Self> {
        let from = metadata.steps.iter().filter_map(|step| step.started_at).min()?;
        Some(Self { from, to: job.finished_at.unwrap_or_else(Utc::now).max(from) })
    }

    /// Where a step is on it: from, and how wide.
    fn place(self, step: &StepView) -> Option<(i64, i64)> {
        let whole = (self.to - self.from).num_milliseconds().max(1);
        let at = |time: DateTime<Utc>| ((time - self.from).num_milliseconds() * WIDTH / whole).clamp(0, WIDTH);
        let (from, to) = (at(step.started_at?), at(step.finished_at.unwrap_or(self.to)));
        Some((from.min(WIDTH - LEAST_WIDTH), (to - from).max(LEAST_WIDTH)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn step(from: Option<i64>, to: Option<i64>) -> StepView {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        StepView {
            key: "a".into(),
            title: "A".into(),
            status: StepStatus::Running,
            progress: 0.0,
            weight: 1,
            total: 1,
            done: 0,
            failed: 0,
            running: 1,
            started_at: from.map(at),
            finished_at: to.map(at),
        }
    }

    #[test]
    fn a_step_has_its_place_in_time() {
        let span = Span { from: DateTime::UNIX_EPOCH, to: DateTime::UNIX_EPOCH + TimeDelta::seconds(100) };
        assert_eq!(span.place(&step(Some(0), Some(50))), Some((0, 500)));
        assert_eq!(span.place(&step(Some(50), None)), Some((500, 500)), "it goes on");
        assert_eq!(span.place(&step(Some(100), Some(100))), Some((WIDTH - LEAST_WIDTH, LEAST_WIDTH)), "it is seen");
        assert_eq!(span.place(&step(None, None)), None);
    }

    #[test]
    fn weights_are_shares_of_the_bar() {
        assert_eq!((share(20, 100).as_str(), share(1, 3).as_str(), share(0, 100).as_str()), ("20 %", "33 %", ""));
        assert_eq!(share(0, 0), "");
    }
}
