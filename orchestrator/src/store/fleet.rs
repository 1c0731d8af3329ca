//! Workers, leases, cancels under way: what the periodic duties ask and write.

use std::{collections::BTreeSet, time::Duration};

use drover_engine::Input;
use drover_protocol::{Control, ControlId, JobId, JobType, JobTypeInfo, PausedTypes, RunningJob, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Claim, OutboxRow, Store, StoreError, Unit,
    epoch::lease_lost,
    outbox,
    pauses::paused_types,
    rows::{seconds, signed, signed_long, unsigned},
    statements as sql,
};

/// Workflows that go on in another fold, at most, of one round of the timers.
const DEFERRED: i64 = 8;

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
    /// Which version of the paused types it obeys; `None`: it knows no pauses.
    pub paused_version: Option<u64>,
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

/// What a worker that arrives has to know before it consumes.
#[derive(Clone, Debug, Default)]
pub struct Briefing {
    /// The cancelled dispatches, the newest first. With the broadcast that told of it, if the cancel has not settled yet: it
    /// waits for the worker's acknowledgement.
    pub cancelled: Vec<(RunningJob, Option<ControlId>)>,
    /// The dispatches that were withdrawn; likewise.
    pub withdrawn: Vec<(RunningJob, Option<ControlId>)>,
    /// The job types of which nothing is to be taken.
    pub paused: PausedTypes,
}

impl Store {
    /// Enters a worker and its types, and gives what it has to know before it consumes: at most `limit` dispatches of each
    /// kind, the newest.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn worker_up(&self, worker: &WorkerArrival, limit: i64) -> Result<Briefing, StoreError> {
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
        let tombstones = tx.query(&statement, &[&limit]).await?;
        let statement = tx.prepare_cached(sql::OPEN_WITHDRAWALS).await?;
        let withdrawals = tx.query(&statement, &[&limit]).await?;
        let statement = tx.prepare_cached(sql::PAUSED_TYPES).await?;
        let paused = paused_types(&tx.query_one(&statement, &[&-1_i64]).await?)?;
        tx.commit().await?;
        let dispatch = |row: &tokio_postgres::Row| {
            Ok::<_, StoreError>(RunningJob { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) })
        };
        let told = |row| Ok::<_, StoreError>((dispatch(row)?, row.try_get::<_, Option<Uuid>>(2)?.map(ControlId)));
        Ok(Briefing {
            cancelled: tombstones.iter().map(told).collect::<Result<_, _>>()?,
            withdrawn: withdrawals.iter().map(told).collect::<Result<_, _>>()?,
            paused,
        })
    }

    /// Owes a worker the word to take no new jobs and to end. Where it stands, and what tells it if it is live; `None`: nobody
    /// knows of it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn drain_worker(
        &self,
        session: WorkerSession,
        claim: Claim,
    ) -> Result<Option<(String, Vec<OutboxRow>)>, StoreError> {
        let tx = Unit::new(self.client().await?);
        let statement = tx.prepare_cached(sql::WORKER_STATUS).await?;
        let rows = tx.first(async { Ok(tx.query(&statement, &[&session.0]).await?) }).await?;
        let status: Option<String> = rows.first().map(|row| row.try_get(0)).transpose()?;
        let Some(status) = status else {
            tx.rollback().await?;
            return Ok(None);
        };
        let drain = OutboxRow::control(&Control::Drain { worker_session: Some(session) });
        let owed = if status == "live" { vec![drain] } else { Vec::new() };
        let insert = tx.prepare_cached(sql::INSERT_OUTBOX).await?;
        let owed = tx.last(outbox::insert(&tx, &insert, owed, claim)).await?;
        Ok(Some((status, owed)))
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
        let paused_versions: Vec<i64> = beats.iter().map(|beat| beat.paused_version.map_or(-1, signed_long)).collect();
        tx.execute(&statement, &[&sessions, &types, &draining, &running, &seqs, &paused_versions]).await?;
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

    /// Forgets at most `limit` of the workers that have been gone for `age` and hold nothing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_workers(&self, age: Duration, limit: i64) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::DELETE_OLD_WORKERS).await?, &[&seconds(age), &limit]).await?;
        Ok(())
    }

    /// Jobs that are held by nobody any more: their worker is lost, or has not listed them for one lease.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_leases(&self, lease: Duration, limit: i64) -> Result<Vec<Input>, StoreError> {
        // By the index of leases, also where a table was just filled and nothing is known of it.
        let client = self.by_key().await?;
        let lost = client.prepare_cached(sql::LEASES_OF_LOST).await?;
        let missing = client.prepare_cached(sql::MISSING_JOBS).await?;
        let mut rows = client.query(&lost, &[&limit, &seconds(lease)]).await?;
        rows.extend(client.query(&missing, &[&seconds(lease), &limit]).await?);
        rows.iter().map(lease_lost).collect()
    }

    /// Cancelled dispatches that are known never to start.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settled_cancels(&self, limit: i64) -> Result<Vec<Input>, StoreError> {
        self.rows(sql::SETTLED_CANCELS, &[&limit]).await?.iter().map(never_started).collect()
    }

    /// Withdrawn dispatches of resumed jobs that are known never to start. A worker that acknowledges no withdrawals is not waited
    /// for longer than `patience`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settled_withdrawals(&self, limit: i64, patience: Duration) -> Result<Vec<Input>, StoreError> {
        let rows = self.rows(sql::SETTLED_WITHDRAWALS, &[&limit, &seconds(patience)]).await?;
        rows.iter().map(never_started).collect()
    }

    /// Forgets cancelled and withdrawn dispatches of which no message can turn up any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_tombstones(&self, age: Duration, limit: i64) -> Result<(), StoreError> {
        let client = self.client().await?;
        for sql in [sql::DELETE_TOMBSTONES, sql::DELETE_WITHDRAWALS] {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, &[&seconds(age), &limit]).await?;
        }
        client.execute(&client.prepare_cached(sql::DELETE_ACKS).await?, &[&limit]).await?;
        Ok(())
    }

    /// Jobs whose retry or start time has come, and jobs whose time is up.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn due(&self, limit: i64) -> Result<Vec<Input>, StoreError> {
        let input = |row: &tokio_postgres::Row| {
            let job_id = JobId(row.try_get(0)?);
            Ok(match row.try_get(1)? {
                Some(timeout_at) => Input::TimedOut { job_id, timeout_at },
                None => Input::Due { job_id },
            })
        };
        self.rows(sql::DUE_JOBS, &[&limit, &DEFERRED]).await?.iter().map(input).collect()
    }
}

