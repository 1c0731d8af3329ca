//! Schedules: which are due, and what became of their times. A time is settled in the transaction that makes its run, under the
//! lock of the schedule's row: of several replicas one does it, once.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use drover_engine::{
    definition::{Definition, Schedule},
    schedule::{LeftOut, Standing, Turn, turn},
};
use drover_protocol::{JobId, JobStatus};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Accepted, FoldContext, Folded, NewRoot, Store, StoreError, Unit,
    rows::unsigned,
    statements as sql,
    submit::{Claim, Claimed, claim},
};

/// How many runs of a schedule are known to it: of more, those that have not ended and the latest of the others, which somebody may
/// retry.
const RUNS: usize = 1_000;
/// When a schedule is looked at again whose definition cannot be read: its queued times wait as long.
const LATER: TimeDelta = TimeDelta::minutes(1);

/// A schedule whose time has come, locked until it is settled.
pub struct DueSchedule {
    /// The workflow's name.
    pub name: String,
    /// Its current definition.
    pub definition: Arc<Definition>,
    /// What is to be done.
    pub turn: Turn,
    tx: Unit,
    now: DateTime<Utc>,
    runs: Vec<Uuid>,
}

/// What became of a schedule's times.
#[derive(Debug, Default)]
pub struct Settled {
    /// For each time to fire, in order: its run.
    pub accepted: Vec<Accepted>,
    /// What the commit leaves to do.
    pub folded: Folded,
}

/// A schedule, where it stands.
#[derive(Clone, Debug)]
pub struct ScheduleStanding {
    /// The workflow's name.
    pub name: String,
    /// The workflow's current definition.
    pub definition: Arc<Definition>,
    /// What a person has said, and when.
    pub switched: Option<(bool, DateTime<Utc>)>,
    /// From when on its times are open; none while it is off.
    pub next_at: Option<DateTime<Utc>>,
    /// How many times wait for a run of before.
    pub queued: u32,
    /// The latest time of which something became.
    pub last: Option<LastTime>,
    /// Its latest run.
    pub last_job: Option<(JobId, JobStatus)>,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// What became of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTime {
    /// The time.
    pub at: DateTime<Utc>,
    /// `fired`, `queued`, `skipped`, `missed` or `failed`.
    pub outcome: String,
    /// Why, where that is not plain.
    pub reason: Option<String>,
}

/// What is written down of a turn.
struct Written<'a> {
    next_at: Option<DateTime<Utc>>,
    queued: &'a [DateTime<Utc>],
    runs: &'a [Uuid],
    last: Option<LastTime>,
    last_job: Option<Uuid>,
}

