//! What workers and users do, in a word each.

use drover_protocol::{JobError, JobEvent, JobEventKind, JobId, JobStatus, ProgressReport, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::{Answer, Command, Input, Outcome};

/// The worker that does everything unless another one is named.
pub(super) const WORKER: WorkerSession = session(1);

pub(super) const fn session(number: u128) -> WorkerSession {
    WorkerSession(Uuid::from_u128(number))
}

pub(super) fn percent(percent: f64) -> ProgressReport {
    ProgressReport { percent: Some(percent), ..ProgressReport::default() }
}

pub(super) fn completed(result: Value) -> JobEventKind {
    JobEventKind::Completed { result, warnings: Vec::new(), items: [].into(), progress: None }
}

pub(super) fn completed_with_errors(result: Value, errors: usize) -> JobEventKind {
    let errors = (0..errors).map(|number| JobError::permanent("row", format!("row {number}"))).collect();
    JobEventKind::CompletedWithErrors { result, errors, items: [].into(), progress: None }
}

pub(super) fn failed(error: JobError) -> JobEventKind {
    JobEventKind::Failed { error, result: None, items: Default::default(), progress: None }
}

pub(super) fn items(name: &str, values: &[i64]) -> JobEventKind {
    JobEventKind::Items { name: name.into(), values: values.iter().map(|value| json!(value)).collect() }
}

/// An error that another attempt may not meet.
pub(super) fn flaky() -> JobError {
    JobError::retryable("io", "the disk hiccuped")
}

/// An error that every attempt meets.
pub(super) fn broken() -> JobError {
    JobError::permanent("format", "it is no archive")
}

pub(super) fn approved() -> Answer {
    Answer { approved: true, by: Some("ops".into()), reason: None, data: None }
}

pub(super) fn refused(reason: &str) -> Answer {
    Answer { approved: false, by: Some("ops".into()), reason: Some(reason.into()), data: None }
}

impl World {
    /// An event of the job's current dispatch.
    pub(super) fn event(&mut self, id: JobId, kind: JobEventKind) -> JobEvent {
        self.seq += 1;
        let (attempt, dispatch, at) = (self.job(id).attempt, self.job(id).dispatch, self.now);
        JobEvent { job_id: id, attempt, dispatch, worker_session: WORKER, seq: self.seq, at, kind }
    }

    /// Sends an event of the current dispatch.
    pub(super) fn send(&mut self, id: JobId, kind: JobEventKind) -> Outcome {
        let event = self.event(id, kind);
        self.apply(Input::Event(event))
    }

    /// Sends one that must count.
    pub(super) fn report(&mut self, id: JobId, kind: JobEventKind) {
        assert_eq!(self.send(id, kind.clone()), Outcome::Applied, "{kind:?}");
    }

    pub(super) fn start(&mut self, id: JobId) {
        self.report(id, JobEventKind::Started);
    }

    pub(super) fn progress(&mut self, id: JobId, hundred: f64) {
        self.report(id, JobEventKind::Progress(percent(hundred)));
    }

    pub(super) fn say(&mut self, id: JobId, message: &str) {
        let report = ProgressReport { message: Some(message.into()), ..ProgressReport::default() };
        self.report(id, JobEventKind::Progress(report));
    }

    pub(super) fn complete(&mut self, id: JobId, result: Value) {
        self.report(id, completed(result));
    }

    pub(super) fn fail(&mut self, id: JobId, error: JobError) {
        self.report(id, failed(error));
    }

    /// The worker says that it stopped.
    pub(super) fn stopped(&mut self, id: JobId) {
        self.report(id, JobEventKind::Cancelled { result: None, items: Default::default(), progress: None });
    }

    pub(super) fn lose(&mut self, id: JobId) -> Outcome {
        let job = self.job(id);
        self.apply(Input::LeaseLost { job_id: id, dispatch: job.dispatch, session: job.lease.unwrap_or(WORKER) })
    }

    pub(super) fn cancel(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Cancel { job_id: id, now: false })
    }

    pub(super) fn cancel_now(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Cancel { job_id: id, now: true })
    }

    pub(super) fn pause(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Pause { job_id: id })
    }

    pub(super) fn resume(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Resume { job_id: id })
    }

    /// Every worker says that it has not started the cancelled job.
    pub(super) fn never_started(&mut self, id: JobId) -> Outcome {
        let dispatch = self.job(id).dispatch;
        self.apply(Input::NeverStarted { job_id: id, dispatch })
    }

    /// Every worker says that it has not started what was resumed.
    pub(super) fn let_go(&mut self) {
        let resumed = |job: &&crate::Job| job.paused.as_ref().is_some_and(|paused| paused.reason.is_over());
        let ids: Vec<JobId> = self.store.rows.values().map(|row| &row.job).filter(resumed).map(|job| job.id).collect();
        for id in ids {
            assert_eq!(self.never_started(id), Outcome::Applied);
        }
    }

    pub(super) fn retry(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Retry { job_id: id, from_start: false })
    }

    pub(super) fn retry_from_start(&mut self, id: JobId) -> Outcome {
        self.apply(Input::Retry { job_id: id, from_start: true })
    }

    pub(super) fn status(&self, id: JobId) -> JobStatus {
        self.store.rows[&id].job.status
    }

    /// Percent.
    pub(super) fn bar(&self, id: JobId) -> f64 {
        self.store.rows[&id].job.progress.percent()
    }

    pub(super) fn message(&self, id: JobId) -> String {
        self.job(id).message.value.unwrap_or_default()
    }

    /// The statuses of a workflow's steps, by key, as people see them.
    pub(super) fn steps(&self, id: JobId) -> Vec<String> {
        self.metadata(id).steps.iter().map(|step| format!("{} {}", step.key, step.status)).collect()
    }

    /// The parameters that a job got.
    pub(super) fn params(&self, id: JobId) -> Value {
        self.store.rows[&id].params.clone()
    }

    /// Unfinished jobs of workers, in order of their ids.
    pub(super) fn leaves(&self) -> Vec<JobId> {
        let jobs = self.store.rows.values().map(|row| &row.job);
        jobs.filter(|job| !job.is_terminal() && !job.is_ours()).map(|job| job.id).collect()
    }

    /// The jobs that wait for an answer, in order of their ids.
    pub(super) fn signals(&self) -> Vec<JobId> {
        let jobs = self.store.rows.values().map(|row| &row.job);
        jobs.filter(|job| job.is_signal() && job.status == JobStatus::Running).map(|job| job.id).collect()
    }

    pub(super) fn answer(&mut self, id: JobId, answer: Answer) -> Outcome {
        self.apply(Input::Answer { job_id: id, dispatch: None, answer })
    }

    /// The workers that were told to stop a dispatch that is not theirs.
    pub(super) fn stops(&self) -> Vec<(WorkerSession, u32)> {
        let stop = |effect: &Command| match effect {
            Command::Stop { session, job } => Some((*session, job.dispatch)),
            _ => None,
        };
        self.effects.iter().filter_map(stop).collect()
    }

    /// The jobs whose dispatch was buried.
    pub(super) fn tombstones(&self) -> Vec<JobId> {
        let tombstone = |effect: &Command| match effect {
            Command::Tombstone(job) => Some(job.job_id),
            _ => None,
        };
        self.effects.iter().filter_map(tombstone).collect()
    }

    /// The jobs whose dispatch was withdrawn.
    pub(super) fn withdrawn(&self) -> Vec<JobId> {
        let withdrawn = |effect: &Command| match effect {
            Command::Withdraw(job) => Some(job.job_id),
            _ => None,
        };
        self.effects.iter().filter_map(withdrawn).collect()
    }

    /// How often a job was published.
    pub(super) fn publications(&self, id: JobId) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Command::Publish { job_id, .. } if *job_id == id)).count()
    }
}
