//! What an input leaves in the history.

use std::collections::{BTreeMap, HashMap, HashSet};

use drover_protocol::{JobId, ProgressReport, WorkerSession};
use serde_json::{Map, Value};

use super::{Fold, JobStatus};
use crate::{
    Command, Given, Input, Job, Progress, Record,
    record::{self, Kept, Reported, Reports},
};

/// An input that is about to be folded, and what its job's reports had come to.
pub(super) struct Keep {
    job_id: JobId,
    kept: Kept,
    lease: Option<WorkerSession>,
    reported: Reported,
}

impl Fold<'_> {
    /// What is to be kept of an input if it changes something. A progress report is kept only where it takes the lease.
    pub(super) fn keep(&self, input: &Input) -> Option<Keep> {
        let job = self.tree.get(input.job_id())?;
        if job.lease.is_some() && input.is_progress() {
            return None;
        }
        let (kept, reports) = Kept::of(input)?;
        let mut reported_below = match reports {
            Reports::None => BTreeMap::new(),
            Reports::Below => self.reports_below(job.id),
            Reports::Beside => job.parent.map(|parent| self.reports_below(parent.id)).unwrap_or_default(),
        };
        reported_below.remove(&job.id);
        let reported = job.lease.is_some().then(|| report_of(job));
        let reported = Reported { started: None, reported, reported_below };
        Some(Keep { job_id: job.id, kept, lease: job.lease, reported })
    }

    fn reports_below(&self, id: JobId) -> BTreeMap<JobId, ProgressReport> {
        let leaves = self.unfinished_leaves(id).into_iter().filter_map(|leaf| self.tree.get(leaf));
        let leased = leaves.filter(|job| job.lease.is_some());
        leased.map(|job| (job.id, report_of(job))).filter(|(_, report)| *report != ProgressReport::default()).collect()
    }

    /// Puts an input that was applied into the first record that it led to; those that are its own begin at `first`.
    pub(super) fn kept(&mut self, keep: Keep, first: usize) {
        let Keep { job_id, mut kept, lease, mut reported } = keep;
        let Some(job) = self.tree.get(job_id) else { return };
        if job.parked.is_none() {
            kept.not_parked();
        }
        // Reports come under a lease. While it lasts there may be more of them.
        let ended = lease.is_some() && job.lease != lease;
        let full = matches!(job.status, JobStatus::Completed | JobStatus::CompletedWithErrors);
        reported.reported =
            reported.reported.filter(|_| ended).and_then(|report| unsaid(report, kept.progress(), full));
        let index = self.own_record(job_id, first).unwrap_or_else(|| {
            let record = self.new_record(job_id, kept.name(), Map::new());
            self.effects.splice(first..first, record.map(Command::Record));
            first
        });
        if let Some(Command::Record(record)) = self.effects.get_mut(index) {
            record.input = Some(kept.name());
            record.detail.extend(kept.fields());
            record.detail.extend(reported.fields());
        }
    }

    /// The record that tells best what an input of the job did, rather than what goes with it: that its worker has the lease,
    /// that its message is withdrawn.
    fn own_record(&self, job_id: JobId, first: usize) -> Option<usize> {
        let own = |(index, effect): (usize, &Command)| match effect {
            Command::Record(record) if record.job_id == job_id => Some((first + index, record.kind)),
            _ => None,
        };
        let own: Vec<(usize, &str)> = self.effects.iter().skip(first).enumerate().filter_map(own).collect();
        let telling = own.iter().find(|(_, kind)| !matches!(*kind, "started" | "withdrawn"));
        telling.or(own.first()).map(|(index, _)| *index)
    }

    pub(super) fn record(&mut self, id: JobId, kind: &'static str, detail: Value) {
        let mut fields = match detail {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.retain(|_, value| !value.is_null());
        let record = self.new_record(id, kind, fields);
        self.effects.extend(record.map(Command::Record));
    }

    fn new_record(&mut self, id: JobId, kind: &'static str, detail: Map<String, Value>) -> Option<Record> {
        let job = self.tree.jobs.get(&id)?;
        let (root_id, attempt, dispatch) = (job.root_id, job.attempt, job.dispatch);
        self.given_for(root_id);
        Some(Record { at: self.now, root_id, job_id: id, attempt, dispatch, kind, detail, input: None, given: None })
    }

    pub(super) fn given_for(&mut self, root: JobId) -> &mut Given {
        let limits = self.limits;
        self.given.entry(root).or_insert_with(|| Given::new(limits))
    }

    /// What the fold was given for each tree that it has records of. To be noted on the first of them.
    pub fn given(&mut self) -> BTreeMap<JobId, Given> {
        std::mem::take(&mut self.given)
    }
}