impl Store {
    /// The schedules whose time has come, or whose queued times may go on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn due_schedules(&self, limit: i64) -> Result<Vec<String>, StoreError> {
        self.rows(sql::DUE_SCHEDULES, &[&limit]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Locks a schedule whose time has come and decides what is to be done. None: another replica was there, or nothing can be done
    /// now; then the schedule's next time is written down.
    ///
    /// # Errors
    /// When the database is away, or the definition cannot be read.
    pub async fn take_schedule(&self, context: &FoldContext, name: &str) -> Result<Option<DueSchedule>, StoreError> {
        let tx = self.unit().await?;
        let Some(row) = locked(&tx, sql::LOCK_DUE_SCHEDULE, name).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let (next_at, queued): (_, Vec<DateTime<Utc>>) = (row.try_get(0)?, row.try_get(1)?);
        let Facts { now, definition, runs, at_work } =
            facts(&tx, context, name, &row.try_get::<_, Vec<Uuid>>(2)?).await?;
        let Some((definition, schedule)) = definition.as_ref().and_then(|it| Some((it, it.schedule.as_ref()?))) else {
            // An orchestrator of an earlier version has applied a definition without one.
            let statement = tx.prepare_cached(sql::UNDEFINE_SCHEDULE).await?;
            tx.last(async { Ok(tx.execute(&statement, &[&name]).await?) }).await?;
            return Ok(None);
        };
        let standing = Standing { next_at, queued, at_work };
        let turn = turn(schedule, &standing, now);
        if turn.is_idle() {
            if turn.next_at == next_at {
                tx.rollback().await?;
            } else {
                let written =
                    Written { next_at: turn.next_at, queued: &turn.queued, runs: &runs, last: None, last_job: None };
                commit(&tx, name, &written).await?;
            }
            return Ok(None);
        }
        Ok(Some(DueSchedule { name: name.to_owned(), definition: Arc::clone(definition), turn, tx, now, runs }))
    }

    /// Makes the runs of a schedule's times and writes down what became of all of them, in one transaction. `roots`: a run for each
    /// time to fire, or why there can be none.
    ///
    /// # Errors
    /// When the database refuses or is away: nothing is changed.
    pub async fn settle_schedule(
        due: DueSchedule,
        context: &FoldContext,
        roots: Result<Vec<NewRoot>, String>,
    ) -> Result<Settled, StoreError> {
        let DueSchedule { name, turn, tx, now, mut runs, .. } = due;
        let (roots, failure) = match roots {
            Ok(roots) => (roots, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let Claimed { outcomes, jobs, traces } = claim(&tx, roots).await?;
        let made = outcomes.iter().map(|(id, outcome)| match outcome {
            Claim::New => id.0,
            Claim::Duplicate(found) | Claim::Conflict(found) => found.0,
        });
        let made: Vec<Uuid> = made.collect();
        runs.extend(&made);
        runs.drain(..runs.len().saturating_sub(RUNS));
        let last = failure.map_or_else(|| became(&turn), |reason| Some(failed(&turn, now, reason)));
        let last_job = made.last().copied();
        let written = Written { next_at: turn.next_at, queued: &turn.queued, runs: &runs, last, last_job };
        if jobs.is_empty() {
            commit(&tx, &name, &written).await?;
            let accepted = outcomes.into_iter().map(|(id, outcome)| outcome.accepted(id, JobStatus::Pending)).collect();
            return Ok(Settled { accepted, folded: Folded::default() });
        }
        write(&tx, &name, &written).await?;
        let (folded, statuses) = Self::create(&tx, context, jobs, &traces).await?;
        let status = |id| statuses.get(&id).copied().unwrap_or(JobStatus::Pending);
        let accepted = outcomes.into_iter().map(|(id, outcome)| outcome.accepted(id, status(id))).collect();
        Ok(Settled { accepted, folded })
    }

    /// Writes down that the times of a schedule which have come failed, and goes on with those that follow.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn fail_schedule(&self, context: &FoldContext, name: &str, reason: &str) -> Result<(), StoreError> {
        match self.take_schedule(context, name).await {
            Ok(None) => Ok(()),
            Ok(Some(due)) => {
                Self::settle_schedule(due, context, Err(reason.to_owned())).await?;
                Ok(())
            }
            Err(error) if error.is_transient() => Err(error),
            Err(_) => {
                let tx = self.unit().await?;
                // Waits: the transaction that failed may hold the row for a moment yet.
                let Some(row) = locked(&tx, sql::LOCK_SCHEDULE, name).await? else { return tx.rollback().await };
                let (next_at, queued, runs): (Option<DateTime<Utc>>, Vec<DateTime<Utc>>, Vec<Uuid>) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let now: DateTime<Utc> = tx.query_one(sql::CLOCK, &[]).await?.try_get(0)?;
                if queued.is_empty() && next_at.is_none_or(|next_at| next_at > now) {
                    return tx.rollback().await;
                }
                let last = Some(failed(&Turn::default(), now, reason.to_owned()));
                let written =
                    Written { next_at: Some(now + LATER), queued: &queued, runs: &runs, last, last_job: None };
                commit(&tx, name, &written).await
            }
        }
    }

    /// Makes a run of a schedule at once, whatever runs. None: there is no such schedule.
    ///
    /// # Errors
    /// When the database is away: nothing is changed.
    pub async fn run_schedule(
        &self,
        context: &FoldContext,
        name: &str,
        root: NewRoot,
    ) -> Result<Option<(Accepted, Folded)>, StoreError> {
        let tx = self.unit().await?;
        let Some(row) = locked(&tx, sql::LOCK_SCHEDULE, name).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let (next_at, queued): (_, Vec<DateTime<Utc>>) = (row.try_get(0)?, row.try_get(1)?);
        let Facts { mut runs, .. } = facts(&tx, context, name, &row.try_get::<_, Vec<Uuid>>(2)?).await?;
        let Claimed { mut outcomes, jobs, traces } = claim(&tx, vec![root]).await?;
        let Some((id, outcome)) = outcomes.pop() else { return Ok(None) };
        if jobs.is_empty() {
            tx.rollback().await?;
            return Ok(Some((outcome.accepted(id, JobStatus::Pending), Folded::default())));
        }
        runs.push(id.0);
        runs.drain(..runs.len().saturating_sub(RUNS));
        write(&tx, name, &Written { next_at, queued: &queued, runs: &runs, last: None, last_job: Some(id.0) }).await?;
        let (folded, statuses) = Self::create(&tx, context, jobs, &traces).await?;
        let status = statuses.get(&id).copied().unwrap_or(JobStatus::Pending);
        Ok(Some((outcome.accepted(id, status), folded)))
    }

    /// Turns a schedule on or off. Its definition may have it so already: then a later version decides again. Whether there is such
    /// a schedule.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn switch_schedule(&self, context: &FoldContext, name: &str, on: bool) -> Result<bool, StoreError> {
        let tx = self.unit().await?;
        let Some(row) = locked(&tx, sql::LOCK_SCHEDULE, name).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let Facts { now, definition, .. } = facts(&tx, context, name, &[]).await?;
        let Some(schedule) = definition.as_ref().and_then(|definition| definition.schedule.as_ref()) else {
            tx.rollback().await?;
            return Ok(false);
        };
        let (next_at, queued): (Option<DateTime<Utc>>, Vec<DateTime<Utc>>) = (row.try_get(0)?, row.try_get(1)?);
        // Off is kept against every later version; on only against one that has it off.
        let switched = (!on || !schedule.enabled).then_some(on);
        let next_at = if on { next_at.or_else(|| schedule.next_after(now)) } else { None };
        let queued = if on { queued } else { Vec::new() };
        let statement = tx.prepare_cached(sql::SWITCH_SCHEDULE).await?;
        tx.last(async { Ok(tx.execute(&statement, &[&name, &switched, &next_at, &queued]).await?) }).await?;
        Ok(true)
    }

    /// A page of the schedules, by name, those after `after`; or the one of this name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_schedules(
        &self,
        context: &FoldContext,
        after: &str,
        name: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ScheduleStanding>, StoreError> {
        let rows = self.rows(sql::VIEW_SCHEDULES, &[&after, &name, &limit]).await?;
        let hashes: BTreeSet<String> = rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>()?;
        context.registry.ensure(&self.client().await?, &hashes).await?;
        rows.iter().map(|row| standing(row, context)).collect()
    }
}

/// The row of a schedule, locked; it begins the transaction.
async fn locked(tx: &Unit, statement: &str, name: &str) -> Result<Option<Row>, StoreError> {
    tx.first(async {
        let statement = tx.prepare_cached(statement).await?;
        Ok(tx.query_opt(&statement, &[&name]).await?)
    })
    .await
}

/// What a schedule's lock holder has to know.
struct Facts {
    now: DateTime<Utc>,
    definition: Option<Arc<Definition>>,
    /// Its runs that are there, those that have not ended last.
    runs: Vec<Uuid>,
    /// Whether one of them has not ended.
    at_work: bool,
}

async fn facts(tx: &Unit, context: &FoldContext, name: &str, runs: &[Uuid]) -> Result<Facts, StoreError> {
    let statement = tx.prepare_cached(sql::SCHEDULE_FACTS).await?;
    let row = tx.query_one(&statement, &[&name, &runs]).await?;
    let hash: Option<String> = row.try_get(1)?;
    context.registry.ensure(&**tx, &hash.iter().cloned().collect()).await?;
    let definition = hash.and_then(|hash| context.registry.by_hash(&hash, &[]));
    Ok(Facts { now: row.try_get(0)?, definition, runs: row.try_get(2)?, at_work: row.try_get(3)? })
}

async fn write(tx: &Unit, name: &str, written: &Written<'_>) -> Result<(), StoreError> {
    let Written { next_at, queued, runs, last, last_job } = written;
    let statement = tx.prepare_cached(sql::SETTLE_SCHEDULE).await?;
    let at = last.as_ref().map(|last| last.at);
    let outcome = last.as_ref().map(|last| last.outcome.as_str());
    let reason = last.as_ref().and_then(|last| last.reason.as_deref());
    tx.execute(&statement, &[&name, next_at, queued, runs, &at, &outcome, &reason, last_job]).await?;
    Ok(())
}

/// Writes it and ends the transaction.
async fn commit(tx: &Unit, name: &str, written: &Written<'_>) -> Result<(), StoreError> {
    write(tx, name, written).await?;
    tx.last(async { Ok(()) }).await
}

/// What became of the times of a turn, in short: of the latest of them.
fn became(turn: &Turn) -> Option<LastTime> {
    let left_out = |why: LeftOut| turn.left_out.iter().filter(|(_, other)| *other == why).count();
    let missed = left_out(LeftOut::Missed);
    let others = match (missed, turn.left_out.len() - missed) {
        (0, 0) => None,
        (missed, 0) => Some(format!("{missed} earlier missed")),
        (0, passed) => Some(format!("{passed} passed over, since a run had not ended")),
        (missed, passed) => Some(format!("{missed} earlier missed, {passed} passed over, since a run had not ended")),
    };
    let last = |at, outcome: &str, reason| Some(LastTime { at, outcome: outcome.into(), reason });
    let (newest, why) = turn.left_out.last().copied().unzip();
    let at = turn.last_at.or(newest);
    if let Some(fired) = turn.fire.last() {
        return last(at.unwrap_or(*fired), "fired", others);
    }
    match (why, turn.last_at) {
        (Some(LeftOut::Missed), _) => {
            last(at?, "missed", Some("nothing could be submitted then, and catch_up is none".into()))
        }
        (Some(LeftOut::Overlap), _) => last(at?, "skipped", Some("a run of before had not ended".into())),
        (Some(LeftOut::QueueFull), _) => last(
            at?,
            "skipped",
            Some("a run of before had not ended, and as many times as may wait waited already".into()),
        ),
        (None, Some(at)) => last(at, "queued", Some("it waits for a run of before".into())),
        (None, None) => None,
    }
}

fn failed(turn: &Turn, now: DateTime<Utc>, reason: String) -> LastTime {
    let at = turn.last_at.or_else(|| turn.fire.last().copied()).unwrap_or(now);
    LastTime { at, outcome: "failed".into(), reason: Some(reason) }
}

fn standing(row: &Row, context: &FoldContext) -> Result<ScheduleStanding, StoreError> {
    let (name, hash): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let definition = context.registry.by_hash(&hash, &[]);
    let definition =
        definition.ok_or_else(|| StoreError::corrupt(format!("schedule {name}"), "its definition is not there"))?;
    let switched: Option<bool> = row.try_get(2)?;
    let (outcome, reason): (Option<String>, _) = (row.try_get(7)?, row.try_get(8)?);
    let at: Option<DateTime<Utc>> = row.try_get(6)?;
    let status = row.try_get::<_, Option<String>>(10)?.map(|status| status.parse::<JobStatus>()).transpose();
    let status = status.map_err(|error| StoreError::corrupt(format!("last job of schedule {name}"), error))?;
    Ok(ScheduleStanding {
        switched: switched.zip(row.try_get(3)?),
        next_at: row.try_get(4)?,
        queued: unsigned(row.try_get(5)?),
        last: at.zip(outcome).map(|(at, outcome)| LastTime { at, outcome, reason }),
        last_job: row.try_get::<_, Option<Uuid>>(9)?.map(JobId).zip(status),
        now: row.try_get(11)?,
        name,
        definition,
    })
}

/// What an applied definition means for its schedule, within the transaction that makes it the current one.
pub(super) async fn define(
    tx: &deadpool_postgres::Transaction<'_>,
    name: &str,
    schedule: Option<&Schedule>,
) -> Result<(), StoreError> {
    let Some(schedule) = schedule else {
        let statement = tx.prepare_cached(sql::UNDEFINE_SCHEDULE).await?;
        tx.execute(&statement, &[&name]).await?;
        return Ok(());
    };
    let now: DateTime<Utc> = tx.query_one(sql::CLOCK, &[]).await?.try_get(0)?;
    let statement = tx.prepare_cached(sql::DEFINE_SCHEDULE).await?;
    let (zone, next) = (schedule.time_zone.name(), schedule.next_after(now));
    tx.execute(&statement, &[&name, &schedule.cron, &zone, &schedule.enabled, &next]).await?;
    Ok(())
}
