//! Anything may happen to workflows of any shape: the audit holds after each fold, and there is always an end.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use drover_protocol::{JobError, JobEventKind, JobId, JobStatus, ProgressReport};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    audit::brief,
    play::{
        WORKER, approved, broken, completed, completed_with_errors, failed, flaky, items, percent, refused, session,
    },
    shapes,
    tape::{Tape, config, tapes},
    world::World,
};
use crate::{Input, Outcome, PauseReason, job::Policy};

proptest! {
    #![proptest_config(config(300))]

    /// I1, I4, I5, and counters that add up, whatever workers, users and timers do, in any batching.
    #[test]
    fn every_fold_keeps_the_books_and_every_workflow_ends(mut tape in tapes(300)) {
        let mut world = shapes::world(&mut tape);
        let later = tape.one_in(8).then_some(world.now + TimeDelta::seconds(20));
        world.submit_with("root", json!({}), Policy::default(), later);
        let mut batch = Vec::new();
        while !tape.is_at_end() {
            if tape.one_in(12) {
                world.elapse(i64::try_from(tape.pick(40)).unwrap());
                continue;
            }
            batch.extend(anything(&mut world, &mut tape));
            if !tape.one_in(4) {
                world.fold(std::mem::take(&mut batch));
            }
            if tape.one_in(16) {
                // Under way, too, the history leads to the rows.
                world.archive.check(&world.store);
            }
        }
        finish(&mut world);
    }

    /// The same of workers that go about their work, and are not disturbed by users.
    #[test]
    fn a_workflow_that_is_left_alone_ends_by_itself(mut tape in tapes(120)) {
        let mut world = shapes::world(&mut tape);
        let root = world.submit("root", json!({}));
        for _ in 0..1_000 {
            let mut leaves = world.leaves();
            leaves.retain(|leaf| world.job(*leaf).due_at.is_none());
            if let Some(signal) = world.signals().first().copied().filter(|_| leaves.is_empty() || tape.one_in(3)) {
                let answer = if tape.one_in(4) { refused("no") } else { approved() };
                prop_assert_eq!(world.answer(signal, answer), Outcome::Applied);
                continue;
            }
            let Some(leaf) = tape.of(&leaves) else {
                // All wait for their next attempt.
                world.elapse(10);
                continue;
            };
            if let Some(input) = of_worker(&mut world, &mut tape, leaf) {
                world.fold(vec![input]);
            }
            if world.job(root).is_terminal() {
                break;
            }
        }
        prop_assert!(world.job(root).is_terminal(), "no end: {:#?}", world.metadata(root));
        prop_assert!(world.job(root).status != JobStatus::Cancelled);
    }
}

/// Something that a worker, a user or the machinery might do, sensible or not.
fn anything(world: &mut World, tape: &mut Tape) -> Option<Input> {
    let jobs: Vec<JobId> = world.store.rows.keys().copied().collect();
    let leaf = tape.of(&world.leaves());
    let job = tape.of(&jobs)?;
    let dispatch = world.job(job).dispatch;
    Some(match tape.pick(29) {
        0..=9 => return of_worker(world, tape, leaf?),
        10 => Input::Cancel { job_id: job, now: false },
        11 => Input::Cancel { job_id: job, now: tape.one_in(3) },
        12 | 13 => Input::Retry { job_id: job, from_start: tape.one_in(2) },
        14 => Input::NeverStarted { job_id: leaf?, dispatch: world.job(leaf?).dispatch },
        15 => Input::LeaseLost { job_id: leaf?, dispatch: world.job(leaf?).dispatch, session: WORKER },
        16 => Input::Undeliverable { job_id: job, dispatch, error: broken() },
        17 => Input::Republish { job_id: job, dispatch },
        18 => Input::TimedOut { job_id: job, timeout_at: world.job(job).timeout_at.unwrap_or(world.now) },
        19 => Input::Due { job_id: job },
        20 | 21 => Input::Pause { job_id: job },
        22 | 23 => Input::Resume { job_id: job },
        // Whether it waits for one or not.
        24 => Input::Answer { job_id: job, dispatch: None, answer: approved() },
        25 | 26 => {
            let answer = if tape.one_in(3) { refused("no") } else { approved() };
            let job_id = tape.of(&world.signals())?;
            let dispatch = tape.one_in(2).then(|| world.job(job_id).dispatch);
            Input::Answer { job_id, dispatch, answer }
        }
        // Of a dispatch, a worker or a job that it is not, with numbers that no worker would send.
        _ => {
            let kind = event_kind(tape);
            let mut event = world.event(job, kind);
            event.dispatch = u32::try_from(tape.pick(4)).unwrap();
            event.worker_session = session(u128::try_from(tape.pick(3)).unwrap());
            event.seq = [u64::MAX, 0, event.seq][tape.pick(3)];
            if tape.one_in(5) {
                event.job_id = JobId(uuid::Uuid::from_u128(5));
            }
            Input::Event(event)
        }
    })
}

