//! Workers, leases, cancels under way: what the periodic duties ask and write.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use drover_engine::Input;
use drover_protocol::{ControlId, JobEvent, JobEventKind, JobId, JobType, JobTypeInfo, RunningJob, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Store, StoreError,
    rows::{seconds, signed, signed_long, unsigned},
    statements as sql,
};

/// A worker's newest heartbeat of a batch.
#[derive(Clone, Debug)]
pub struct WorkerBeat {
    /// The worker.
    pub session: WorkerSession,
    /// The event's sequence number.
    pub seq: u64,
    /// What it runs.
    pub running: Vec<RunningJob>,
    /// What it takes.
    pub types: Vec<JobType>,
    /// Which control messages it has obeyed.
    pub acknowledged: BTreeSet<ControlId>,
    /// Whether it is about to end.
    pub draining: bool,
}

/// A worker that says it is there.
#[derive(Clone, Debug)]
pub struct WorkerArrival {
    /// The worker.
    pub session: WorkerSession,
    /// The event's sequence number.
    pub seq: u64,
    /// What it takes.
    pub types: Vec<JobTypeInfo>,
    /// Its program's version.
    pub version: String,
    /// Where it runs.
    pub host: String,
    /// How many jobs it runs at once.
    pub concurrency: u32,
    /// Where it listens.
    pub control_queue: Option<String>,
}

/// The open cancels, as a worker that arrives has to know them.
#[derive(Clone, Debug, Default)]
pub struct OpenCancels {
    /// The cancelled dispatches.
    pub jobs: Vec<RunningJob>,
    /// The broadcasts that told of them.
    pub controls: BTreeSet<ControlId>,
}

/// How this replica does.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    /// The database's time.
    pub now: DateTime<Utc>,
    /// Whether a cancel waits to settle.
    pub cancelling: bool,
}

