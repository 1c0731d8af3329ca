//! The history: every input that changed state, as it was applied, and what it led to. It is enough to make the state again
//! ([`crate::replay`]).
//!
//! Progress reports are too many to be kept. What they came to is kept where it counts: when the lease that they came under
//! ends, and for a whole workflow when something stops its bar (`reported`, `reported_below`).

mod kept;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_protocol::{JobId, JobType, ProgressReport, WorkerSession};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Limits;

pub(crate) use kept::{Envelope, Kept, Reports, is_end, is_of_worker};

/// A line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When, by the orchestrator's clock, to the microsecond. The same for all that was folded together.
    pub at: DateTime<Utc>,
    /// The tree.
    pub root_id: JobId,
    /// The job.
    pub job_id: JobId,
    /// Its attempt and dispatch after the change.
    pub attempt: u32,
    /// See `attempt`.
    pub dispatch: u32,
    /// What happened.
    pub kind: &'static str,
    /// What else is worth knowing, and of an input what is needed to make it again.
    pub detail: Map<String, Value>,
    /// The name of the input that this line keeps; none: what an input led to.
    pub input: Option<&'static str>,
    /// On the first line of a tree in a fold, and only there: what the fold was given beside the inputs.
    pub given: Option<Given>,
}

/// What a fold was given for one tree beside its inputs. The time and the ids of new jobs stand in the lines themselves, the
/// waits for next attempts in their `due_at`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The limits, where they were not the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The workflows that were looked up by name: the hash of the definition that was current; none where there was none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: BTreeMap<JobType, Option<String>>,
}

impl Given {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits: (limits != Limits::default()).then_some(limits), workflows: BTreeMap::new() }
    }
}

/// Notes on the first record of each tree what its fold was given.
pub fn note_given(records: &mut [Record], mut given: BTreeMap<JobId, Given>) {
    for record in records {
        record.given = given.remove(&record.root_id);
    }
}

/// What has no line of its own, beside the fields of an input: what unkept progress reports came to, and a beginning in the
/// fold of the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reported {
    /// The worker that had begun what ended in the same fold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<WorkerSession>,
    /// Those of the lease that ended, where the end does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reported: Option<ProgressReport>,
    /// Those of other jobs, see [`Reports`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) reported_below: BTreeMap<JobId, ProgressReport>,
}

impl Reported {
    pub(crate) fn fields(&self) -> Map<String, Value> {
        object(self)
    }

    /// Reads them from a line.
    ///
    /// # Errors
    /// When they are not what they should be.
    pub(crate) fn read(detail: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let own = |key: &str| detail.get(key).cloned().unwrap_or_default();
        let started = serde_json::from_value(own("started"))?;
        let reported = serde_json::from_value(own("reported"))?;
        let below: Option<_> = serde_json::from_value(own("reported_below"))?;
        Ok(Self { started, reported, reported_below: below.unwrap_or_default() })
    }
}

/// A value's fields. What is serialized here are maps with texts as keys, which cannot fail.
fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
