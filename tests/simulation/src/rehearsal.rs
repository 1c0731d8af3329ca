//! I3, looked at where the run is: what a worker may say of a dispatch is folded in order, and in any other order and
//! batching and with repeats, on copies of the rows. Both must end alike.

use drover_engine::{Input, Job, Stamped, fold::simulation::store::Store};
use drover_protocol::{JobError, JobEvent, JobEventKind, JobId, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{handler, instant, world::World};

impl World {
    /// Rehearses the rest of one dispatch.
    pub(crate) fn rehearse(&mut self) {
        let open = |job: &&Job| job.workflow.is_none() && job.is_published() && job.parked.is_none();
        let jobs: Vec<JobId> =
            self.database.store.rows.values().map(|row| &row.job).filter(open).map(|job| job.id).collect();
        let Some(job) = self.rng.of(&jobs).and_then(|id| self.database.store.load(id)) else { return };
        let events = self.future(&job);
        let told = events.iter().map(|event| vec![Input::Event(event.clone())]).collect();
        let told = self.database.would_be(self.now, told);
        let shuffled = self.any_way(events.clone());
        let shuffled = self.database.would_be(self.now, shuffled);
        let named = || events.iter().map(|event| event.kind.name()).collect::<Vec<_>>();
        for id in told.rows.keys() {
            let (one, other) = (what_counts(&told, *id), what_counts(&shuffled, *id));
            if one != other {
                let (whose, id, difference) = (crate::short(job.id), crate::short(*id), difference(&one, &other));
                panic!("I3: order matters to {id} for {:?} of {whose}: {difference}", named());
            }
        }
        assert_eq!(told.rows.len(), shuffled.rows.len(), "I3: order matters to how many jobs there are");
    }

    /// What a worker may still say of the dispatch.
    fn future(&mut self, job: &Job) -> Vec<JobEvent> {
        let rng = &mut self.rng;
        let mut kinds = vec![JobEventKind::Started];
        let (mut percent, mut latest, end) = (0, None, rng.below(8));
        let mut sent = usize::try_from(job.items.get("list").copied().unwrap_or(0)).unwrap_or(0);
        // Lists belong to results: only an end with one says how long they are, and knows whether all of it has come.
        let ends = end < 6;
        for _ in 0..rng.below(5) {
            if ends && rng.one_in(3) {
                kinds.push(JobEventKind::Items { name: "list".into(), values: vec![json!(1), json!(2)] });
                sent += 2;
            } else {
                percent += 9;
                latest = Some(handler::report(percent));
                kinds.extend(latest.clone().map(JobEventKind::Progress));
            }
        }
        kinds.extend(match end {
            0..3 => Some(JobEventKind::Completed {
                result: json!({ "n": 5, "flag": false }),
                warnings: Vec::new(),
                items: handler::lists(sent),
                progress: latest,
            }),
            3 | 4 => Some(handler::failed(JobError::retryable("io", "the disk hiccuped"), sent, latest)),
            5 => Some(JobEventKind::Cancelled { result: None, items: handler::lists(sent), progress: latest }),
            6 => Some(JobEventKind::Released { progress: latest }),
            _ => None,
        });
        let worker_session = job.lease.unwrap_or(WorkerSession(Uuid::from_u128(u128::MAX)));
        let event = |(seq, kind)| JobEvent {
            job_id: job.id,
            attempt: job.attempt,
            dispatch: job.dispatch,
            worker_session,
            seq,
            at: instant(self.now),
            kind,
        };
        (1_000_000..).zip(kinds).map(event).collect()
    }

    /// The same events in another order, some more than once, in transactions of any size.
    fn any_way(&mut self, mut events: Vec<JobEvent>) -> Vec<Vec<Input>> {
        for _ in 0..self.rng.below(4) {
            let index = usize::try_from(self.rng.number() % 64).unwrap_or(0) % events.len();
            events.push(events[index].clone());
        }
        let mut batches = vec![Vec::new()];
        while !events.is_empty() {
            let index = usize::try_from(self.rng.number() % 64).unwrap_or(0) % events.len();
            let event = events.remove(index);
            if let Some(batch) = batches.last_mut() {
                batch.push(Input::Event(event));
            }
            if !self.rng.one_in(3) {
                batches.push(Vec::new());
            }
        }
        batches
    }
}

/// A row without the times at which things were learned, and without the words that are shown meanwhile.
fn what_counts(store: &Store, id: JobId) -> String {
    let Some(mut job) = store.load(id) else { return String::new() };
    let mut state = job.workflow.take().map(|workflow| workflow.state);
    for step in state.iter_mut().flat_map(|state| &mut state.steps) {
        (step.started_at, step.finished_at) = (None, None);
    }
    job.started_at = None;
    if state.is_some() {
        job.message = Stamped::default();
    }
    let mut result = store.rows.get(&id).and_then(|row| row.result.clone());
    result.iter_mut().for_each(without_durations);
    format!("{job:?} {state:?} {result:?}")
}

/// How long something took is told from when it was learned.
fn without_durations(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("duration_seconds");
            fields.values_mut().for_each(without_durations);
        }
        Value::Array(values) => values.iter_mut().for_each(without_durations),
        _ => {}
    }
}

/// Where two texts part.
fn difference(one: &str, other: &str) -> String {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect::<String>();
    format!("in order …{}…, else …{}…", around(one), around(other))
}
