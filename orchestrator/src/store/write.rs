//! Writes what a fold decided, one statement for each table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use drover_engine::{Command, Given, Job, Record, Tree, record, view};
use drover_protocol::{Control, ControlId, JobId, Notification, RunningJob, notification::NotificationData};
use futures_util::try_join;
use serde_json::{Value, json};
use tokio_postgres::{Statement, types::Json};
use uuid::Uuid;

use super::{
    StoreError, Unit,
    load::RootTraces,
    outbox::{self, Claim, OutboxRow},
    rows::{index, signed, signed_long},
    statements as sql,
};

/// Most jobs that one control message names.
const JOBS_PER_CONTROL: usize = 1_000;

/// What goes into a row beside what the engine knows.
pub(super) struct Stamp<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) epoch: Option<&'a str>,
    /// Labels of jobs that are submitted in this fold.
    pub(super) labels: &'a HashMap<JobId, Value>,
    /// Where the traces of the trees begin.
    pub(super) traces: &'a RootTraces,
}

/// The statements that a fold ends with. The COMMIT is sent right behind them, so that none may have to be prepared by then.
pub(super) struct Last {
    insert_jobs: Statement,
    update_jobs: Statement,
    insert_history: Statement,
    insert_tombstones: Statement,
    insert_withdrawals: Statement,
    insert_outbox: Statement,
    delete_outbox: Statement,
}

impl Last {
    /// Asks the server only where this connection has not done so before.
    ///
    /// # Errors
    /// When the database is away.
    pub(super) async fn prepared(tx: &Unit) -> Result<Self, StoreError> {
        Ok(Self {
            insert_jobs: tx.prepare_cached(sql::INSERT_JOBS).await?,
            update_jobs: tx.prepare_cached(sql::UPDATE_JOBS).await?,
            insert_history: tx.prepare_cached(sql::INSERT_HISTORY).await?,
            insert_tombstones: tx.prepare_cached(sql::INSERT_TOMBSTONES).await?,
            insert_withdrawals: tx.prepare_cached(sql::INSERT_WITHDRAWALS).await?,
            insert_outbox: tx.prepare_cached(sql::INSERT_OUTBOX).await?,
            delete_outbox: tx.prepare_cached(sql::DELETE_OUTBOX).await?,
        })
    }
}

