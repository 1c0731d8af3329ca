//! What must hold after every fold, whatever happened.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use drover_protocol::{JobId, JobStatus, StepStatus};

use super::store::{Row, Store};
use crate::{
    Job, PauseReason, Progress, StepState, Tree,
    definition::Work,
    fold::report::{is_at_work, is_resting},
    view,
    workflow::Ending,
};

/// What was seen of each job the last time.
#[derive(Debug, Default)]
pub struct Audit {
    seen: HashMap<JobId, Seen>,
    /// The dispatch that was published last.
    pub published: HashMap<JobId, u32>,
}

#[derive(Debug)]
struct Seen {
    run: u32,
    attempt: u32,
    dispatch: u32,
    status: JobStatus,
    progress: Progress,
    current_step: usize,
    steps: Vec<StepStatus>,
}

impl Audit {
    /// Checks every row.
    pub fn check(&mut self, store: &Store) {
        self.check_rows(store, store.rows.values());
    }

    /// Checks these rows only: those that a transaction wrote, and their workflows.
    pub fn check_some<'a>(&mut self, store: &'a Store, jobs: impl Iterator<Item = &'a JobId>) {
        self.check_rows(store, jobs.filter_map(|id| store.rows.get(id)));
    }

    fn check_rows<'a>(&mut self, store: &Store, rows: impl Iterator<Item = &'a Arc<Row>>) {
        for row in rows {
            let job = &row.job;
            self.moves_forward(store, job);
            pause_is_consistent(store, job);
            if job.is_signal() {
                let waits = job.status == JobStatus::Running || job.due_at.is_some() || job.is_terminal();
                assert!(waits, "nobody can ever answer {}", brief(job));
                assert!(job.lease.is_none(), "a worker has {}", brief(job));
            } else if job.workflow.is_some() {
                counters_add_up(store, job);
                skips_are_said(store, job);
                workflow_is_consistent(store, row);
            } else if !job.is_terminal() {
                // I1: there is something that will move it on.
                let published = job.dispatch > 0 && self.published.get(&job.id) == Some(&job.dispatch);
                // What was withdrawn in the fold that dispatched it was never published: it is resumed, or its cancel settles.
                let withdrawn = job.paused.is_some() || job.status == JobStatus::Cancelling;
                let moves_on = published || withdrawn || job.due_at.is_some() || job.lease.is_some();
                assert!(moves_on, "nobody will ever start {}", brief(job));
            }
            let seen = Seen::of(store, job);
            self.seen.insert(job.id, seen);
        }
    }

    fn moves_forward(&self, store: &Store, job: &Job) {
        let Some(before) = self.seen.get(&job.id) else { return };
        let now = Seen::of(store, job);
        assert!(now.run >= before.run && now.attempt >= before.attempt, "an older attempt: {}", brief(job));
        assert!(now.dispatch >= before.dispatch, "the fence went back: {}", brief(job));
        if now.run != before.run {
            return;
        }
        assert!(now.progress >= before.progress, "I5: the bar went back from {:?}: {}", before.progress, brief(job));
        if before.status.is_terminal() {
            assert_eq!(now.status, before.status, "a terminal status changed: {}", brief(job));
        }
        if now.dispatch == before.dispatch {
            assert!(now.current_step >= before.current_step, "the current step went back: {}", brief(job));
            for (now, before) in now.steps.iter().zip(&before.steps) {
                assert!(rank(*now) >= rank(*before), "a step went from {before} to {now}: {}", brief(job));
                assert!(rank(*before) < 2 || now == before, "a step went from {before} to {now}: {}", brief(job));
            }
        }
    }
}

const fn rank(status: StepStatus) -> u8 {
    match status {
        StepStatus::Pending => 0,
        StepStatus::Running => 1,
        _ => 2,
    }
}

impl Seen {
    fn of(store: &Store, job: &Job) -> Self {
        let job = store.load(job.id).unwrap();
        let steps = job.workflow.iter().flat_map(|workflow| workflow.state.steps.iter().map(|step| step.status));
        Self {
            run: job.run,
            attempt: job.attempt,
            dispatch: job.dispatch,
            status: job.status,
            progress: job.progress,
            current_step: view::metadata(&job).map_or(0, |metadata| metadata.current_step),
            steps: steps.collect(),
        }
    }
}