fn of_worker(world: &mut World, tape: &mut Tape, leaf: JobId) -> Option<Input> {
    let job = world.job(leaf);
    if tape.one_in(20) {
        return Some(Input::LeaseLost { job_id: leaf, dispatch: job.dispatch, session: job.lease? });
    }
    let kind = event_kind(tape);
    Some(Input::Event(world.event(leaf, kind)))
}

fn event_kind(tape: &mut Tape) -> JobEventKind {
    let counts = |count: u64| BTreeMap::from([("list".to_owned(), count)]);
    match tape.pick(14) {
        0 | 1 => completed(result(tape)),
        2 | 3 => JobEventKind::Started,
        4 => JobEventKind::Progress(percent(f64::from(u32::try_from(tape.pick(130)).unwrap()))),
        5 => JobEventKind::Progress(ProgressReport {
            percent: tape.of(&[None, Some(f64::NAN), Some(f64::INFINITY), Some(-3.0)]).flatten(),
            message: Some("busy".into()),
            processed: Some(u64::MAX / (1 + u64::try_from(tape.pick(3)).unwrap())),
            total: tape.of(&[None, Some(0), Some(u64::MAX)]).flatten(),
        }),
        6 | 7 => failed(flaky()),
        8 => JobEventKind::Failed {
            error: broken(),
            result: Some(result(tape)),
            items: Default::default(),
            progress: Some(percent(50.0)),
        },
        9 => completed_with_errors(result(tape), tape.pick(3)),
        10 => JobEventKind::Released { progress: None },
        11 => items("list", &[1, 2]),
        12 => JobEventKind::Completed {
            result: json!({}),
            warnings: Vec::new(),
            items: counts(u64::try_from(tape.pick(5)).unwrap()),
            progress: None,
        },
        _ => JobEventKind::Cancelled { result: None, items: Default::default(), progress: None },
    }
}

fn result(tape: &mut Tape) -> Value {
    let list: Vec<usize> = (0..tape.pick(5)).collect();
    tape.of(&[
        json!({ "n": 1, "list": list, "flag": false }),
        json!({ "n": 2.5, "list": list, "flag": true }),
        json!({ "n": u64::MAX }),
        Value::Null,
        json!([1, 2]),
    ])
    .unwrap()
}

/// Every pause ends and workers go on answering: everything comes to an end.
fn finish(world: &mut World) {
    let jobs: Vec<JobId> = world.store.rows.keys().copied().collect();
    for job_id in jobs {
        if world.job(job_id).paused.is_some_and(|paused| paused.reason == PauseReason::Asked) {
            assert_eq!(world.apply(Input::Resume { job_id }), Outcome::Applied);
        }
    }
    let over = |paused: &crate::Paused| paused.reason.is_over();
    assert!(world.store.rows.values().all(|row| row.job.paused.as_ref().is_none_or(over)), "no pause is left");
    for _ in 0..2_000 {
        if world.store.rows.values().all(|row| row.job.is_terminal()) {
            return;
        }
        if let Some(signal) = world.signals().first().copied() {
            assert_eq!(world.answer(signal, approved()), Outcome::Applied);
            continue;
        }
        let Some(leaf) = world.leaves().first().copied() else {
            // A workflow may wait for its next attempt.
            world.elapse(60);
            continue;
        };
        let job = world.job(leaf);
        if job.due_at.is_some() {
            world.elapse(10);
        } else if (job.status == JobStatus::Cancelling || job.paused.is_some()) && job.lease.is_none() {
            world.never_started(leaf);
        } else if job.parked.is_some() {
            // The rest of its items was lost with its worker.
            world.lose(leaf);
        } else {
            let mut event = world.event(leaf, completed(json!({ "n": 1, "list": [1], "flag": false })));
            event.worker_session = job.lease.unwrap_or(WORKER);
            world.apply(Input::Event(event));
        }
    }
    let open = world.store.rows.values().filter(|row| !row.job.is_terminal());
    let open: Vec<String> = open.map(|row| format!("{} {:?}", brief(&row.job), row.job.parked)).collect();
    assert!(open.is_empty(), "no end: {open:#?}");
}

/// What a job that cannot be delivered fails with is kept.
#[test]
fn an_undeliverable_message_fails_its_job() {
    let mut world = World::with(&[]);
    let id = world.submit("unknown", json!({}));
    let error = JobError::permanent("undeliverable", "the message has 2 MB; the limit is 1 MB");
    world.apply(Input::Undeliverable { job_id: id, dispatch: 1, error: error.clone() });
    assert_eq!((world.status(id), world.job(id).error), (JobStatus::Failed, Some(error)));
}
