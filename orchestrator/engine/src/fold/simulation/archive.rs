//! What was kept of each tree, and that it is enough.

use std::collections::BTreeMap;

use drover_protocol::JobId;

use super::store::Store;
use crate::{
    Command, Given, Record,
    fold::NewJob,
    record::note_given,
    replay::{Line, Replay, ReplayError, Replayed},
    workflow::Workflow,
};

/// The history of a world.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The lines of each tree, in order.
    lines: BTreeMap<JobId, Vec<Line>>,
    last: i64,
}

impl Archive {
    /// Keeps what a fold recorded.
    pub fn keep(&mut self, mut records: Vec<Record>, given: BTreeMap<JobId, Given>) {
        note_given(&mut records, given);
        for record in records {
            self.last += 1;
            self.lines.entry(record.root_id).or_default().push(line(self.last, record));
        }
    }

    /// Rebuilds every tree and demands the rows that are stored.
    pub fn check(&self, store: &Store) {
        for root in self.lines.keys() {
            self.check_tree(store, *root);
        }
    }

    /// Rebuilds one tree and demands the rows that are stored.
    pub fn check_tree(&self, store: &Store, root: JobId) {
        let replayed = self.replay(store, root).unwrap_or_else(|error| panic!("{root}: {error}"));
        if let Some(first) = replayed.differences.first() {
            let lines = self.lines[&root].iter().map(|line| format!("\n    {line:?}")).collect::<String>();
            panic!("the history leads elsewhere: {first:?} and {} more{lines}", replayed.differences.len() - 1);
        }
    }

    /// Rebuilds a tree and compares it with the rows.
    ///
    /// # Errors
    /// When its history is not enough.
    pub fn replay(&self, store: &Store, root: JobId) -> Result<Replayed, ReplayError> {
        let row = &store.rows[&root];
        let definition = row.job.workflow.as_ref().map(|workflow| workflow.definition.clone());
        let new = NewJob {
            id: root,
            root_id: root,
            parent: None,
            job_type: row.job.job_type.clone(),
            params: row.params.clone(),
            policy: row.job.policy.clone(),
            workflow: definition.map(Workflow::new),
            run_at: None,
        };
        let mut replay = Replay::new(new, root);
        // Pages end where they like.
        for page in self.lines[&root].chunks(3) {
            for hash in replay.unknown(page).into_iter().map(str::to_owned).collect::<Vec<_>>() {
                replay.learn(store.definitions.by_hash(&hash, &[]));
            }
            replay.read(page.iter().cloned().map(|line| with_values(line, store)).collect())?;
        }
        let rows = || store.rows.values().filter(|row| row.job.root_id == root);
        let unfinished: Vec<_> = rows().map(|row| row.job.clone()).filter(|job| !job.is_terminal()).collect();
        replay.catch_up(&unfinished)?;
        rows().for_each(|row| replay.compare(row, None));
        Ok(replay.finish())
    }
}

/// The records among what a fold decided.
#[must_use]
pub fn records(effects: &[Command]) -> Vec<Record> {
    let record = |effect: &Command| match effect {
        Command::Record(record) => Some(record.clone()),
        _ => None,
    };
    effects.iter().filter_map(record).collect()
}

/// A record as it is read back.
fn line(id: i64, record: Record) -> Line {
    let Record { at, root_id: _, job_id, attempt, dispatch, kind, detail, input, given } = record;
    let detail = serde_json::from_str(&serde_json::to_string(&detail).unwrap()).unwrap();
    let given = given.map(|given| serde_json::from_str(&serde_json::to_string(&given).unwrap()).unwrap());
    let (kind, input) = (kind.to_owned(), input.map(str::to_owned));
    Line { id, at, job_id, attempt, dispatch, kind, detail, input, given, values: None }
}

fn with_values(line: Line, store: &Store) -> Line {
    let values = line.chunk().and_then(|seq| store.items.get(&(line.job_id, line.dispatch, seq)));
    Line { values: values.map(|(_, values)| values.clone()), ..line }
}
