//! Reads what a fold needs, one statement for each kind of request.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use drover_engine::{
    Tree,
    expression::Template,
    fold::{BatchRow, Facts},
    view::{self, SubJobEnd},
};
use drover_protocol::{JobId, JobStatus};
use drover_service::telemetry::TraceParent;
use futures_util::try_join;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{
    Registry, StoreError, Unit,
    rows::{self, index, json, signed, unsigned},
    statements as sql,
};

/// A step of a workflow, by the workflow's id and the step's index.
pub(super) type StepRef = (JobId, usize);

/// Parameters of workflows that came with their rows.
pub(super) type KnownParams = HashMap<JobId, Arc<Value>>;

/// Where the traces of trees begin, by their roots.
pub(super) type RootTraces = HashMap<JobId, TraceParent>;

/// What a lock found beside the jobs.
pub(super) struct Locked {
    pub(super) params: KnownParams,
    /// Where the traces of the roots begin that are part of one.
    pub(super) traces: RootTraces,
    /// The jobs that are pending, and since when they have not changed.
    pub(super) waiting: Vec<(JobId, DateTime<Utc>)>,
}

/// Locks the roots of these jobs, in one order for everybody, and loads the jobs and all above them.
pub(super) async fn lock(tx: &Unit, registry: &Registry, jobs: &[Uuid], tree: &mut Tree) -> Result<Locked, StoreError> {
    let lock = tx.prepare_cached(sql::LOCK_ROOTS).await?;
    let load = tx.prepare_cached(sql::LOAD_WITH_ANCESTORS).await?;
    // Sent together and run one after the other: the second statement's snapshot is taken when the locks are held.
    let parameters: [&(dyn ToSql + Sync); 1] = [&jobs];
    let (roots, rows) = try_join!(tx.query(&lock, &parameters), tx.query(&load, &parameters))?;
    enter(tx, registry, &rows, tree).await?;
    let (mut params, mut waiting, mut traces) = (KnownParams::new(), Vec::new(), RootTraces::new());
    for row in &rows {
        if let Some(small) = row.try_get("small_params")? {
            params.insert(JobId(row.try_get("id")?), Arc::new(small));
        }
        if row.try_get::<_, &str>("status")? == JobStatus::Pending.as_str() {
            waiting.push((JobId(row.try_get("id")?), row.try_get("updated_at")?));
        }
    }
    for row in &roots {
        if let Some(place) = row.try_get::<_, Option<&str>>("traceparent")?.and_then(|text| text.parse().ok()) {
            traces.insert(JobId(row.try_get("id")?), place);
        }
    }
    Ok(Locked { params, traces, waiting })
}

/// Loads these jobs and all above them.
pub(super) async fn with_ancestors(
    tx: &Unit,
    registry: &Registry,
    jobs: &[Uuid],
    tree: &mut Tree,
) -> Result<(), StoreError> {
    load(tx, registry, sql::LOAD_WITH_ANCESTORS, jobs, tree).await
}

/// Loads every unfinished job of these trees.
pub(super) async fn unfinished(
    tx: &Unit,
    registry: &Registry,
    roots: &[Uuid],
    tree: &mut Tree,
) -> Result<(), StoreError> {
    load(tx, registry, sql::LOAD_UNFINISHED, roots, tree).await
}

async fn load(tx: &Unit, registry: &Registry, sql: &str, ids: &[Uuid], tree: &mut Tree) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&ids]).await?;
    enter(tx, registry, &rows, tree).await
}

/// Puts loaded rows into the tree, with the definitions they run by.
async fn enter(
    tx: &Unit,
    registry: &Registry,
    rows: &[tokio_postgres::Row],
    tree: &mut Tree,
) -> Result<(), StoreError> {
    let mut hashes = BTreeSet::new();
    for row in rows {
        if let Some(hash) = row.try_get::<_, Option<String>>("definition_hash")? {
            hashes.insert(hash);
        }
    }
    registry.ensure(&**tx, &hashes).await?;
    for row in rows {
        tree.load(rows::job(row, &|hash, path| registry.by_hash(hash, path))?);
    }
    Ok(())
}

