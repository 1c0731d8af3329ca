//! Why a job is where it is, in one sentence for a person. A function over what the rows say.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use drover_engine::{PauseReason, view::Metadata};
use drover_protocol::{JobId, JobStatus};

use crate::{app::App, store::StoreError};

/// A worker that has said nothing for this long is worth a word, in seconds: heartbeats come more often.
const SILENT_SECONDS: f64 = 6.0;
/// Longest error that a sentence quotes, in characters.
const QUOTED_CHARS: usize = 200;

/// What decides why a job is where it is.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its type.
    pub job_type: String,
    /// Where it stands.
    pub status: JobStatus,
    /// Whether it has jobs below it.
    pub is_workflow: bool,
    /// The try, from 1.
    pub attempt: u64,
    /// How many tries its policy allows.
    pub attempts: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Whether a message of it was ever made.
    pub is_published: bool,
    /// A workflow's steps.
    pub metadata: Option<Metadata>,
    /// How many sub-jobs the step whose turn it is may run at once, if it fans out.
    pub window: Option<u32>,
    /// Whether nothing of it is begun, and since whose pause.
    pub paused: Option<PauseReason>,
    /// What went wrong last.
    pub error: Option<String>,
    /// It has ended, and the rest of its lists has not come.
    pub parked: bool,
    /// It waits for an answer, or of a workflow its step does: since so many seconds.
    pub waiting_seconds: Option<f64>,
    /// What is to be answered: itself, or a workflow that knows which of its steps it is.
    pub id: JobId,
    /// Seconds until it is tried.
    pub due_seconds: Option<f64>,
    /// Seconds until its time, or its cancel's, is up.
    pub timeout_seconds: Option<f64>,
    /// Its message is owed to the broker.
    pub owed: bool,
    /// Who runs it.
    pub holder: Option<Holder>,
    /// The pause of its type: its name, or `*`.
    pub paused_type: Option<String>,
    /// What whoever paused the type said.
    pub paused_type_reason: Option<String>,
    /// Who could run it.
    pub takers: Takers,
    /// How many of its type wait before it, up to a bound.
    pub ahead: u64,
}

/// Who runs a job.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// Where the worker is.
    pub host: String,
    /// Since when it has said nothing.
    pub silent_seconds: f64,
}

/// The live workers of a job type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takers {
    /// How many.
    pub live: u64,
    /// How many of them take nothing new.
    pub draining: u64,
    /// How many jobs they run at once.
    pub slots: u64,
    /// How many jobs they run.
    pub busy: u64,
    /// How many have not acknowledged the job's cancel.
    pub unacknowledged: u64,
}

/// The sentence for one job; none where it has ended, or is not there.
///
/// # Errors
/// When the database is away.
pub async fn of(app: &App, id: JobId) -> Result<Option<String>, StoreError> {
    let standings = app.store.standings(&app.context.registry, &[id]).await?;
    Ok(standings.get(&id).and_then(|standing| why(standing, app.broker.is_ready())))
}

/// The sentence; none for a job that has ended. `broker`: whether RabbitMQ can be reached.
#[must_use]
pub fn why(job: &Standing, broker: bool) -> Option<String> {
    if job.status.is_terminal() {
        return None;
    }
    Some(match (job.status, job.is_workflow) {
        (JobStatus::Pending, _) => pending(job, broker),
        (JobStatus::Cancelling, true) => cancelling_workflow(job),
        (JobStatus::Cancelling, false) => cancelling(job),
        (_, true) => workflow(job),
        (_, false) => running(job),
    })
}

fn pending(job: &Standing, broker: bool) -> String {
    match (job.paused, job.due_seconds) {
        (Some(reason), _) => paused(reason),
        (None, Some(seconds)) if job.failures > 0 => retry(job, seconds),
        (None, Some(seconds)) if seconds > 0.0 => format!("waiting: not before {} from now", span(seconds)),
        (None, Some(_)) => "waiting: its time has come, it is dispatched now".into(),
        (None, None) if job.is_workflow => "waiting: its first step is about to begin".into(),
        (None, None) => queued(job, broker),
    }
}

fn paused(reason: PauseReason) -> String {
    match reason {
        PauseReason::Asked => "paused: nothing of it begins until it is resumed".into(),
        PauseReason::Parent => "paused with its workflow: resume that one".into(),
        PauseReason::Settling => {
            "resumed: it begins when every worker has let go of the message that the pause withdrew".into()
        }
    }
}

fn retry(job: &Standing, seconds: f64) -> String {
    let when = if seconds > 0.0 { format!("in {}", span(seconds)) } else { "now".to_owned() };
    // The first try is no retry.
    let mut text = format!("retry {} of {} {when}", job.failures, job.attempts.saturating_sub(1).max(job.failures));
    if let Some(error) = &job.error {
        let _ = write!(text, " after: {}", quoted(error));
    }
    text
}

