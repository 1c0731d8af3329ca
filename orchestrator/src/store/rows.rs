//! From rows to the engine's jobs.

use std::{error::Error as _, fmt::Display, sync::Arc, time::Duration};

use drover_engine::{
    Cancel, Job, Parent, Paused, Progress, Stamped, Workflow, definition::Definition, job::Policy,
    workflow::WorkflowState,
};
use drover_protocol::{JobError, JobEvent, JobId, JobType, WorkerSession};
use serde::de::DeserializeOwned;
use tokio_postgres::{
    Column, Row,
    row::RowIndex,
    types::{FromSql, Json},
};
use uuid::Uuid;

use super::StoreError;

/// Finds a definition by its hash and the path to a nested chain.
pub(super) type Lookup<'a> = &'a dyn Fn(&str, &[String]) -> Option<Arc<Definition>>;

/// A row of `load_*.sql` or `replay_rows.sql` as the engine's job.
pub(super) fn job(row: &Row, lookup: Lookup<'_>) -> Result<Job, StoreError> {
    let mut cells = Cells { row, at: 0 };
    let id = JobId(cells.next("id")?);
    let place = || format!("job {id}");
    let root_id = JobId(cells.next("root_id")?);
    let parent = parent(&mut cells)?;
    let job_type: String = cells.next("type")?;
    let hash: Option<&str> = cells.next("definition_hash")?;
    let path: Option<Vec<String>> = cells.next("definition_path")?;
    // In the order of the columns, which is that of the fields, too, as far as it goes.
    Ok(Job {
        id,
        root_id,
        parent,
        job_type: JobType::new(job_type).map_err(|error| StoreError::corrupt(place(), error))?,
        policy: cells.json::<Policy>("policy", id)?.unwrap_or_default(),
        created_at: cells.next("created_at")?,
        status: cells.next::<&str>("status")?.parse().map_err(|error| StoreError::corrupt(place(), error))?,
        attempt: unsigned(cells.next("attempt")?),
        dispatch: unsigned(cells.next("dispatch")?),
        run: unsigned(cells.next("run")?),
        round: unsigned(cells.next("round")?),
        failures: unsigned(cells.next("failures")?),
        losses: unsigned(cells.next("losses")?),
        progress: Progress::from_hundredths(cells.next::<i32>("progress")?.into()),
        message: Stamped { value: cells.next("message")?, seq: unsigned_long(cells.next("message_seq")?) },
        processed: Stamped {
            value: cells.next::<Option<i64>>("processed")?.map(unsigned_long),
            seq: unsigned_long(cells.next("processed_seq")?),
        },
        total: Stamped {
            value: cells.next::<Option<i64>>("total")?.map(unsigned_long),
            seq: unsigned_long(cells.next("total_seq")?),
        },
        lease: cells.next::<Option<Uuid>>("lease_session")?.map(WorkerSession),
        due_at: cells.next("due_at")?,
        timeout_at: cells.next("timeout_at")?,
        cancel: cells.json::<Cancel>("cancel", id)?,
        paused: cells.json::<Paused>("paused", id)?,
        error: cells.json::<JobError>("error", id)?,
        error_count: unsigned_long(cells.next("error_count")?),
        items: cells.json("items", id)?.unwrap_or_default(),
        parked: cells.json::<JobEvent>("parked", id)?.map(Box::new),
        workflow: workflow(&mut cells, id, hash, path, lookup)?,
        started_at: cells.next("started_at")?,
        finished_at: cells.next("finished_at")?,
        params: None,
        result: None,
    })
}

/// The cells of a row, from left to right: to look each up by its name takes longer than to read it.
struct Cells<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Cells<'a> {
    fn next<T: FromSql<'a>>(&mut self, name: &str) -> Result<T, StoreError> {
        debug_assert_eq!(self.row.columns().get(self.at).map(Column::name), Some(name), "the order of the statement");
        let cell = self.row.try_get(self.at)?;
        self.at += 1;
        Ok(cell)
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str, id: JobId) -> Result<Option<T>, StoreError> {
        let cell = json_at(self.row, self.at, || format!("{name} of job {id}"))?;
        debug_assert_eq!(self.row.columns().get(self.at).map(Column::name), Some(name), "the order of the statement");
        self.at += 1;
        Ok(cell)
    }
}

fn parent(cells: &mut Cells<'_>) -> Result<Option<Parent>, StoreError> {
    let parent: Option<Uuid> = cells.next("parent_id")?;
    let step: Option<i32> = cells.next("step_index")?;
    let batch: Option<i32> = cells.next("batch_index")?;
    Ok(parent.map(|parent| Parent {
        id: JobId(parent),
        step: step.and_then(|step| usize::try_from(step).ok()).unwrap_or(0),
        batch: batch.map(unsigned),
    }))
}

fn workflow(
    cells: &mut Cells<'_>,
    id: JobId,
    hash: Option<&str>,
    path: Option<Vec<String>>,
    lookup: Lookup<'_>,
) -> Result<Option<Workflow>, StoreError> {
    let state = cells.json::<WorkflowState>("workflow", id)?;
    let Some(hash) = hash else { return Ok(None) };
    let path = path.unwrap_or_default();
    let definition = lookup(hash, &path)
        .ok_or_else(|| StoreError::corrupt(format!("job {id}"), format!("no definition {hash} {}", path.join("."))))?;
    Ok(Some(Workflow { definition, state: state.unwrap_or_default() }))
}

/// A JSON column as a type.
pub(super) fn json<T: DeserializeOwned>(row: &Row, column: &str, id: JobId) -> Result<Option<T>, StoreError> {
    json_at(row, column, || format!("{column} of job {id}"))
}

fn json_at<T: DeserializeOwned>(
    row: &Row,
    index: impl RowIndex + Display,
    what: impl FnOnce() -> String,
) -> Result<Option<T>, StoreError> {
    let read = row.try_get::<_, Option<Json<T>>>(index);
    let cell = read.map_err(|error| match error.source() {
        Some(reason) => StoreError::corrupt(what(), reason),
        None => error.into(),
    })?;
    Ok(cell.map(|Json(value)| value))
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