fn never_started(row: &tokio_postgres::Row) -> Result<Input, StoreError> {
    Ok(Input::NeverStarted { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Desk, job_type};

    #[tokio::test]
    async fn a_heartbeat_does_not_wait_for_a_job_that_is_being_folded_and_marks_it_with_the_next() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        desk.start(id).await;
        let beat = |seq| WorkerBeat {
            session: desk.worker,
            seq,
            running: Vec::new(),
            types: vec![job_type("work")],
            acknowledged: BTreeSet::new(),
            draining: false,
            paused_version: None,
        };
        let mut other = desk.database.connect().await.expect("a connection");
        let is_missing = "SELECT missing_since IS NOT NULL FROM jobs WHERE id = $1";
        let fold = other.transaction().await.expect("begun");
        fold.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", &[&id.0]).await.expect("locked");
        let beats = [beat(100)];
        let beating = desk.app.store.heartbeats(&beats);
        tokio::time::timeout(Duration::from_secs(5), beating).await.expect("it waits for nobody").expect("taken");
        assert!(!fold.query_one(is_missing, &[&id.0]).await.expect("read").get::<_, bool>(0));
        fold.rollback().await.expect("ended");
        desk.app.store.heartbeats(&[beat(101)]).await.expect("taken");
        assert!(other.query_one(is_missing, &[&id.0]).await.expect("read").get::<_, bool>(0));
    }
}