/// A pause holds back everything below it that has not begun, and nothing that is not below it.
fn pause_is_consistent(store: &Store, job: &Job) {
    let above = job.parent.and_then(|parent| store.rows[&parent.id].job.paused.as_ref());
    let waits = job.status == JobStatus::Pending || job.status == JobStatus::Running && job.is_ours();
    match &job.paused {
        Some(paused) => {
            match paused.reason {
                PauseReason::Asked => {}
                PauseReason::Parent => assert!(above.is_some(), "nobody paused it: {}", brief(job)),
                PauseReason::Settling => assert!(above.is_none(), "it may begin below a pause: {}", brief(job)),
            }
            assert!(!job.is_ours() || job.timeout_at.is_none(), "its clock goes on: {}", brief(job));
        }
        None => assert!(above.is_none() || !waits, "it may begin below a pause: {}", brief(job)),
    }
}

/// The jobs of which nothing may be begun.
#[derive(Debug, Default)]
pub struct Held(HashSet<JobId>);

impl Held {
    /// Those that are paused now.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let held = |job: &&Job| job.paused.as_ref().is_some_and(|paused| !paused.reason.is_over());
        Self(store.rows.values().map(|row| &row.job).filter(held).map(|job| job.id).collect())
    }

    /// Whether the job, or one above it, is among them. A cancel goes on through every pause above it.
    #[must_use]
    pub fn holds(&self, tree: &Tree, id: JobId) -> bool {
        let above = |id: &JobId| tree.get(*id).and_then(|job| job.parent).map(|parent| parent.id);
        let goes_on = |id: &JobId| tree.get(*id).is_none_or(|job| job.status != JobStatus::Cancelling);
        std::iter::successors(Some(id), above).take_while(goes_on).any(|id| self.0.contains(&id))
    }
}

/// Each sub-job stands in exactly one bucket, and the sums are theirs.
fn counters_add_up(store: &Store, job: &Job) {
    let workflow = job.workflow.as_ref().unwrap();
    for (index, step) in workflow.state.steps.iter().enumerate() {
        let Some(total) = step.total else {
            assert_eq!((step.open, step.done, step.failed), (0, 0, 0), "counts of nothing: {step:?}");
            continue;
        };
        let sub_jobs = store.children.range((job.id, index, None)..=(job.id, index, Some(u32::MAX)));
        let mut open = BTreeMap::new();
        let (mut done, mut with_errors, mut failed, mut errors, mut done_errors, mut sum) = (0, 0, 0, 0, 0, 0);
        for ((_, _, batch), id) in sub_jobs {
            let sub_job = &store.rows[id].job;
            if !counts(step, *batch, sub_job) {
                assert!(sub_job.is_terminal(), "an uncounted sub-job is under way: {}", brief(sub_job));
                continue;
            }
            sum += i64::from(sub_job.progress.hundredths());
            errors += if sub_job.is_terminal() { sub_job.error_count } else { 0 };
            match sub_job.status {
                JobStatus::Completed => done += 1,
                JobStatus::CompletedWithErrors => {
                    (done, with_errors) = (done + 1, with_errors + 1);
                    done_errors += sub_job.error_count;
                }
                JobStatus::Failed | JobStatus::Cancelled => failed += 1,
                _ => {
                    open.insert(batch.unwrap_or(0), sub_job);
                }
            }
        }
        let place = format!("step {index} of {} {step:?}", job.job_type);
        assert_eq!((step.done, step.with_errors, step.failed), (done, with_errors, failed), "{place}");
        assert_eq!(step.open, u32::try_from(open.len()).unwrap(), "open sub-jobs, {place}");
        assert!(step.done + step.failed + step.open <= total, "more than there are, {place}");
        assert_eq!(step.progress_sum, sum, "sum of progress, {place}");
        assert_eq!(step.done_errors, done_errors, "errors of completed sub-jobs, {place}");
        let own_errors = step.error_count.checked_sub(errors).unwrap();
        assert!(own_errors == 0 || step.status == StepStatus::Failed && own_errors == 1, "errors, {place}");
        let running: BTreeMap<u32, (JobId, Progress)> = open
            .into_iter()
            .filter(|(_, sub_job)| is_at_work(sub_job))
            .map(|(batch, sub_job)| (batch, (sub_job.id, sub_job.progress)))
            .collect();
        assert_eq!(step.running, running, "running sub-jobs, {place}");
        let rests = |(batch, (id, _)): (&u32, &(JobId, Progress))| {
            let sub_job = store.load(*id).unwrap();
            is_resting(&sub_job).then_some(*batch)
        };
        assert_eq!(step.resting, running.iter().filter_map(rests).collect::<BTreeSet<_>>(), "resting, {place}");
    }
}

