//! From rows to the engine's jobs.

use std::{sync::Arc, time::Duration};

use drover_engine::{
    Cancel, Job, Parent, Paused, Progress, Stamped, Workflow, definition::Definition, job::Policy,
    workflow::WorkflowState,
};
use drover_protocol::{JobError, JobEvent, JobId, JobType, WorkerSession};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::StoreError;

/// Finds a definition by its hash and the path to a nested chain.
pub(super) type Lookup<'a> = &'a dyn Fn(&str, &[String]) -> Option<Arc<Definition>>;

/// A row of `load_*.sql` as the engine's job.
pub(super) fn job(row: &Row, lookup: Lookup<'_>) -> Result<Job, StoreError> {
    let id = JobId(row.try_get("id")?);
    let place = || format!("job {id}");
    let parent = match row.try_get::<_, Option<Uuid>>("parent_id")? {
        Some(parent) => Some(Parent {
            id: JobId(parent),
            step: usize::try_from(row.try_get::<_, i32>("step_index")?).unwrap_or(0),
            batch: row.try_get::<_, Option<i32>>("batch_index")?.map(unsigned),
        }),
        None => None,
    };
    let job_type: String = row.try_get("type")?;
    let status: String = row.try_get("status")?;
    let progress: i32 = row.try_get("progress")?;
    let workflow = workflow(row, id, lookup)?;
    Ok(Job {
        id,
        root_id: JobId(row.try_get("root_id")?),
        parent,
        job_type: JobType::new(job_type).map_err(|error| StoreError::corrupt(place(), error))?,
        status: status.parse().map_err(|error| StoreError::corrupt(place(), error))?,
        attempt: unsigned(row.try_get("attempt")?),
        dispatch: unsigned(row.try_get("dispatch")?),
        run: unsigned(row.try_get("run")?),
        round: unsigned(row.try_get("round")?),
        failures: unsigned(row.try_get("failures")?),
        losses: unsigned(row.try_get("losses")?),
        progress: Progress::from_hundredths(progress.into()),
        message: Stamped { value: row.try_get("message")?, seq: unsigned_long(row.try_get("message_seq")?) },
        processed: Stamped {
            value: row.try_get::<_, Option<i64>>("processed")?.map(unsigned_long),
            seq: unsigned_long(row.try_get("processed_seq")?),
        },
        total: Stamped {
            value: row.try_get::<_, Option<i64>>("total")?.map(unsigned_long),
            seq: unsigned_long(row.try_get("total_seq")?),
        },
        policy: json::<Policy>(row, "policy", id)?.unwrap_or_default(),
        lease: row.try_get::<_, Option<Uuid>>("lease_session")?.map(WorkerSession),
        due_at: row.try_get("due_at")?,
        timeout_at: row.try_get("timeout_at")?,
        cancel: json::<Cancel>(row, "cancel", id)?,
        paused: json::<Paused>(row, "paused", id)?,
        error: json::<JobError>(row, "error", id)?,
        error_count: unsigned_long(row.try_get("error_count")?),
        result: None,
        items: json(row, "items", id)?.unwrap_or_default(),
        parked: json::<JobEvent>(row, "parked", id)?.map(Box::new),
        params: None,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        workflow,
    })
}

fn workflow(row: &Row, id: JobId, lookup: Lookup<'_>) -> Result<Option<Workflow>, StoreError> {
    let Some(hash) = row.try_get::<_, Option<String>>("definition_hash")? else { return Ok(None) };
    let path: Vec<String> = row.try_get::<_, Option<Vec<String>>>("definition_path")?.unwrap_or_default();
    let definition = lookup(&hash, &path)
        .ok_or_else(|| StoreError::corrupt(format!("job {id}"), format!("no definition {hash} {}", path.join("."))))?;
    let state = json::<WorkflowState>(row, "workflow", id)?.unwrap_or_default();
    Ok(Some(Workflow { definition, state }))
}

/// A JSON column as a type.
pub(super) fn json<T: DeserializeOwned>(row: &Row, column: &str, id: JobId) -> Result<Option<T>, StoreError> {
    row.try_get::<_, Option<Value>>(column)?
        .map(|value| serde_json::from_value(value))
        .transpose()
        .map_err(|error| StoreError::corrupt(format!("{column} of job {id}"), error))
}

/// A count from its column; the schema's checks keep it positive.
pub(super) fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

pub(super) fn unsigned_long(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A count for its column.
pub(super) fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

pub(super) fn signed_long(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn index(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// Seconds for `make_interval`.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
