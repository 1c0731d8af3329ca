//! How jobs come to be and are dispatched.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, JobType, RunningJob};
use serde_json::Value;

use super::{Fold, Seen, defer::is_deferred, kept_time};
use crate::{
    Command, Ignored, Job, Outcome, Parent, Progress, Stamped, Trigger, Workflow, expression::BatchScope, job::Policy,
    record::Kept,
};

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// The outermost workflow, or itself.
    pub root_id: JobId,
    /// The workflow it belongs to.
    pub parent: Option<Parent>,
    /// The type, or the workflow's name.
    pub job_type: JobType,
    /// The parameters, checked.
    pub params: Value,
    /// When to try again, and how long a try may take.
    pub policy: Policy,
    /// Its steps, if it is a workflow.
    pub workflow: Option<Workflow>,
    /// Not before this time.
    pub run_at: Option<DateTime<Utc>>,
}

impl Fold<'_> {
    /// Makes a job and starts it, or lets it wait for its time.
    pub fn create(&mut self, new: NewJob) {
        let id = new.id;
        let run_at = new.run_at.map(kept_time);
        let submitted = new.parent.is_none().then_some(Kept::Created { run_at });
        let job = Job {
            id,
            root_id: new.root_id,
            parent: new.parent,
            job_type: new.job_type,
            status: JobStatus::Pending,
            attempt: 1,
            dispatch: 0,
            run: 0,
            round: 1,
            failures: 0,
            losses: 0,
            progress: Progress::ZERO,
            message: Stamped::default(),
            processed: Stamped::default(),
            total: Stamped::default(),
            policy: new.policy,
            lease: None,
            due_at: run_at.filter(|run_at| *run_at > self.now),
            timeout_at: None,
            cancel: None,
            paused: None,
            error: None,
            error_count: 0,
            result: None,
            items: BTreeMap::new(),
            parked: None,
            params: Some(new.params),
            created_at: self.now,
            started_at: None,
            finished_at: None,
            workflow: new.workflow,
        };
        let waits = job.due_at.is_some();
        self.note_made(job.root_id);
        self.tree.created.insert(id);
        self.tree.enter(job);
        self.touch(id);
        self.record(id, "created", Value::Null);
        if let (Some(kept), Some(Command::Record(record))) = (submitted, self.effects.last_mut()) {
            (record.input, record.detail) = (Some(kept.name()), kept.fields());
        }
        if !waits {
            let seen = self.see(id);
            self.begin(id);
            self.report(id, seen);
        }
    }

    /// The job's time has come: a retry's, that of a job submitted for later, that of a workflow which goes on in another fold.
    pub(super) fn due(&mut self, id: JobId) -> Outcome {
        let Some(job) = self.tree.get(id) else { return Outcome::Ignored(Ignored::UnknownJob) };
        // One that is paused begins when it is resumed.
        let waits = job.paused.is_some() || job.due_at.is_none_or(|due_at| due_at > self.now);
        if waits {
            return Outcome::Ignored(Ignored::Repeat);
        }
        if is_deferred(job) {
            self.end_deferral(id);
            return Outcome::Applied;
        }
        let seen = Seen::of(job);
        self.take_turn(id);
        self.report(id, seen);
        Outcome::Applied
    }

    /// Starts a pending job whose turn has come, after an attempt that failed or for the first time.
    pub(super) fn take_turn(&mut self, id: JobId) {
        if self.tree.get(id).is_some_and(|job| job.workflow.is_some() && job.failures > 0) {
            self.rewind(id, false);
        }
        self.begin(id);
    }

    /// Starts a pending job: a worker's job is published, a workflow's steps begin. One that is paused waits.
    pub(super) fn begin(&mut self, id: JobId) {
        let Some(job) = self.tree.get(id) else { return };
        if job.paused.is_some() {
            self.hold_back(id);
            return;
        }
        if !job.is_ours() {
            self.dispatch(id);
            return;
        }
        let is_signal = job.is_signal();
        if self.transit(id, Trigger::Start).is_err() {
            return;
        }
        let now = self.now;
        if let Some(job) = self.tree.jobs.get_mut(&id) {
            job.dispatch += 1;
            (job.due_at, job.result) = (None, None);
            job.timeout_at = job.policy.timeout_ms.and_then(|timeout_ms| {
                now.checked_add_signed(chrono::TimeDelta::milliseconds(i64::try_from(timeout_ms).unwrap_or(i64::MAX)))
            });
        }
        self.record(id, "started", Value::Null);
        if is_signal {
            self.wait_for_answer(id);
        } else {
            self.touched.insert(id);
        }
    }

    /// Publishes a worker's job under a new fence.
    fn dispatch(&mut self, id: JobId) {
        let Some(job) = self.tree.jobs.get_mut(&id) else { return };
        job.dispatch += 1;
        (job.due_at, job.timeout_at, job.lease) = (None, None, None);
        (job.message.seq, job.processed.seq, job.total.seq) = (0, 0, 0);
        (job.parked, job.items, job.result) = (None, BTreeMap::new(), None);
        let dispatch = job.dispatch;
        self.effects.push(Command::Publish { job_id: id, dispatch });
        self.record(id, "dispatched", Value::Null);
        self.touch(id);
    }

    /// The message of the dispatch cannot be published, whatever is tried.
    pub(super) fn undeliverable(&mut self, id: JobId, dispatch: u32, error: JobError) -> Outcome {
        match self.not_started(id, dispatch) {
            Ok(()) => self.failed(id, error),
            Err(why) => Outcome::Ignored(why),
        }
    }

    /// The queue lost the dispatch. One that is cancelled is not published again: its cancel settles without it. Nor is one
    /// that is paused: it gets a new dispatch when it is resumed.
    pub(super) fn republish(&mut self, id: JobId, dispatch: u32) -> Outcome {
        match self.not_started(id, dispatch) {
            Ok(())
                if self.tree.get(id).is_some_and(|job| job.status == JobStatus::Cancelling || job.paused.is_some()) =>
            {
                Outcome::Ignored(Ignored::Repeat)
            }
            Ok(()) => {
                // Its message may turn up after all.
                self.effects.push(Command::Withdraw(RunningJob { job_id: id, dispatch }));
                self.release(id, "republished")
            }
            Err(why) => Outcome::Ignored(why),
        }
    }

    /// Whether the dispatch is published and, as far as is known, no worker has begun it.
    fn not_started(&self, id: JobId, dispatch: u32) -> Result<(), Ignored> {
        match self.tree.get(id) {
            None => Err(Ignored::UnknownJob),
            Some(job) if job.is_terminal() => Err(Ignored::Finished),
            Some(job) if job.dispatch != dispatch || !job.is_published() => Err(Ignored::OtherDispatch),
            Some(job) if job.lease.is_some() => Err(Ignored::Repeat),
            Some(_) => Ok(()),
        }
    }
}

/// What a workflow's expressions see as `input` and `batch`.
pub(super) fn input_of(workflow: &Workflow, params: &Arc<Value>) -> (Arc<Value>, Option<BatchScope>) {
    if workflow.definition.path.is_empty() {
        return (Arc::clone(params), None);
    }
    let input = params.get("input").cloned().unwrap_or(Value::Null);
    let batch = params.get("batch").map(|batch| BatchScope {
        index: batch.get("index").and_then(Value::as_u64).unwrap_or(0),
        count: batch.get("count").and_then(Value::as_u64).unwrap_or(0),
        items: batch.get("items").cloned().unwrap_or(Value::Null),
    });
    (Arc::new(input), batch)
}