macro_rules! column {
    ($rows:expr, $row:ident => $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}

/// Inserts the jobs that the fold made.
pub(super) async fn insert_jobs(tx: &Unit, last: &Last, tree: &Tree, stamp: &Stamp<'_>) -> Result<(), StoreError> {
    let jobs: Vec<&Job> = tree.created().collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let empty = json!({});
    tx.execute(
        &last.insert_jobs,
        &[
            &column!(jobs, job => job.id.0),
            &column!(jobs, job => job.root_id.0),
            &column!(jobs, job => job.parent.map(|parent| parent.id.0)),
            &column!(jobs, job => job.parent.map(|parent| index(parent.step))),
            &column!(jobs, job => step_of(tree, job).map(|step| step.key.clone())),
            &column!(jobs, job => job.parent.and_then(|parent| parent.batch).map(signed)),
            &column!(jobs, job => job.job_type.as_str()),
            &column!(jobs, job => view::title(job, step_of(tree, job))),
            &column!(jobs, job => job.workflow.as_ref().map(|workflow| workflow.definition.hash.clone())),
            &column!(jobs, job => job.workflow.as_ref().map(|workflow| Json(workflow.definition.path.clone()))),
            &column!(jobs, job => job.params.clone().unwrap_or_default()),
            &column!(jobs, job => stamp.labels.get(&job.id).unwrap_or(&empty)),
            &column!(jobs, job => Json(&job.policy)),
            &column!(jobs, job => job.created_at),
            &column!(jobs, job => job.status.as_str()),
            &column!(jobs, job => signed(job.attempt)),
            &column!(jobs, job => signed(job.dispatch)),
            &column!(jobs, job => signed(job.run)),
            &column!(jobs, job => signed(job.failures)),
            &column!(jobs, job => signed(job.losses)),
            &column!(jobs, job => job.progress.hundredths()),
            &column!(jobs, job => job.message.value.as_deref()),
            &column!(jobs, job => job.due_at),
            &column!(jobs, job => job.timeout_at),
            &column!(jobs, job => job.cancel.as_ref().map(Json)),
            &column!(jobs, job => job.paused.as_ref().map(Json)),
            &column!(jobs, job => job.error.as_ref().map(Json)),
            &column!(jobs, job => signed_long(job.error_count)),
            &column!(jobs, job => job.result.as_ref()),
            &column!(jobs, job => job.workflow.as_ref().map(|workflow| Json(&workflow.state))),
            &column!(jobs, job => view::metadata(job).map(Json)),
            &column!(jobs, job => job.started_at),
            &column!(jobs, job => job.finished_at),
            &stamp.epoch,
            &stamp.now,
            &column!(jobs, job => stamp.traces.get(&job.id).map(ToString::to_string)),
            &column!(jobs, job => signed(job.round)),
        ],
    )
    .await?;
    Ok(())
}

/// Updates the jobs that the fold changed.
pub(super) async fn update_jobs(tx: &Unit, last: &Last, tree: &Tree, stamp: &Stamp<'_>) -> Result<(), StoreError> {
    let jobs: Vec<&Job> = tree.changed().collect();
    if jobs.is_empty() {
        return Ok(());
    }
    tx.execute(
        &last.update_jobs,
        &[
            &column!(jobs, job => job.id.0),
            &column!(jobs, job => job.params.as_ref()),
            &column!(jobs, job => job.status.as_str()),
            &column!(jobs, job => signed(job.attempt)),
            &column!(jobs, job => signed(job.dispatch)),
            &column!(jobs, job => signed(job.run)),
            &column!(jobs, job => signed(job.failures)),
            &column!(jobs, job => signed(job.losses)),
            &column!(jobs, job => job.progress.hundredths()),
            &column!(jobs, job => job.message.value.as_deref()),
            &column!(jobs, job => signed_long(job.message.seq)),
            &column!(jobs, job => job.processed.value.map(signed_long)),
            &column!(jobs, job => signed_long(job.processed.seq)),
            &column!(jobs, job => job.total.value.map(signed_long)),
            &column!(jobs, job => signed_long(job.total.seq)),
            &column!(jobs, job => job.lease.map(|session| session.0)),
            &column!(jobs, job => job.due_at),
            &column!(jobs, job => job.timeout_at),
            &column!(jobs, job => job.cancel.as_ref().map(Json)),
            &column!(jobs, job => job.paused.as_ref().map(Json)),
            &column!(jobs, job => job.error.as_ref().map(Json)),
            &column!(jobs, job => signed_long(job.error_count)),
            &column!(jobs, job => job.result.as_ref()),
            &column!(jobs, job => (!job.items.is_empty()).then_some(Json(&job.items))),
            &column!(jobs, job => job.parked.as_ref().map(Json)),
            &column!(jobs, job => job.workflow.as_ref().map(|workflow| Json(&workflow.state))),
            &column!(jobs, job => view::metadata(job).map(Json)),
            &column!(jobs, job => job.started_at),
            &column!(jobs, job => job.finished_at),
            &stamp.epoch,
            &stamp.now,
            &column!(jobs, job => signed(job.round)),
        ],
    )
    .await?;
    Ok(())
}

fn step_of<'a>(tree: &'a Tree, job: &Job) -> Option<&'a drover_engine::definition::Step> {
    let parent = job.parent?;
    tree.get(parent.id)?.workflow.as_ref()?.step(parent.step)
}

