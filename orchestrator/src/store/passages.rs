//! What began and what ended in a fold, for whoever counts.

use std::collections::HashSet;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use drover_engine::{Job, Tree};
use drover_protocol::{JobId, JobStatus, JobType};
use drover_service::telemetry::{EndedSpan, Traces};

use super::load::RootTraces;
use crate::traces;

/// A job began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// A worker began it.
    Began {
        /// Its type.
        job_type: JobType,
        /// Since its dispatch was decided.
        waited: TimeDelta,
    },
    /// It ended.
    Ended {
        /// Its type.
        job_type: JobType,
        /// How.
        status: JobStatus,
        /// Since its first attempt began; `None`: it never did.
        ran: Option<TimeDelta>,
    },
}

/// What a fold at `now` did. `waiting`: the jobs that were pending before, and since when their rows had not changed, which is
/// when they were dispatched; `reported`: those of which a worker reported something.
pub(super) fn of(
    tree: &Tree,
    now: DateTime<Utc>,
    waiting: &[(JobId, DateTime<Utc>)],
    reported: &HashSet<JobId>,
) -> Vec<Passage> {
    // As the fold has it.
    let now = now.trunc_subsecs(6);
    let began = waiting.iter().filter(|(id, _)| reported.contains(id)).filter_map(|(id, since)| {
        let job = tree.get(*id).filter(|job| job.status != JobStatus::Pending && job.started_at.is_some())?;
        Some(Passage::Began { job_type: job.job_type.clone(), waited: span(*since, now) })
    });
    let ended = |job: &Job| {
        let (job_type, status) = (job.job_type.clone(), job.status);
        let just_now = job.finished_at == Some(now);
        just_now.then(|| Passage::Ended { job_type, status, ran: job.started_at.map(|at| span(at, now)) })
    };
    began.chain(tree.created().chain(tree.changed()).filter_map(ended)).collect()
}

/// The spans of the jobs that ended in a fold at `now`, if anybody looks at them.
pub(super) fn spans(tree: &Tree, now: DateTime<Utc>, roots: &RootTraces, traces: &Traces) -> Vec<EndedSpan> {
    if !traces.are_on() || roots.is_empty() {
        return Vec::new();
    }
    let now = now.trunc_subsecs(6);
    let ended = tree.created().chain(tree.changed()).filter(|job| job.finished_at == Some(now));
    ended.filter_map(|job| traces::of_job(job, tree, *roots.get(&job.root_id)?)).collect()
}

/// Never below zero: replicas have clocks of their own.
fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
    (to - from).max(TimeDelta::zero())
}
