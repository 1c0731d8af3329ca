//! Where what is rebuilt is not what is stored.

use drover_protocol::JobId;
use serde::Serialize;
use serde_json::Value;

use crate::memory::Memory;

/// Most differences that are listed; the others are counted.
const LISTED: usize = 1_000;
/// Longest value that is told, in bytes of JSON.
const TOLD_BYTES: usize = 400;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The job.
    pub job_id: JobId,
    /// The field, with a way into it: `workflow.steps.0.done`. `history.17`: line 17 of the history leads elsewhere.
    pub field: String,
    /// What is stored; null: nothing.
    pub stored: Value,
    /// What the history leads to; null: nothing.
    pub rebuilt: Value,
}

/// The differences of a job and those below it.
#[derive(Debug)]
pub(super) struct Differences {
    /// `None`: of the whole tree.
    within: Option<JobId>,
    list: Vec<Difference>,
    more: u64,
}

impl Differences {
    pub(super) fn new(root: JobId, within: JobId) -> Self {
        Self { within: (within != root).then_some(within), list: Vec::new(), more: 0 }
    }

    /// Whether a job is one of those that are asked for.
    pub(super) fn concern(&self, id: JobId, memory: &Memory) -> bool {
        let above = |id: &JobId| memory.rows.get(id).and_then(|row| row.job.parent).map(|parent| parent.id);
        self.within.is_none_or(|within| std::iter::successors(Some(id), above).any(|id| id == within))
    }

    pub(super) fn push(&mut self, job_id: JobId, field: &str, stored: Value, rebuilt: Value, memory: &Memory) {
        if self.concern(job_id, memory) {
            self.tell(job_id, field, stored, rebuilt);
        }
    }

    /// Whoever is asked for: it concerns all.
    pub(super) fn tell(&mut self, job_id: JobId, field: &str, stored: Value, rebuilt: Value) {
        if self.list.len() == LISTED {
            self.more += 1;
            return;
        }
        self.list.push(Difference { job_id, field: field.to_owned(), stored: told(stored), rebuilt: told(rebuilt) });
    }

    /// Tells each place where two values differ. What is not there is as null.
    pub(super) fn between(&mut self, job_id: JobId, field: &str, stored: &Value, rebuilt: &Value, memory: &Memory) {
        const NOTHING: &Value = &Value::Null;
        match (stored, rebuilt) {
            _ if same(stored, rebuilt) => {}
            (Value::Object(one), Value::Object(other)) => {
                let only_other = other.keys().filter(|key| !one.contains_key(*key));
                for key in one.keys().chain(only_other) {
                    let (one, other) = (one.get(key).unwrap_or(NOTHING), other.get(key).unwrap_or(NOTHING));
                    self.between(job_id, &into(field, key), one, other, memory);
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                for index in 0..one.len().max(other.len()) {
                    let (one, other) = (one.get(index).unwrap_or(NOTHING), other.get(index).unwrap_or(NOTHING));
                    self.between(job_id, &into(field, &index.to_string()), one, other, memory);
                }
            }
            _ => self.push(job_id, field, stored.clone(), rebuilt.clone(), memory),
        }
    }

    pub(super) fn listed(self) -> (Vec<Difference>, u64) {
        (self.list, self.more)
    }
}

fn into(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

/// Whether two values are the same. The database writes a number as it likes: 1e16 comes back as an integer.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// A value, or how long it is.
fn told(value: Value) -> Value {
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= TOLD_BYTES {
        return value;
    }
    let begin: String = text.chars().take(TOLD_BYTES / 4).collect();
    format!("{begin}… ({} bytes)", text.len()).into()
}
