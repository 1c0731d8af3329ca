//! What a worker says of a job.

use std::collections::BTreeMap;

use drover_protocol::{JobError, JobEvent, JobEventKind, JobId, JobStatus, ProgressReport, RunningJob, WorkerSession};
use serde_json::{Value, json};

use super::{Fold, Seen, cancel::ABANDONED, kept_time};
use crate::{CancelReason, Command, Ignored, Job, Outcome, Progress, Trigger};

impl Fold<'_> {
    /// Folds one event of a worker. Among the events of one dispatch the outcome does not depend on order or repetition.
    pub(super) fn event(&mut self, event: JobEvent) -> Outcome {
        let Some(job) = self.tree.get(event.job_id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if let Err(outcome) = fence(job, &event) {
            return self.refused(&event, outcome);
        }
        match event.kind {
            JobEventKind::Started => self.started(event.job_id, event.worker_session),
            JobEventKind::Progress(report) => self.progress(event.job_id, event.worker_session, &report, event.seq),
            JobEventKind::Items { .. } => self.items(event),
            JobEventKind::Released { progress } => self.given_back(event.job_id, progress.as_ref(), event.seq),
            JobEventKind::Completed { .. }
            | JobEventKind::CompletedWithErrors { .. }
            | JobEventKind::Failed { .. }
            | JobEventKind::Cancelled { .. } => self.ended(event),
            // Log lines have a queue of their own; one that strayed here changes no state.
            JobEventKind::Log { .. } => Outcome::Ignored(Ignored::Stale),
        }
    }

    /// A worker that runs what another one holds, or what has ended, is told to stop.
    fn refused(&mut self, event: &JobEvent, why: Ignored) -> Outcome {
        let misled = matches!(event.kind, JobEventKind::Started | JobEventKind::Progress(_));
        if misled && matches!(why, Ignored::OtherDispatch | Ignored::OtherSession | Ignored::Finished) {
            self.effects.push(Command::Stop {
                session: event.worker_session,
                job: RunningJob { job_id: event.job_id, dispatch: event.dispatch },
            });
        }
        Outcome::Ignored(why)
    }

    /// Gives the lease of the current dispatch to a session, if nobody has it yet. Whether anything changed.
    fn take_lease(&mut self, id: JobId, session: WorkerSession) -> Result<bool, Outcome> {
        let leased = self.tree.get(id).is_some_and(|job| job.lease == Some(session));
        if leased {
            return Ok(false);
        }
        self.transit(id, Trigger::Start)?;
        let (now, grace) = (self.now, self.limits.timeout_grace);
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.lease = Some(session);
            if let (Some(timeout_ms), JobStatus::Running) = (job.policy.timeout_ms, job.status) {
                // The worker stops the job by itself; this is for the one that does not.
                let timeout = std::time::Duration::from_millis(timeout_ms).saturating_add(grace);
                let timeout = chrono::TimeDelta::from_std(timeout).unwrap_or_default();
                job.timeout_at = now.checked_add_signed(timeout).map(kept_time);
            }
        }
        self.record(id, "started", json!({ "worker_session": session }));
        Ok(true)
    }

    fn started(&mut self, id: JobId, session: WorkerSession) -> Outcome {
        let seen = self.see(id);
        match self.take_lease(id, session) {
            Ok(true) => {
                self.report(id, seen);
                Outcome::Applied
            }
            Ok(false) => Outcome::Ignored(Ignored::Repeat),
            Err(outcome) => outcome,
        }
    }

    fn progress(&mut self, id: JobId, session: WorkerSession, report: &ProgressReport, seq: u64) -> Outcome {
        let seen = self.see(id);
        let started = match self.take_lease(id, session) {
            Ok(started) => started,
            Err(outcome) => return outcome,
        };
        let moved = self.tree.jobs.get_mut(&id).is_some_and(|job| take_progress(job, report, seq));
        if !started && !moved {
            return Outcome::Ignored(Ignored::Stale);
        }
        self.report(id, seen);
        Outcome::Applied
    }

    fn items(&mut self, event: JobEvent) -> Outcome {
        let JobEventKind::Items { name, values } = event.kind else { return Outcome::Ignored(Ignored::Stale) };
        let seen = self.see(event.job_id);
        if let Err(outcome) = self.take_lease(event.job_id, event.worker_session) {
            return outcome;
        }
        let Some(job) = self.tree.jobs.get_mut(&event.job_id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        *job.items.entry(name.clone()).or_default() += u64::try_from(values.len()).unwrap_or(u64::MAX);
        let parked = job.parked.take();
        self.record(event.job_id, "items", Value::Null);
        self.effects.push(Command::StoreItems {
            job_id: event.job_id,
            dispatch: event.dispatch,
            seq: event.seq,
            name,
            values,
        });
        self.report(event.job_id, seen);
        match parked {
            Some(end) => self.ended(*end),
            None => Outcome::Applied,
        }
    }

    /// An end. One whose items lists have not all arrived waits for them.
    fn ended(&mut self, event: JobEvent) -> Outcome {
        let id = event.job_id;
        let seen = self.see(id);
        let whole = {
            let Some(job) = self.tree.jobs.get_mut(&id) else { return Outcome::Ignored(Ignored::UnknownJob) };
            let whole = has_all_items(job, &event.kind);
            if !whole {
                job.parked = Some(Box::new(event.clone()));
            }
            whole
        };
        if !whole {
            if let Err(outcome) = self.take_lease(id, event.worker_session) {
                return outcome;
            }
            self.record(id, "parked", Value::Null);
            self.report(id, seen);
            return Outcome::Applied;
        }
        let seq = event.seq;
        match event.kind {
            JobEventKind::Completed { result, warnings: _, items, progress } => self.finished(
                id,
                Trigger::Complete,
                Produced { result: Some(result), items, progress, seq },
                Vec::new(),
            ),
            JobEventKind::CompletedWithErrors { result, errors, items, progress } => {
                let produced = Produced { result: Some(result), items, progress, seq };
                self.finished(id, Trigger::CompleteWithErrors, produced, errors)
            }
            JobEventKind::Failed { error, result, items, progress } => {
                self.partial(id, Produced { result, items, progress, seq });
                self.failed(id, error)
            }
            JobEventKind::Cancelled { result, items, progress } => {
                self.partial(id, Produced { result, items, progress, seq });
                self.stopped(id, "cancelled", Value::Null)
            }
            _ => Outcome::Ignored(Ignored::Stale),
        }
    }

    fn finished(&mut self, id: JobId, trigger: Trigger, mut produced: Produced, errors: Vec<JobError>) -> Outcome {
        let seen = self.see(id);
        // The end forgets what came before it.
        if let Some(job) = self.tree.get(id) {
            produced.add_lists(job);
        }
        if let Err(outcome) = self.transit(id, trigger) {
            return outcome;
        }
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            produced.keep(job);
            job.error = errors.first().cloned();
            job.error_count =
                u64::try_from(errors.len()).unwrap_or(u64::MAX).max(u64::from(trigger != Trigger::Complete));
        }
        let clean = trigger == Trigger::Complete;
        self.record(id, if clean { "completed" } else { "completed_with_errors" }, Value::Null);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Keeps what a job had produced when it failed or stopped.
    fn partial(&mut self, id: JobId, produced: Produced) {
        let seen = self.see(id);
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        produced.keep(job);
        self.report(id, seen);
    }

    /// The worker gave the dispatch back: its bar stays where the last report, which may come after this, has brought it.
    fn given_back(&mut self, id: JobId, progress: Option<&ProgressReport>, seq: u64) -> Outcome {
        let seen = self.see(id);
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.items.clear();
            if let Some(report) = progress {
                take_snapshot(job, report, seq);
            }
        }
        self.report(id, seen);
        self.release(id, "released")
    }

    /// A failure reported by the worker. Under a cancel it is the cancel's doing: the job stops, with the error kept.
    pub(super) fn failed(&mut self, id: JobId, error: JobError) -> Outcome {
        if self.is_cancelling(id) {
            let detail = json!({ "error": error });
            if let Some(job) = self.tree.jobs.get_mut(&id) {
                job.error = Some(error);
            }
            return self.stopped(id, "cancelled", detail);
        }
        self.fail(id, error)
    }

    /// The job does not run any more, and will not.
    pub(super) fn stopped(&mut self, id: JobId, kind: &'static str, detail: Value) -> Outcome {
        let seen = self.see(id);
        if let Err(outcome) = self.transit(id, Trigger::Stop) {
            return outcome;
        }
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.error_count = job.error_count.max(errors_of_stop(job));
        }
        self.record(id, kind, detail);
        self.report(id, seen);
        Outcome::Applied
    }

    /// The dispatch was given back, or the queue lost it: the same attempt is dispatched again at once.
    pub(super) fn release(&mut self, id: JobId, kind: &'static str) -> Outcome {
        if self.is_cancelling(id) {
            return self.stopped(id, "cancelled", json!({ "cause": kind }));
        }
        let seen = self.see(id);
        if let Err(outcome) = self.transit(id, Trigger::Release) {
            return outcome;
        }
        self.record(id, kind, Value::Null);
        self.begin(id);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Its worker is lost. Not the job's fault, so the retry policy is not asked; a job that does it often is poison.
    pub(super) fn lease_lost(&mut self, id: JobId, dispatch: u32, session: WorkerSession) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        if job.is_terminal() {
            return Outcome::Ignored(Ignored::Finished);
        }
        if job.dispatch != dispatch || job.lease != Some(session) {
            return Outcome::Ignored(Ignored::OtherSession);
        }
        let (seen, losses) = (Seen::of(job), job.losses + 1);
        let poison = losses >= self.limits.poison_losses && job.status == JobStatus::Running;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.losses = losses;
            job.error = Some(JobError::retryable("worker_lost", format!("its worker {session} was lost")));
        }
        if poison {
            let message = format!("it was running on {losses} workers that were lost, the last one {session}");
            return self.fail(id, JobError::permanent("poison", message));
        }
        if self.is_cancelling(id) {
            return self.stopped(id, "cancelled", json!({ "cause": "worker_lost", "worker_session": session }));
        }
        if let Err(outcome) = self.transit(id, Trigger::Lose) {
            return outcome;
        }
        self.record(id, "worker_lost", json!({ "worker_session": session, "losses": losses }));
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.attempt += 1;
            self.begin(id);
        }
        self.report(id, seen);
        Outcome::Applied
    }

    fn is_cancelling(&self, id: JobId) -> bool {
        self.tree.get(id).is_some_and(|job| job.status == JobStatus::Cancelling)
    }
}