/// A step that was skipped after it had begun says so in the words of its sub-workflow, which completed; one that runs nothing has
/// nothing.
fn skips_are_said(store: &Store, job: &Job) {
    let workflow = job.workflow.as_ref().unwrap();
    for (index, step) in workflow.state.steps.iter().enumerate() {
        let place = format!("step {index} of {} {step:?}", job.job_type);
        if workflow.step(index).is_some_and(|definition| definition.work == Work::Milestone) {
            let begun = step.started_at.is_some();
            assert_eq!((step.total.unwrap_or(0), step.job_id), (0, None), "it runs something, {place}");
            assert!(!begun || rank(step.status) == 2, "it waits, {place}");
        }
        if step.status != StepStatus::Skipped || step.started_at.is_none() {
            continue;
        }
        let sub_job = &store.rows[&step.job_id.unwrap()].job;
        let reason = match &sub_job.workflow.as_ref().unwrap().state.ending {
            Some(Ending::Early { message, skip: true }) => message,
            other => panic!("nobody said that there was nothing to do but {other:?}, {place}"),
        };
        let said = step.error.as_ref().map(|error| (error.kind.as_str(), error.message.as_str()));
        assert_eq!((sub_job.status, said), (JobStatus::Completed, Some(("skipped", reason.as_str()))), "{place}");
        assert_eq!((step.error_count, step.progress), (0, Progress::FULL), "{place}");
    }
}

/// Whether this run of the step has come to the sub-job, or keeps what an earlier one completed.
fn counts(step: &StepState, batch: Option<u32>, sub_job: &Job) -> bool {
    let Some(batch) = batch else { return step.job_id == Some(sub_job.id) };
    let kept = batch < step.redo_from() && sub_job.progress == Progress::FULL;
    step.total.is_some_and(|total| batch < total) && (batch < step.cursor || kept)
}

fn workflow_is_consistent(store: &Store, row: &Row) {
    let job = &row.job;
    let state = &job.workflow.as_ref().unwrap().state;
    let sub_jobs = store.children.range((job.id, 0, None)..=(job.id, usize::MAX, Some(u32::MAX)));
    let open = sub_jobs.filter(|(_, id)| !store.rows[id].job.is_terminal()).count();
    if !job.is_terminal() {
        assert!(open > 0 || job.due_at.is_some() || job.paused.is_some(), "I1: it waits for nothing: {}", brief(job));
        return;
    }
    assert_eq!(open, 0, "I4: it ended before its sub-jobs: {}", brief(job));
    if job.dispatch > 0 || job.status == JobStatus::Cancelled {
        let result = row.result.as_ref().unwrap_or_else(|| panic!("an end without a result: {}", brief(job)));
        assert_eq!(result["status"], job.status.as_str(), "{}", brief(job));
        assert_eq!(result["job_id"], job.id.to_string());
        assert_eq!(result["summary"]["total_errors"], job.workflow.as_ref().unwrap().error_count());
        assert!(state.steps.iter().all(|step| rank(step.status) == 2 || step.started_at.is_none()), "{}", brief(job));
    }
    let errors = job.workflow.as_ref().unwrap().has_errors();
    match job.status {
        JobStatus::Completed => assert!(!errors && job.error.is_none(), "fault 8: errors are hidden: {}", brief(job)),
        JobStatus::CompletedWithErrors => {
            assert!(errors && job.error_count > 0 && job.error.is_none(), "{}", brief(job))
        }
        JobStatus::Failed => assert!(job.error_count > 0, "{}", brief(job)),
        _ => assert!(state.ending == Some(Ending::Cancel), "{}", brief(job)),
    }
}

/// What a failure should show of a job.
#[must_use]
pub fn brief(job: &Job) -> String {
    let steps = job.workflow.iter().flat_map(|workflow| &workflow.state.steps).map(|step| format!("\n    {step:?}"));
    format!(
        "{} {} {} {:?} attempt {} dispatch {} run {} due {:?} paused {:?} error {:?}{}",
        job.job_type,
        job.id,
        job.status,
        job.progress,
        job.attempt,
        job.dispatch,
        job.run,
        job.due_at,
        job.paused,
        job.error,
        steps.collect::<String>()
    )
}