/// Carries out what the fold decided beside its rows. What goes to the broker comes back as outbox rows.
pub(super) async fn effects(
    tx: &Unit,
    last: &Last,
    tree: &Tree,
    commands: Vec<Command>,
    given: BTreeMap<JobId, Given>,
    claim: Claim,
    traces: &RootTraces,
) -> Result<Vec<OutboxRow>, StoreError> {
    let mut records: Vec<Record> = Vec::new();
    let mut tombstones: BTreeSet<RunningJob> = BTreeSet::new();
    let mut withdrawn: Vec<RunningJob> = Vec::new();
    let mut owed: Vec<OutboxRow> = Vec::new();
    for command in commands {
        match command {
            Command::Publish { job_id, dispatch } => {
                // A dispatch that the same fold has superseded or withdrawn is not published at all.
                let current = |job: &&Job| job.dispatch == dispatch && !job.is_terminal() && job.paused.is_none();
                if let Some(job) = tree.get(job_id).filter(current) {
                    let message = outbox::message_of(job, step_of(tree, job), traces.get(&job.root_id).copied());
                    owed.push(OutboxRow::job(job_id, dispatch, message));
                }
            }
            Command::Tombstone(job) => {
                tombstones.insert(job);
            }
            Command::Withdraw(job) => withdrawn.push(job),
            Command::Stop { session, job } => {
                owed.push(OutboxRow::control(&Control::Stop { worker_session: session, jobs: vec![job] }));
            }
            Command::Record(record) => records.push(record),
            Command::Notify { job_id } => owed.extend(notification(tree, job_id)),
            // Answered or written during the fold.
            Command::StoreItems { .. }
            | Command::Load { .. }
            | Command::Advance { .. }
            | Command::Assemble { .. }
            | Command::Expand { .. }
            | Command::Window { .. } => {}
        }
    }
    record::note_given(&mut records, given);
    let tombstones = Vec::from_iter(tombstones);
    let broadcasts: Vec<Broadcast<'_>> =
        tombstones.chunks(JOBS_PER_CONTROL).map(|jobs| (ControlId(Uuid::now_v7()), jobs)).collect();
    owed.extend(broadcasts.iter().map(|(control_id, jobs)| {
        OutboxRow::control(&Control::Cancel { control_id: *control_id, jobs: jobs.to_vec() })
    }));
    let withdrawals: Vec<Broadcast<'_>> =
        withdrawn.chunks(JOBS_PER_CONTROL).map(|jobs| (ControlId(Uuid::now_v7()), jobs)).collect();
    owed.extend(withdrawals.iter().map(|(control_id, jobs)| {
        OutboxRow::control(&Control::Withdraw { control_id: Some(*control_id), jobs: jobs.to_vec() })
    }));
    let ((), (), (), outbox) = try_join!(
        insert_history(tx, &last.insert_history, &records),
        insert_broadcasts(tx, &last.insert_tombstones, &broadcasts),
        insert_broadcasts(tx, &last.insert_withdrawals, &withdrawals),
        outbox::insert(tx, &last.insert_outbox, owed, claim),
    )?;
    Ok(outbox)
}

/// Other systems are told of whole jobs, not of the parts of a workflow.
fn notification(tree: &Tree, id: JobId) -> Option<OutboxRow> {
    let job = tree.get(id)?;
    if job.parent.is_some() || !job.is_terminal() {
        return None;
    }
    let data =
        NotificationData { job_id: id, job_type: job.job_type.clone(), status: job.status, error: job.error.clone() };
    Some(OutboxRow::notification(&Notification::of(data, job.run, job.finished_at?)))
}

/// Keeps the chunks of items lists among the commands, and gives back the others.
pub(super) async fn items(tx: &Unit, commands: Vec<Command>) -> Result<Vec<Command>, StoreError> {
    let (mut items, mut others) = (Vec::new(), Vec::with_capacity(commands.len()));
    for command in commands {
        match command {
            Command::StoreItems { job_id, dispatch, seq, name, values } => {
                items.push((job_id.0, signed(dispatch), signed_long(seq), name, Value::Array(values)));
            }
            other => others.push(other),
        }
    }
    if !items.is_empty() {
        tx.begin().await?;
        insert_items(tx, &items).await?;
    }
    Ok(others)
}

async fn insert_items(tx: &Unit, items: &[(Uuid, i32, i64, String, Value)]) -> Result<(), StoreError> {
    let statement = tx.prepare_cached(sql::INSERT_ITEMS).await?;
    tx.execute(
        &statement,
        &[
            &column!(items, item => item.0),
            &column!(items, item => item.1),
            &column!(items, item => item.2),
            &column!(items, item => item.3.as_str()),
            &column!(items, item => &item.4),
        ],
    )
    .await?;
    Ok(())
}

async fn insert_history(tx: &Unit, statement: &Statement, records: &[Record]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    tx.execute(
        statement,
        &[
            &column!(records, record => record.root_id.0),
            &column!(records, record => record.job_id.0),
            &column!(records, record => signed(record.attempt)),
            &column!(records, record => signed(record.dispatch)),
            &column!(records, record => record.kind),
            &column!(records, record => (!record.detail.is_empty()).then_some(Json(&record.detail))),
            &column!(records, record => record.input),
            &column!(records, record => record.given.as_ref().map(Json)),
            &column!(records, record => record.at),
        ],
    )
    .await?;
    Ok(())
}