/// How many errors a job stands for because it was stopped: none when that is a part of a greater cancel. One that was
/// cancelled by itself is missing to its step, and one that was written off may do anything.
pub(super) fn errors_of_stop(job: &Job) -> u64 {
    let in_order = job.cancel.as_ref().is_some_and(|cancel| cancel.reason == CancelReason::Parent);
    let abandoned = job.error.as_ref().is_some_and(|error| error.kind == ABANDONED);
    u64::from(!in_order || abandoned)
}

/// Whether the event is of the dispatch, and of the worker, that count.
fn fence(job: &Job, event: &JobEvent) -> Result<(), Ignored> {
    if event.dispatch != job.dispatch || job.due_at.is_some() {
        return Err(if job.is_terminal() { Ignored::Finished } else { Ignored::OtherDispatch });
    }
    if job.is_terminal() {
        return Err(Ignored::Finished);
    }
    match job.lease {
        Some(session) if session != event.worker_session => Err(Ignored::OtherSession),
        _ => Ok(()),
    }
}

/// What a dispatch had produced by its end.
struct Produced {
    result: Option<Value>,
    /// How many values of each items list belong to it.
    items: BTreeMap<String, u64>,
    progress: Option<ProgressReport>,
    /// The end's number.
    seq: u64,
}

