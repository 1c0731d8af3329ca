//! What a worker is told when it arrives, before it may start anything.

use std::collections::BTreeMap;

use drover_protocol::{Control, ControlId, RunningJob, WorkerSession};

use crate::{duty::Pace, store::Briefing};

/// Most cancelled dispatches that a worker is told of when it arrives; as many withdrawn ones. It remembers no more.
pub(super) const TOLD: i64 = 100_000;
/// Most dispatches that one message names.
const NAMED: usize = 1_000;

/// The messages, in the order in which its queue keeps them. The welcome comes last: it lets the worker start, and names the
/// newest cancelled dispatches; what it has no room for comes before.
pub(super) fn controls(briefing: Briefing, worker_session: WorkerSession, pace: Pace) -> Vec<Control> {
    let (newest, older) = briefing.cancelled.split_at(briefing.cancelled.len().min(NAMED));
    let mut never = Vec::new();
    let mut withdrawn: BTreeMap<ControlId, Vec<RunningJob>> = BTreeMap::new();
    for (job, control_id) in briefing.withdrawn {
        match control_id {
            Some(control_id) => withdrawn.entry(control_id).or_default().push(job),
            None => never.push(job),
        }
    }
    let mut by_broadcast: BTreeMap<ControlId, Vec<RunningJob>> = BTreeMap::new();
    for (job, control_id) in older {
        match control_id {
            Some(control_id) => by_broadcast.entry(*control_id).or_default().push(*job),
            // Nobody waits for an acknowledgement of it.
            None => never.push(*job),
        }
    }
    let never = never.chunks(NAMED).map(|jobs| Control::Withdraw { control_id: None, jobs: jobs.to_vec() });
    let withdraws =
        withdrawn.into_iter().map(|(control_id, jobs)| Control::Withdraw { control_id: Some(control_id), jobs });
    let cancels = by_broadcast.into_iter().map(|(control_id, jobs)| Control::Cancel { control_id, jobs });
    let welcome = Control::Welcome {
        worker_session,
        cancelled: newest.iter().map(|(job, _)| *job).collect(),
        controls: newest.iter().filter_map(|(_, control_id)| *control_id).collect(),
        paused: Some(briefing.paused),
        lease_seconds: pace.lease.as_secs_f64(),
    };
    never.chain(withdraws).chain(cancels).chain([welcome]).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use drover_protocol::{JobId, encode};
    use uuid::Uuid;

    use super::*;

    fn dispatches(count: usize) -> Vec<RunningJob> {
        (0..count).map(|_| RunningJob { job_id: JobId(Uuid::now_v7()), dispatch: 1 }).collect()
    }

    #[test]
    fn a_worker_is_told_all_that_must_not_start_before_it_is_welcome() {
        let (withdrawn, open, settled) = (dispatches(1_500), dispatches(2_550), dispatches(1_200));
        let broadcasts: Vec<ControlId> = (0..51).map(|_| ControlId(Uuid::now_v7())).collect();
        let waits = open.iter().enumerate().map(|(index, job)| (*job, Some(broadcasts[index / 50])));
        let cancelled: Vec<_> = waits.chain(settled.iter().map(|job| (*job, None))).collect();
        let paused = ControlId(Uuid::now_v7());
        let waits = |(index, job): (usize, &RunningJob)| (*job, (index < 7).then_some(paused));
        let told = withdrawn.iter().enumerate().map(waits).collect();
        let briefing = Briefing { cancelled, withdrawn: told, ..Briefing::default() };
        let pace = Pace { lease: Duration::from_secs(15) };
        let mut told = controls(briefing, WorkerSession(Uuid::now_v7()), pace);
        let Some(Control::Welcome { cancelled, controls, .. }) = told.pop() else { panic!("no welcome: {told:?}") };
        assert_eq!((cancelled.as_slice(), controls.len()), (&open[..1_000], 20), "the newest");
        let (mut never, mut acknowledged) = (BTreeSet::from_iter(cancelled), controls);
        for control in told {
            assert!(encode(&control, 128 * 1024).is_ok(), "it is no large message");
            match control {
                Control::Withdraw { control_id, jobs } => {
                    never.extend(jobs);
                    acknowledged.extend(control_id);
                }
                Control::Cancel { control_id, jobs } => {
                    never.extend(jobs);
                    acknowledged.insert(control_id);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(never, [open, settled, withdrawn].concat().into_iter().collect());
        assert_eq!(acknowledged, broadcasts.into_iter().chain([paused]).collect());
    }
}