/// What the expressions of these workflows read: their parameters and the results of the named steps.
pub(super) async fn facts(
    tx: &Unit,
    tree: &Tree,
    loaded: &KnownParams,
    wanted: &[(JobId, BTreeSet<String>)],
) -> Result<HashMap<JobId, Facts>, StoreError> {
    let ids = wanted.iter().map(|(id, _)| *id);
    let (params, results) = try_join!(params(tx, tree, loaded, ids), step_results(tx, tree, wanted))?;
    Ok(wanted
        .iter()
        .map(|(id, _)| {
            let params = params.get(id).cloned().unwrap_or_default();
            let results = results.get(id).cloned().unwrap_or_default();
            (*id, Facts { params, results })
        })
        .collect())
}

async fn params(
    tx: &Unit,
    tree: &Tree,
    loaded: &KnownParams,
    ids: impl Iterator<Item = JobId>,
) -> Result<KnownParams, StoreError> {
    let mut known = KnownParams::new();
    let mut missing: Vec<Uuid> = Vec::new();
    for id in ids {
        let made = tree.get(id).and_then(|job| job.params.clone()).map(Arc::new);
        match made.or_else(|| loaded.get(&id).cloned()) {
            Some(params) => drop(known.insert(id, params)),
            None => missing.push(id.0),
        }
    }
    if !missing.is_empty() {
        let statement = tx.prepare_cached(sql::PARAMS_OF).await?;
        for row in tx.query(&statement, &[&missing]).await? {
            known.insert(JobId(row.try_get(0)?), Arc::new(row.try_get(1)?));
        }
    }
    Ok(known)
}

type StepResults = HashMap<JobId, BTreeMap<String, Arc<Value>>>;

async fn step_results(tx: &Unit, tree: &Tree, wanted: &[(JobId, BTreeSet<String>)]) -> Result<StepResults, StoreError> {
    let steps = wanted.iter().flat_map(|(id, keys)| keys.iter().filter_map(|key| step_index(tree, *id, key)));
    let steps: Vec<StepRef> = steps.collect();
    if steps.is_empty() {
        return Ok(StepResults::new());
    }
    let (parents, indexes) = columns(&steps);
    let statement = tx.prepare_cached(sql::STEP_RESULTS).await?;
    let mut found: HashMap<StepRef, BTreeMap<Option<u32>, Option<Value>>> = HashMap::new();
    for row in tx.query(&statement, &[&parents, &indexes]).await? {
        let batch = row.try_get::<_, Option<i32>>("batch_index")?.map(unsigned);
        let id = JobId(row.try_get("id")?);
        let stored = row.try_get::<_, Option<Value>>("result")?;
        let result = tree.get(id).and_then(|job| job.result.clone()).or(stored);
        found.entry(step_ref(&row)?).or_default().insert(batch, result);
    }
    // A sub-job that was made within this fold has no row yet.
    for job in tree.created() {
        if let Some(parent) = job.parent {
            found.entry((parent.id, parent.step)).or_default().insert(parent.batch, job.result.clone());
        }
    }
    Ok(by_key(tree, wanted, &mut found))
}

fn by_key(
    tree: &Tree,
    wanted: &[(JobId, BTreeSet<String>)],
    found: &mut HashMap<StepRef, BTreeMap<Option<u32>, Option<Value>>>,
) -> StepResults {
    let mut results = StepResults::new();
    for (id, keys) in wanted {
        let Some(workflow) = tree.get(*id).and_then(|job| job.workflow.as_ref()) else { continue };
        for key in keys {
            let Some((index, step)) = workflow.find(key) else { continue };
            let values = found.remove(&(*id, index)).unwrap_or_default();
            let value = view::step_result(step, workflow.state.steps.get(index), values.into_iter());
            results.entry(*id).or_default().insert(key.clone(), Arc::new(value));
        }
    }
    results
}

fn step_index(tree: &Tree, id: JobId, key: &str) -> Option<StepRef> {
    let (index, _) = tree.get(id)?.workflow.as_ref()?.find(key)?;
    Some((id, index))
}