impl Produced {
    /// The end says which lists there are, an empty one too; those that it does not name are as long as they came.
    fn add_lists(&mut self, job: &Job) {
        for (name, count) in &job.items {
            self.items.entry(name.clone()).or_insert(*count);
        }
    }

    fn keep(mut self, job: &mut Job) {
        self.add_lists(job);
        if self.result.is_some() || !self.items.is_empty() {
            job.result = Some(with_item_lists(self.result.unwrap_or_default(), job.id, &self.items));
        }
        if let Some(report) = &self.progress {
            take_snapshot(job, report, self.seq);
        }
    }
}

fn has_all_items(job: &Job, end: &JobEventKind) -> bool {
    let (JobEventKind::Completed { items, .. }
    | JobEventKind::CompletedWithErrors { items, .. }
    | JobEventKind::Failed { items, .. }
    | JobEventKind::Cancelled { items, .. }) = end
    else {
        return true;
    };
    items.iter().all(|(name, count)| job.items.get(name).copied().unwrap_or(0) >= *count)
}

/// Puts a reference into the result for each list that came as items: `{"$items": {job_id, name, count}}`.
fn with_item_lists(mut result: Value, id: JobId, lists: &BTreeMap<String, u64>) -> Value {
    if lists.is_empty() {
        return result;
    }
    if result.is_null() {
        result = json!({});
    }
    if let Some(fields) = result.as_object_mut() {
        for (name, count) in lists {
            fields.insert(name.clone(), json!({ "$items": { "job_id": id, "name": name, "count": count } }));
        }
    }
    result
}

/// Takes a progress report; the bar never goes back. Whether anything changed.
fn take_progress(job: &mut Job, report: &ProgressReport, seq: u64) -> bool {
    let message = job.message.take(report.message.clone(), seq);
    let processed = job.processed.take(report.processed, seq);
    let total = job.total.take(report.total, seq);
    let before = job.progress;
    // A report that knows both counts speaks for itself, so that no order of reports changes the highest. A worker that
    // sends only what is new is read together with what it sent before.
    let (done, of) = match (report.processed, report.total) {
        (Some(done), Some(of)) => (Some(done), Some(of)),
        _ if processed || total => (job.processed.value, job.total.value),
        _ => (None, None),
    };
    if let Some(progress) = Progress::reported(report, done, of) {
        job.progress = before.max(progress);
    }
    message || processed || total || job.progress != before
}

/// Takes the progress that a dispatch ended at, whatever reports came before: they are parts of it.
fn take_snapshot(job: &mut Job, report: &ProgressReport, seq: u64) {
    let newest = seq.max(job.message.seq).max(job.processed.seq).max(job.total.seq);
    take_progress(job, report, newest.saturating_add(1));
}
