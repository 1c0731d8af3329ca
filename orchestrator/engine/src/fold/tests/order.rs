//! I3: for any order, repetition and batching of the events of one dispatch the fold ends in the same state.

use std::collections::BTreeMap;

use drover_protocol::{JobEvent, JobEventKind, JobId, ProgressReport};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    play::{broken, failed, flaky, items},
    tape::{Tape, config, tapes},
    world::World,
};
use crate::{Input, Stamped};

const WORKFLOW: &str = "
name: w
steps:
  - { key: one, job: work, for_each: '${[1, 2, 3]}', max_parallel: 3, tolerate: 1, retry: { attempts: 2 } }
  - { key: two, job: work, params: { rows: '${steps.one.totals}', of: '${steps.one.result}' } }
";

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn order_repetition_and_batching_of_a_dispatch_do_not_matter(mut tape in tapes(120)) {
        let situation = tape.pick(4);
        let (mut told, batch) = situated(situation);
        let events = history(&mut told, batch, &mut tape);
        for event in &events {
            told.apply(Input::Event(event.clone()));
        }
        let (mut shuffled, _) = situated(situation);
        for inputs in any_way(&events, &mut tape) {
            shuffled.fold(inputs);
        }
        for (id, row) in &told.store.rows {
            prop_assert_eq!(what_counts(&told, *id), what_counts(&shuffled, *id), "{}", row.job.job_type);
            prop_assert_eq!(&row.result, &shuffled.store.rows[id].result);
            prop_assert_eq!(told.publications(*id), shuffled.publications(*id));
        }
        prop_assert_eq!(&told.store.items, &shuffled.store.items);
        prop_assert_eq!(told.store.rows.len(), shuffled.store.rows.len());
    }
}

/// A workflow whose second batch is about to be told of.
fn situated(situation: usize) -> (World, JobId) {
    let mut world = World::with(&[WORKFLOW]);
    let root = world.submit("w", json!({}));
    let batch = world.batch(root, "one", 1);
    match situation {
        0 => {}
        // What is told of decides how the step ends.
        1 => {
            world.complete(world.batch(root, "one", 0), json!({ "n": 1 }));
            world.fail(world.batch(root, "one", 2), broken());
        }
        2 => assert_eq!(world.cancel(batch), crate::Outcome::Applied),
        _ => assert_eq!(world.cancel(root), crate::Outcome::Applied),
    }
    (world, batch)
}

/// What a worker sends of one dispatch, in order.
fn history(world: &mut World, batch: JobId, tape: &mut Tape) -> Vec<JobEvent> {
    let mut kinds = vec![JobEventKind::Started];
    let mut latest = ProgressReport::default();
    let mut lists: BTreeMap<String, u64> = BTreeMap::new();
    let (end, by_percent) = (tape.pick(7), tape.one_in(2));
    for _ in 0..tape.pick(8) {
        match tape.pick(5) {
            0 => latest.message = Some(format!("message {}", tape.pick(9))),
            // A job counts in one way, and forwards.
            1..=3 if by_percent => latest.percent = Some((latest.percent.unwrap_or(0.0) + 9.7).min(100.0)),
            1 | 2 => latest.processed = Some(latest.processed.unwrap_or(0) + 1),
            3 => latest.total = latest.total.or(Some(20)),
            // Lists belong to results; only an end that keeps one says how long they are.
            _ if end < 6 => {
                let name = ["files", "rows"][tape.pick(2)];
                *lists.entry(name.into()).or_default() += 2;
                kinds.push(items(name, &[1, 2]));
                continue;
            }
            _ => {}
        }
        kinds.push(JobEventKind::Progress(latest.clone()));
    }
    let progress = (latest != ProgressReport::default()).then_some(latest);
    let result = json!({ "n": 5 });
    kinds.extend(match end {
        0 | 1 => Some(JobEventKind::Completed { result, warnings: Vec::new(), items: lists, progress }),
        2 => Some(JobEventKind::CompletedWithErrors { result, errors: vec![broken()], items: lists, progress }),
        3 => Some(JobEventKind::Failed { error: flaky(), result: Some(result), items: lists, progress }),
        4 => Some(JobEventKind::Failed { error: broken(), result: None, items: lists, progress }),
        5 => Some(JobEventKind::Cancelled { result: Some(result), items: lists, progress }),
        _ => Some(JobEventKind::Released { progress }),
    });
    if tape.one_in(6) {
        // Still at it.
        kinds.pop();
    }
    kinds.into_iter().map(|kind| world.event(batch, kind)).collect()
}

/// The same events in another order, some more than once, in transactions of any size.
fn any_way(events: &[JobEvent], tape: &mut Tape) -> Vec<Vec<Input>> {
    let mut rest: Vec<JobEvent> = events.to_vec();
    for _ in 0..tape.pick(5) {
        rest.extend(tape.of(events));
    }
    let mut batches = vec![Vec::new()];
    while !rest.is_empty() {
        let event = rest.remove(tape.pick(rest.len()));
        batches.last_mut().unwrap().push(Input::Event(event));
        if !tape.one_in(3) {
            batches.push(Vec::new());
        }
    }
    batches
}

/// A row without the times at which things were learned, and without the words that are shown meanwhile.
fn what_counts(world: &World, id: JobId) -> (String, Option<Value>) {
    let mut job = world.job(id);
    let mut state = job.workflow.take().map(|workflow| workflow.state);
    for step in state.iter_mut().flat_map(|state| &mut state.steps) {
        (step.started_at, step.finished_at) = (None, None);
    }
    job.started_at = None;
    if state.is_some() {
        job.message = Stamped::default();
    }
    (format!("{job:?}"), state.map(|state| serde_json::to_value(state).unwrap()))
}

/// The failing of `what_counts` to see anything would let everything pass.
#[test]
fn another_event_is_another_state() {
    let (mut one, batch) = situated(0);
    let (mut other, _) = situated(0);
    one.progress(batch, 10.0);
    other.progress(batch, 10.01);
    let root = one.job(batch).root_id;
    assert_ne!(what_counts(&one, batch), what_counts(&other, batch));
    assert_ne!(what_counts(&one, root), what_counts(&other, root));
    assert_ne!(one.seq, 0);
    assert_eq!(failed(flaky()).name(), "failed");
}
