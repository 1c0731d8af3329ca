//! Inputs made again.

use drover_protocol::{JobEvent, JobEventKind, JobId, ProgressReport, WorkerSession};

use super::Line;
use crate::{
    Fold, Ignored, Input, Job, Outcome,
    record::{Envelope, Kept, Reported},
};

/// Folds a line's input, after the reports that it made final.
pub(super) fn apply(fold: &mut Fold<'_>, line: &Line, kept: Kept, reported: Reported) -> Outcome {
    if let Some(worker_session) = reported.started {
        begin(fold, line, worker_session);
    }
    for (id, below) in reported.reported_below {
        report(fold, id, below);
    }
    if let Some(own) = reported.reported {
        report(fold, line.job_id, own);
    }
    let Some(job) = fold.tree.get(line.job_id) else { return Outcome::Ignored(Ignored::UnknownJob) };
    match input(job, line, kept) {
        Some(input) => fold.apply(input),
        // What the input speaks of, a lease or a time-out, the rebuilt job does not have.
        None => Outcome::Ignored(Ignored::Repeat),
    }
}

fn begin(fold: &mut Fold<'_>, line: &Line, worker_session: WorkerSession) {
    let Some(job) = fold.tree.get(line.job_id) else { return };
    // That the rebuilt job cannot begin will show in what follows.
    if let Some(started) = input(job, line, Kept::Started { worker_session }) {
        let _ = fold.apply(started);
    }
}

/// Folds what the reports of a job's lease came to, as one report.
pub(super) fn report(fold: &mut Fold<'_>, id: JobId, report: ProgressReport) {
    let Some(job) = fold.tree.get(id) else { return };
    // That the rebuilt job takes no report will show in what follows.
    let _ = fold.apply(Input::Event(event(job, None, fold_seq(job), JobEventKind::Progress(report))));
}

/// A number above those that the job has seen.
fn fold_seq(job: &Job) -> u64 {
    job.message.seq.max(job.processed.seq).max(job.total.seq).saturating_add(1)
}

/// The input that a line keeps: with the dispatch that counts, the session that holds the lease, the time that is up.
pub(super) fn input(job: &Job, line: &Line, kept: Kept) -> Option<Input> {
    let (job_id, dispatch) = (job.id, job.dispatch);
    let own = |kind| Some(Input::Event(event(job, None, fold_seq(job), kind)));
    let with = |envelope: Option<Envelope>, kind| Some(Input::Event(enveloped(job, envelope, kind)));
    match kept {
        // Made by the replay itself: there is no such input to an existing job.
        Kept::Created { .. } => None,
        Kept::Started { worker_session } => {
            Some(Input::Event(event(job, Some(worker_session), 0, JobEventKind::Started)))
        }
        Kept::Items { name, count: _, worker_session, seq } => {
            let kind = JobEventKind::Items { name, values: line.values.clone().unwrap_or_default() };
            Some(Input::Event(event(job, Some(worker_session), seq, kind)))
        }
        Kept::Completed { result, warnings, items, progress, parked } => {
            with(parked, JobEventKind::Completed { result, warnings, items, progress })
        }
        Kept::CompletedWithErrors { result, errors, items, progress, parked } => {
            with(parked, JobEventKind::CompletedWithErrors { result, errors, items, progress })
        }
        Kept::Failed { error, result, items, progress, parked } => {
            with(parked, JobEventKind::Failed { error, result, items, progress })
        }
        Kept::Cancelled { result, items, progress, parked } => {
            with(parked, JobEventKind::Cancelled { result, items, progress })
        }
        Kept::Released { progress } => own(JobEventKind::Released { progress }),
        Kept::WorkerLost => job.lease.map(|session| Input::LeaseLost { job_id, dispatch, session }),
        Kept::Due => Some(Input::Due { job_id }),
        Kept::TimedOut => job.timeout_at.map(|timeout_at| Input::TimedOut { job_id, timeout_at }),
        Kept::Undeliverable { error } => Some(Input::Undeliverable { job_id, dispatch, error }),
        Kept::Cancel { now } => Some(Input::Cancel { job_id, now }),
        Kept::Pause => Some(Input::Pause { job_id }),
        Kept::Resume => Some(Input::Resume { job_id }),
        Kept::NeverStarted => Some(Input::NeverStarted { job_id, dispatch }),
        Kept::Retry { from_start } => Some(Input::Retry { job_id, from_start }),
        Kept::Republish => Some(Input::Republish { job_id, dispatch }),
        Kept::Answer(answer) => Some(Input::Answer { job_id, dispatch: Some(dispatch), answer }),
    }
}

fn enveloped(job: &Job, envelope: Option<Envelope>, kind: JobEventKind) -> JobEvent {
    match envelope {
        Some(Envelope { attempt, worker_session, seq, at }) => {
            JobEvent { job_id: job.id, attempt, dispatch: job.dispatch, worker_session, seq, at, kind }
        }
        None => event(job, None, fold_seq(job), kind),
    }
}

/// An event of the current dispatch. Whose it is decides nothing where nobody has the lease, nor does its time.
fn event(job: &Job, session: Option<WorkerSession>, seq: u64, kind: JobEventKind) -> JobEvent {
    let worker_session = session.or(job.lease).unwrap_or(WorkerSession(uuid::Uuid::nil()));
    let (job_id, attempt, dispatch, at) = (job.id, job.attempt, job.dispatch, job.created_at);
    JobEvent { job_id, attempt, dispatch, worker_session, seq, at, kind }
}
