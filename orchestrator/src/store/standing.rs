//! What decides why a job is where it is.

use std::collections::{BTreeSet, HashMap};

use chrono::Utc;
use drover_engine::{
    PauseReason,
    definition::{Step, Work},
    view::Metadata,
};
use drover_protocol::{JobId, JobStatus};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Registry, Store, StoreError,
    rows::{signed_long, unsigned_long},
    statements as sql,
};
use crate::why::{Holder, Standing, Takers};

/// Jobs that wait before one are counted up to this.
pub(crate) const AHEAD: u64 = 1_000;

impl Store {
    /// What decides why these jobs are where they are. One that has ended, or is not there, is left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn standings(&self, registry: &Registry, ids: &[JobId]) -> Result<HashMap<JobId, Standing>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::VIEW_WHY).await?;
        let rows = client.query(&statement, &[&ids, &signed_long(AHEAD)]).await?;
        let hashes: Vec<Option<String>> =
            rows.iter().map(|row| row.try_get("definition_hash")).collect::<Result<_, _>>()?;
        registry.ensure(&client, &hashes.iter().flatten().cloned().collect::<BTreeSet<_>>()).await?;
        rows.iter().map(|row| Ok((JobId(row.try_get("id")?), standing(registry, row)?))).collect()
    }
}

fn standing(registry: &Registry, row: &Row) -> Result<Standing, StoreError> {
    let id: Uuid = row.try_get("id")?;
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(format!("job {id}"), error);
    let status: String = row.try_get("status")?;
    let status: JobStatus = status.parse().map_err(|error| corrupt(&error))?;
    let metadata: Option<Value> = row.try_get("metadata")?;
    let metadata: Option<Metadata> =
        metadata.map(serde_json::from_value).transpose().map_err(|error| corrupt(&error))?;
    let paused: Option<String> = row.try_get("paused")?;
    let paused = paused.map(|reason| match reason.as_str() {
        "parent" => PauseReason::Parent,
        "settling" => PauseReason::Settling,
        _ => PauseReason::Asked,
    });
    Ok(Standing {
        job_type: row.try_get("type")?,
        status,
        is_workflow: row.try_get::<_, Option<String>>("definition_hash")?.is_some(),
        attempt: count(row, "attempt")?,
        attempts: count(row, "attempts")?,
        failures: count(row, "failures")?,
        is_published: row.try_get::<_, i32>("dispatch")? > 0,
        window: window(registry, row, metadata.as_ref())?,
        waiting_seconds: waiting_seconds(registry, row, metadata.as_ref())?,
        id: JobId(id),
        metadata,
        paused,
        error: row.try_get("error")?,
        parked: row.try_get("parked")?,
        due_seconds: row.try_get("due_seconds")?,
        timeout_seconds: row.try_get("timeout_seconds")?,
        owed: row.try_get("owed")?,
        holder: holder(row)?,
        paused_type: row.try_get("paused_type")?,
        paused_type_reason: row.try_get("paused_type_reason")?,
        takers: Takers {
            live: count(row, "live")?,
            draining: count(row, "draining")?,
            slots: count(row, "slots")?,
            busy: count(row, "busy")?,
            unacknowledged: count(row, "unacknowledged")?,
        },
        ahead: count(row, "ahead")?,
    })
}

fn holder(row: &Row) -> Result<Option<Holder>, StoreError> {
    let (host, silent_seconds) = (row.try_get::<_, Option<String>>("holder")?, row.try_get("silent_seconds")?);
    Ok(host.map(|host| Holder { host, silent_seconds: Option::unwrap_or(silent_seconds, 0.0) }))
}

/// A count; none counts as 0.
fn count(row: &Row, column: &str) -> Result<u64, StoreError> {
    Ok(row.try_get::<_, Option<i64>>(column)?.map_or(0, unsigned_long))
}

/// Since when it, or the step whose turn it is, waits for an answer.
fn waiting_seconds(registry: &Registry, row: &Row, metadata: Option<&Metadata>) -> Result<Option<f64>, StoreError> {
    if row.try_get::<_, Option<&str>>("wait_for")?.is_some() {
        return Ok(row.try_get("started_seconds")?);
    }
    let is_signal = with_step(registry, row, metadata, |step| matches!(step.work, Work::Signal))?.unwrap_or(false);
    let shown = metadata.and_then(|metadata| metadata.steps.get(metadata.current_step.saturating_sub(1)));
    let since = shown.filter(|step| is_signal && step.running > 0).and_then(|step| step.started_at);
    Ok(since.map(|since| (Utc::now() - since).as_seconds_f64().max(0.0)))
}

/// How many sub-jobs the step whose turn it is may run at once, if it fans out.
fn window(registry: &Registry, row: &Row, metadata: Option<&Metadata>) -> Result<Option<u32>, StoreError> {
    let window = |step: &Step| step.for_each.as_ref().map(|fan_out| fan_out.max_parallel);
    Ok(with_step(registry, row, metadata, window)?.flatten())
}

/// Something of the step whose turn it is.
fn with_step<T>(
    registry: &Registry,
    row: &Row,
    metadata: Option<&Metadata>,
    take: impl FnOnce(&Step) -> T,
) -> Result<Option<T>, StoreError> {
    let hash: Option<String> = row.try_get("definition_hash")?;
    let path: Option<Vec<String>> = row.try_get("definition_path")?;
    let definition = hash.and_then(|hash| registry.by_hash(&hash, &path.unwrap_or_default()));
    let index = metadata.map_or(0, |metadata| metadata.current_step.saturating_sub(1));
    Ok(definition.as_ref().and_then(|definition| definition.steps.get(index)).map(take))
}