/// Its message is on its way to a worker, or should be.
fn queued(job: &Standing, broker: bool) -> String {
    let (job_type, takers) = (&job.job_type, &job.takers);
    if let Some(name) = &job.paused_type {
        let what = if name == "*" { "every job type is".to_owned() } else { format!("job type {job_type} is") };
        let reason = job.paused_type_reason.as_ref().map(|reason| format!(" ({})", quoted(reason)));
        return format!("waiting: {what} paused{}", reason.unwrap_or_default());
    }
    if takers.live == 0 {
        return format!("waiting: no live worker takes type {job_type}");
    }
    if takers.draining == takers.live {
        return format!("waiting: every worker that takes type {job_type} is about to end");
    }
    if job.owed || !job.is_published {
        let away = if broker { "its message is on its way to RabbitMQ" } else { "RabbitMQ cannot be reached" };
        return format!("waiting: {away}");
    }
    let slots = format!("{} of {} slots of {} in use", takers.busy, takers.slots, workers(takers.live));
    match job.ahead {
        0 if takers.busy >= takers.slots => format!("waiting: next in its queue, {slots}"),
        0 => "waiting: next in its queue, a worker takes it now".into(),
        ahead => format!("waiting: behind {} of its type, {slots}", jobs(ahead)),
    }
}

fn jobs(count: u64) -> String {
    match count {
        1 => "1 job".into(),
        count if count >= crate::store::AHEAD => format!("{count} jobs or more"),
        count => format!("{count} jobs"),
    }
}

fn workers(count: u64) -> String {
    if count == 1 { "1 worker".into() } else { format!("{count} workers") }
}

fn waiting_for_answer(job: &Standing, seconds: f64) -> String {
    let left = match job.timeout_seconds {
        Some(left) if left > 0.0 && !job.is_workflow => format!(", for {} at most", span(left)),
        _ => String::new(),
    };
    format!("waiting for approval since {}{left}: drover approve {}", span(seconds), job.id)
}

fn running(job: &Standing) -> String {
    if let Some(seconds) = job.waiting_seconds {
        return job.paused.map_or_else(|| waiting_for_answer(job, seconds), paused);
    }
    if job.parked {
        return "ended: waiting for the rest of its lists".into();
    }
    let Some(holder) = &job.holder else {
        return "running: its worker is not known any more, it is tried again".into();
    };
    let mut text = format!("running on {}", holder.host);
    if holder.silent_seconds > SILENT_SECONDS {
        let _ = write!(text, ", which has been silent for {}", span(holder.silent_seconds));
    }
    if job.failures > 0 {
        let _ = write!(text, ", attempt {}", job.attempt);
        let _ = job.error.iter().try_for_each(|error| write!(text, " after: {}", quoted(error)));
    }
    text
}

/// A workflow is where its step is.
fn workflow(job: &Standing) -> String {
    let Some(metadata) = &job.metadata else { return "running".into() };
    let running: u32 = metadata.steps.iter().map(|step| step.running).sum();
    if let Some(reason) = job.paused {
        return match running {
            0 => paused(reason),
            running => format!("paused: {running} of its sub-jobs still run to their end, nothing else begins"),
        };
    }
    if job.due_seconds.is_some() {
        return "running: much of it ended at once, it goes on in a moment".into();
    }
    let Some(step) = metadata.steps.get(metadata.current_step.saturating_sub(1)) else { return "running".into() };
    let title = &step.title;
    if let Some(seconds) = job.waiting_seconds {
        return format!("step {title} is {}", waiting_for_answer(job, seconds));
    }
    let waiting = step.total.saturating_sub(step.done + step.failed + step.running);
    match job.window {
        Some(window) if step.running >= window && waiting > 0 => {
            format!("running: window of step {title} full, {} of {window} running, {waiting} wait for it", step.running)
        }
        Some(_) if step.total > 0 => {
            format!("running: step {title}, {} of {} batches running, {waiting} waiting", step.running, step.total)
        }
        _ if step.running > 0 => format!("running: its step {title} runs"),
        _ => format!("running: its step {title} waits for a worker"),
    }
}

fn cancelling(job: &Standing) -> String {
    let limit = limit(job);
    match (&job.holder, job.takers.unacknowledged) {
        (Some(holder), _) => format!("cancelling: waiting for the worker on {} to stop it{limit}", holder.host),
        (None, 0) => format!("cancelling: what its workers sent before is read to the end{limit}"),
        (None, count) => {
            format!("cancelling: waiting until {} acknowledge that they will not start it{limit}", workers(count))
        }
    }
}

fn cancelling_workflow(job: &Standing) -> String {
    let message = job.metadata.as_ref().and_then(|metadata| metadata.message.as_deref());
    // The fold says what it waits for.
    match message.and_then(|message| message.strip_prefix("Cancelling: ")) {
        Some(message) => format!("cancelling: {message}{}", limit(job)),
        None => format!("cancelling{}", limit(job)),
    }
}

fn limit(job: &Standing) -> String {
    match job.timeout_seconds {
        Some(seconds) if seconds > 0.0 => format!(", for {} at most", span(seconds)),
        _ => String::new(),
    }
}

/// A span in its largest unit or two, rounded up: `14 s`, `3 min`, `2 h 5 min`, `3 d`.
fn span(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to what fits just before")]
    let seconds = seconds.clamp(0.0, 1e15).ceil() as u64;
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (2.., ..) => format!("{} d", seconds / 86_400),
        (_, 1.., _) => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        (.., 2..) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// The first line of a text, not too long.
fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(QUOTED_CHARS).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}