/// The same in fewer lines, since each costs as much as the job's own row: a sub-job is made and dispatched in one line, and one
/// that begins and ends within a fold has one line, which names who began it ([`Reported::started`]).
pub(super) fn briefly(mut effects: Vec<Command>) -> Vec<Command> {
    let (mut created, mut started) = (HashMap::new(), HashMap::new());
    let (mut spare, mut begun) = (HashSet::new(), Vec::new());
    for (index, effect) in effects.iter().enumerate() {
        let Command::Record(record) = effect else { continue };
        let dispatch = (record.job_id, record.dispatch);
        match record.kind {
            "created" if record.input.is_none() => drop(created.insert(record.job_id, index)),
            "dispatched" => spare.extend(created.remove(&record.job_id)),
            "started" if record.input == Some("started") => drop(started.insert(dispatch, index)),
            "completed" | "completed_with_errors" | "failed" | "cancelled" | "retry_scheduled" | "released"
                if record.input.is_some_and(record::is_end) =>
            {
                begun.extend(started.remove(&dispatch).map(|started| (started, index)));
            }
            // What it did to other jobs may depend on whether they had begun, and they may have no line of it: a pause holds back what has
            // not begun, a cancel that waits for clean-up notes what is reported of it.
            _ if record.input.is_some_and(|input| !record::is_of_worker(input)) => started.clear(),
            // What came between must come between again, also where it came from above, as a cancel does.
            _ => drop(started.remove(&dispatch)),
        }
    }
    for (started, ended) in begun {
        let Some(Command::Record(start)) = effects.get_mut(started) else { continue };
        let session = start.detail.remove("worker_session");
        if let (Some(session), Some(Command::Record(end))) = (session, effects.get_mut(ended)) {
            end.detail.insert("started".into(), session);
            spare.insert(started);
        }
    }
    let mut index = 0..;
    effects.retain(|_| index.next().is_none_or(|index| !spare.contains(&index)));
    effects
}

/// What a job's reports have come to.
pub(crate) fn report_of(job: &Job) -> ProgressReport {
    // Where both counts are known, a report without a percentage would say that it follows from them.
    let counted = job.processed.value.is_some() && job.total.value.is_some();
    ProgressReport {
        percent: (counted || job.progress > Progress::ZERO).then(|| job.progress.percent()),
        message: job.message.value.clone(),
        processed: job.processed.value,
        total: job.total.value,
    }
}

/// The part of the reports that the end does not say itself. `full`: it completed, wherever its bar stood.
fn unsaid(reported: ProgressReport, end: Option<&ProgressReport>, full: bool) -> Option<ProgressReport> {
    let none = ProgressReport::default();
    let end = end.unwrap_or(&none);
    let processed = reported.processed.filter(|_| end.processed.is_none());
    let total = reported.total.filter(|_| end.total.is_none());
    // A bar that has not moved needs no word, unless it would follow from the counts.
    let counted = processed.is_some() && total.is_some();
    let percent = reported.percent.filter(|percent| !full && (counted || *percent > 0.0));
    let unsaid =
        ProgressReport { percent, message: reported.message.filter(|_| end.message.is_none()), processed, total };
    (unsaid != none).then_some(unsaid)
}