/// Forgets what the broker has confirmed.
pub(super) async fn delete_outbox(tx: &Unit, last: &Last, ids: &[i64]) -> Result<(), StoreError> {
    if !ids.is_empty() {
        tx.execute(&last.delete_outbox, &[&ids]).await?;
    }
    Ok(())
}

/// A message that tells the workers what was cancelled or withdrawn.
type Broadcast<'a> = (ControlId, &'a [RunningJob]);

async fn insert_broadcasts(tx: &Unit, statement: &Statement, broadcasts: &[Broadcast<'_>]) -> Result<(), StoreError> {
    if broadcasts.is_empty() {
        return Ok(());
    }
    let rows: Vec<(&RunningJob, Uuid)> =
        broadcasts.iter().flat_map(|(control_id, jobs)| jobs.iter().map(|job| (job, control_id.0))).collect();
    tx.execute(
        statement,
        &[
            &column!(rows, row => row.0.job_id.0),
            &column!(rows, row => signed(row.0.dispatch)),
            &column!(rows, row => row.1),
        ],
    )
    .await?;
    Ok(())
}

/// Writes the items of fan-outs, cut into batches.
pub(super) async fn expand(tx: &Unit, expansions: Vec<Expansion>) -> Result<Vec<Expanded>, StoreError> {
    let steps: Vec<_> = expansions.iter().map(|expansion| (expansion.workflow, expansion.step)).collect();
    let (workflows, indexes) = super::load::columns(&steps);
    let statement = tx.prepare_cached(sql::CLEAR_FAN_OUTS).await?;
    tx.execute(&statement, &[&workflows, &indexes, &column!(expansions, expansion => &expansion.template)]).await?;
    let mut written = Vec::new();
    for expansion in expansions {
        let total = match expansion.source {
            drover_engine::command::ItemsSource::Inline(ref items) => insert_batches(tx, &expansion, items).await?,
            drover_engine::command::ItemsSource::List { job_id, ref name, count } => {
                let statement = tx.prepare_cached(sql::COUNT_LIST).await?;
                let found: i64 =
                    tx.query_one(&statement, &[&expansion.workflow.0, &job_id.0, name]).await?.try_get(0)?;
                if signed_long(count) != found {
                    let batches = Err((count, found.unsigned_abs()));
                    written.push(Expanded { workflow: expansion.workflow, step: expansion.step, batches });
                    continue;
                }
                let statement = tx.prepare_cached(sql::EXPAND_LIST).await?;
                let size = i64::from(expansion.batch_size.max(1));
                let step = index(expansion.step);
                tx.execute(&statement, &[&expansion.workflow.0, &step, &size, &job_id.0, name]).await?
            }
        };
        let batches = Ok(u32::try_from(total).unwrap_or(u32::MAX));
        written.push(Expanded { workflow: expansion.workflow, step: expansion.step, batches });
    }
    Ok(written)
}

/// A fan-out whose items were written.
pub(super) struct Expanded {
    pub(super) workflow: JobId,
    pub(super) step: usize,
    /// How many batches it has; `Err`: how many values its list should have, and how many are there.
    pub(super) batches: Result<u32, (u64, u64)>,
}

/// A fan-out whose items are to be written.
pub(super) struct Expansion {
    pub(super) workflow: JobId,
    pub(super) step: usize,
    pub(super) source: drover_engine::command::ItemsSource,
    pub(super) batch_size: u32,
    pub(super) template: Value,
}

async fn insert_batches(tx: &Unit, expansion: &Expansion, items: &[Value]) -> Result<u64, StoreError> {
    let size = usize::try_from(expansion.batch_size.max(1)).unwrap_or(1);
    let batches: Vec<(usize, Value)> =
        items.chunks(size).map(|items| Value::Array(items.to_vec())).enumerate().collect();
    let statement = tx.prepare_cached(sql::INSERT_BATCHES).await?;
    let written = tx
        .execute(
            &statement,
            &[
                &column!(batches, _batch => expansion.workflow.0),
                &column!(batches, _batch => index(expansion.step)),
                &column!(batches, batch => index(batch.0)),
                &column!(batches, batch => &batch.1),
            ],
        )
        .await?;
    Ok(written)
}