/// The next batches of these fan-outs, from their cursors on.
pub(super) async fn windows(
    tx: &Unit,
    windows: &[Window],
) -> Result<HashMap<StepRef, (Vec<BatchRow>, Template)>, StoreError> {
    let steps: Vec<StepRef> = windows.iter().map(|window| window.step).collect();
    let (workflows, indexes) = columns(&steps);
    let first: Vec<i32> = windows.iter().map(|window| signed(window.cursor)).collect();
    let count: Vec<i32> = windows.iter().map(|window| signed(window.count)).collect();
    let redo_from: Vec<i32> = windows.iter().map(|window| signed(window.redo_from)).collect();
    let mut found = HashMap::new();
    let statement = tx.prepare_cached(sql::TEMPLATES_OF).await?;
    for row in tx.query(&statement, &[&workflows, &indexes]).await? {
        let step = (JobId(row.try_get(0)?), usize::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0));
        let template = Template::from_json(&row.try_get::<_, Value>(2)?)
            .map_err(|error| StoreError::corrupt(format!("template of job {} step {}", step.0, step.1), error))?;
        found.insert(step, (Vec::new(), template));
    }
    let statement = tx.prepare_cached(sql::NEXT_BATCHES).await?;
    for row in tx.query(&statement, &[&workflows, &indexes, &first, &count, &redo_from]).await? {
        let step = (JobId(row.try_get(0)?), usize::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0));
        if let Some((rows, _)) = found.get_mut(&step) {
            rows.push(BatchRow {
                index: unsigned(row.try_get(2)?),
                items: row.try_get(3)?,
                job_id: row.try_get::<_, Option<Uuid>>(4)?.map(JobId),
            });
        }
    }
    Ok(found)
}

/// A fan-out that has room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) step: StepRef,
    pub(super) cursor: u32,
    pub(super) count: u32,
    pub(super) redo_from: u32,
}

/// How the sub-jobs of these workflows ended.
pub(super) async fn ends(
    tx: &Unit,
    tree: &Tree,
    workflows: &[JobId],
) -> Result<HashMap<JobId, BTreeMap<(usize, Option<u32>), SubJobEnd>>, StoreError> {
    let steps: Vec<StepRef> = workflows
        .iter()
        .flat_map(|id| {
            let count = tree.get(*id).and_then(|job| job.workflow.as_ref()).map_or(0, |w| w.state.steps.len());
            (0..count).map(|index| (*id, index))
        })
        .collect();
    let (parents, indexes) = columns(&steps);
    let statement = tx.prepare_cached(sql::SUB_JOB_ENDS).await?;
    let mut ends: HashMap<JobId, BTreeMap<(usize, Option<u32>), SubJobEnd>> = HashMap::new();
    for row in tx.query(&statement, &[&parents, &indexes]).await? {
        let (parent, step) = step_ref(&row)?;
        let id = JobId(row.try_get("id")?);
        let status: String = row.try_get("status")?;
        let end = SubJobEnd {
            job_id: id,
            status: status.parse().map_err(|error| StoreError::corrupt(format!("job {id}"), error))?,
            result: row.try_get("result")?,
            error: json(&row, "error", id)?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
        };
        let batch = row.try_get::<_, Option<i32>>("batch_index")?.map(unsigned);
        ends.entry(parent).or_default().insert((step, batch), end);
    }
    // What this very fold has changed is not in the rows yet.
    for job in workflows.iter().flat_map(|id| tree.children(*id)) {
        let Some(parent) = job.parent.filter(|parent| view::is_listed(parent.batch)) else { continue };
        let ends = ends.entry(parent.id).or_default();
        let stored = ends.get(&(parent.step, parent.batch)).and_then(|end| end.result.clone());
        let end = SubJobEnd {
            job_id: job.id,
            status: job.status,
            result: job.result.clone().or(stored),
            error: job.error.clone(),
            started_at: job.started_at,
            finished_at: job.finished_at,
        };
        ends.insert((parent.step, parent.batch), end);
    }
    Ok(ends)
}

pub(super) fn columns(steps: &[StepRef]) -> (Vec<Uuid>, Vec<i32>) {
    steps.iter().map(|(id, step)| (id.0, index(*step))).unzip()
}

fn step_ref(row: &tokio_postgres::Row) -> Result<StepRef, StoreError> {
    let step: i32 = row.try_get("step_index")?;
    Ok((JobId(row.try_get("parent_id")?), usize::try_from(step).unwrap_or(0)))
}