impl Store {
    /// Enters a worker and its types, and gives what it has to know before it consumes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn worker_up(&self, worker: &WorkerArrival, limit: i64) -> Result<OpenCancels, StoreError> {
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let names: Vec<&str> = worker.types.iter().map(|info| info.job_type.as_str()).collect();
        let statement = tx.prepare_cached(sql::WORKER_UP).await?;
        tx.execute(
            &statement,
            &[
                &worker.session.0,
                &worker.host,
                &worker.version,
                &names,
                &signed(worker.concurrency),
                &worker.control_queue,
                &signed_long(worker.seq),
            ],
        )
        .await?;
        let statement = tx.prepare_cached(sql::UPSERT_JOB_TYPES).await?;
        let titles: Vec<&str> = worker.types.iter().map(|info| info.title.as_str()).collect();
        let units: Vec<Option<&str>> = worker.types.iter().map(|info| info.unit.as_deref()).collect();
        let params: Vec<&Value> = worker.types.iter().map(|info| &info.params_schema).collect();
        let results: Vec<&Value> = worker.types.iter().map(|info| &info.result_schema).collect();
        tx.execute(&statement, &[&names, &titles, &units, &params, &results]).await?;
        let statement = tx.prepare_cached(sql::OPEN_TOMBSTONES).await?;
        let rows = tx.query(&statement, &[&limit]).await?;
        tx.commit().await?;
        let mut open = OpenCancels::default();
        for row in rows {
            open.jobs.push(RunningJob { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) });
            open.controls.insert(ControlId(row.try_get(2)?));
        }
        Ok(open)
    }

    /// Writes the newest heartbeat of each worker, and gives what they run and must not.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn heartbeats(&self, beats: &[WorkerBeat]) -> Result<Vec<(WorkerSession, RunningJob)>, StoreError> {
        let mut client = self.client().await?;
        let tx = client.transaction().await?;
        let sessions: Vec<Uuid> = beats.iter().map(|beat| beat.session.0).collect();
        let types: Vec<Value> = beats.iter().map(|beat| json!(beat.types)).collect();
        let draining: Vec<bool> = beats.iter().map(|beat| beat.draining).collect();
        let running: Vec<Value> = beats.iter().map(|beat| json!(beat.running)).collect();
        let seqs: Vec<i64> = beats.iter().map(|beat| signed_long(beat.seq)).collect();
        let statement = tx.prepare_cached(sql::WORKER_HEARTBEATS).await?;
        tx.execute(&statement, &[&sessions, &types, &draining, &running, &seqs]).await?;
        let acks: Vec<(Uuid, Uuid)> =
            beats.iter().flat_map(|beat| beat.acknowledged.iter().map(|control| (control.0, beat.session.0))).collect();
        if !acks.is_empty() {
            let (controls, by): (Vec<Uuid>, Vec<Uuid>) = acks.into_iter().unzip();
            let statement = tx.prepare_cached(sql::ADD_CANCEL_ACKS).await?;
            tx.execute(&statement, &[&controls, &by]).await?;
        }
        let statement = tx.prepare_cached(sql::MARK_MISSING).await?;
        tx.execute(&statement, &[&sessions, &running]).await?;
        let statement = tx.prepare_cached(sql::SUPERSEDED_JOBS).await?;
        let rows = tx.query(&statement, &[&sessions, &running]).await?;
        tx.commit().await?;
        rows.iter()
            .map(|row| {
                let job = RunningJob { job_id: JobId(row.try_get(1)?), dispatch: unsigned(row.try_get(2)?) };
                Ok((WorkerSession(row.try_get(0)?), job))
            })
            .collect()
    }

    /// Workers that said goodbye.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn workers_down(&self, workers: &[(WorkerSession, u64)]) -> Result<(), StoreError> {
        let client = self.client().await?;
        let (sessions, seqs): (Vec<Uuid>, Vec<i64>) =
            workers.iter().map(|(session, seq)| (session.0, signed_long(*seq))).unzip();
        let statement = client.prepare_cached(sql::WORKER_DOWN).await?;
        client.execute(&statement, &[&sessions, &seqs]).await?;
        Ok(())
    }

    /// Whether silence may be held against workers: both queues have come out without delay for one full lease.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn intake_is_current(&self, lease: Duration, gap: Duration) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INTAKE_CURRENT).await?;
        Ok(client.query_one(&statement, &[&seconds(lease), &seconds(gap)]).await?.get(0))
    }

    /// Gives up the workers that were silent for one lease. Who they are.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lose_workers(&self, lease: Duration) -> Result<Vec<WorkerSession>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::LOSE_WORKERS).await?;
        let rows = client.query(&statement, &[&seconds(lease)]).await?;
        Ok(rows.iter().map(|row| WorkerSession(row.get(0))).collect())
    }

    /// Jobs that are held by nobody any more: their worker is lost, or has not listed them for one lease.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_leases(&self, lease: Duration, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let lost = client.prepare_cached(sql::LEASES_OF_LOST).await?;
        let missing = client.prepare_cached(sql::MISSING_JOBS).await?;
        let mut rows = client.query(&lost, &[&limit]).await?;
        rows.extend(client.query(&missing, &[&seconds(lease), &limit]).await?);
        rows.iter()
            .map(|row| {
                Ok(Input::LeaseLost {
                    job_id: JobId(row.try_get(0)?),
                    dispatch: unsigned(row.try_get(1)?),
                    session: WorkerSession(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// Up to `limit` dispatches, of jobs after `after`, that the broker of this epoch does not hold and nobody has started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_dispatches(&self, epoch: &str, after: JobId, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::LOST_DISPATCHES).await?;
        let rows = client.query(&statement, &[&epoch, &after.0, &limit]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Input::Republish { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) })
        };
        rows.iter().map(read).collect()
    }

    /// Takes every worker and every orchestrator that was there for gone: they ended with the broker that they shared a
    /// process with.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_earlier_life(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::END_EARLIER_LIFE).await?, &[]).await?;
        Ok(())
    }

    /// Cancelled dispatches that are known never to start.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settled_cancels(&self, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::SETTLED_CANCELS).await?;
        let rows = client.query(&statement, &[&limit]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Input::NeverStarted { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets tombstones of which no message can turn up any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_tombstones(&self, age: Duration, limit: i64) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::DELETE_TOMBSTONES).await?;
        client.execute(&statement, &[&seconds(age), &limit]).await?;
        Ok(())
    }

    /// Jobs whose retry or start time has come, and jobs whose time is up.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn due(&self, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let due = client.prepare_cached(sql::DUE_JOBS).await?;
        let timed_out = client.prepare_cached(sql::TIMED_OUT_JOBS).await?;
        let mut inputs = Vec::new();
        for row in client.query(&due, &[&limit]).await? {
            inputs.push(Input::Due { job_id: JobId(row.try_get(0)?) });
        }
        for row in client.query(&timed_out, &[&limit]).await? {
            inputs.push(Input::TimedOut { job_id: JobId(row.try_get(0)?), timeout_at: row.try_get(1)? });
        }
        Ok(inputs)
    }

    /// This replica lives, and has committed all that it had received `behind` ago.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn beat(&self, id: Uuid, host: &str, version: &str, behind: Duration) -> Result<Beat, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::ORCHESTRATOR_BEAT).await?;
        let row = client.query_one(&statement, &[&id, &host, &version, &seconds(behind)]).await?;
        Ok(Beat { now: row.try_get(0)?, cancelling: row.try_get(1)? })
    }

    /// This replica ends.
    ///
    /// # Errors
    /// When the database is away; then it is taken for dead after a while.
    pub async fn leave(&self, id: Uuid) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::ORCHESTRATOR_DOWN).await?, &[&id]).await?;
        Ok(())
    }

    /// Draws the conclusion from markers and beats: how far the queues are folded by all replicas.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn folded_through(&self, dead_after: Duration) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::FOLDED_THROUGH).await?;
        client.execute(&statement, &[&seconds(dead_after)]).await?;
        Ok(())
    }

    /// A marker came out of a queue.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn marker_received(
        &self,
        queue: &str,
        sent_at: DateTime<Utc>,
        lag: Duration,
        gap: Duration,
    ) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::MARKER_RECEIVED).await?;
        client.execute(&statement, &[&queue, &sent_at, &seconds(lag), &seconds(gap)]).await?;
        Ok(())
    }

    /// Keeps log lines. Lines of jobs that are gone are left out, repeats too.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_logs(&self, events: &[JobEvent]) -> Result<(), StoreError> {
        let lines: Vec<(&JobEvent, &'static str, &str, Value)> = events
            .iter()
            .filter_map(|event| match &event.kind {
                JobEventKind::Log { level, message, fields } => {
                    Some((event, level.as_str(), message.as_str(), Value::Object(fields.clone())))
                }
                _ => None,
            })
            .collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INSERT_LOGS).await?;
        client
            .execute(
                &statement,
                &[
                    &lines.iter().map(|line| line.0.job_id.0).collect::<Vec<_>>(),
                    &lines.iter().map(|line| signed(line.0.attempt)).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.0.worker_session.0).collect::<Vec<_>>(),
                    &lines.iter().map(|line| signed_long(line.0.seq)).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.0.at).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.1).collect::<Vec<_>>(),
                    &lines.iter().map(|line| line.2).collect::<Vec<_>>(),
                    &lines.iter().map(|line| &line.3).collect::<Vec<_>>(),
                ],
            )
            .await?;
        Ok(())
    }

    /// Keeps what nobody could process.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn insert_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::INSERT_DEAD_LETTERS).await?;
        client
            .execute(
                &statement,
                &[
                    &letters.iter().map(|letter| letter.queue.as_str()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.detail.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.message_id.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.message_type.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.content_type.as_deref()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| &letter.properties).collect::<Vec<_>>(),
                    &letters.iter().map(|letter| letter.job_id.map(|id| id.0)).collect::<Vec<_>>(),
                ],
            )
            .await?;
        Ok(())
    }
}

/// A message that nobody could process.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The queue it was rejected from.
    pub queue: String,
    /// The broker's reason, or ours.
    pub reason: String,
    /// What was wrong with it.
    pub detail: Option<String>,
    /// Its `message_id`.
    pub message_id: Option<String>,
    /// Its `type`.
    pub message_type: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body as it came.
    pub body: Vec<u8>,
    /// Its other properties and headers.
    pub properties: Value,
    /// The job it is about, if that can be read.
    pub job_id: Option<JobId>,
}
