//! Plans: what an analysis proposes, until it is applied, refused or put aside.

use serde_json::Value;
use tokio_postgres::{Row, Transaction, types::Json};

use super::{Store, StoreError, counted, statements as sql};
use crate::fault::ItemError;

/// One proposed change of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The scene.
    pub scene_id: i64,
    /// `tag` or `marker`.
    pub kind: &'static str,
    /// The tag's name, or the marker's title.
    pub value: String,
    /// Where the marker is.
    pub at_ms: Option<i64>,
    /// What speaks for it.
    pub reason: String,
}

/// A plan to be made.
#[derive(Clone, Debug)]
pub struct NewPlan<'p> {
    /// The workflow's run.
    pub run_id: &'p str,
    /// Which batch of the run.
    pub batch: u32,
    /// The scenes of the batch.
    pub asked: &'p [i64],
    /// The scenes that were analyzed, with the content that was looked at.
    pub scenes: Vec<(i64, String)>,
    /// What is proposed.
    pub changes: Vec<Change>,
    /// Scenes that could not be analyzed.
    pub errors: &'p [ItemError],
}

/// A plan that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: i64,
    /// Scenes that it is about.
    pub scenes_analyzed: u64,
    /// Changes that it proposes.
    pub changes_proposed: u64,
    /// Scenes that could not be analyzed.
    pub errors: Vec<ItemError>,
}

/// What applying a plan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Changes that are applied, now or by an earlier attempt.
    pub changes_applied: u64,
    /// Scenes whose changes are lost: id, how many, and whether the scene is still there.
    pub lost: Vec<(i64, u64, bool)>,
}

/// What the plans of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Plans made.
    pub plans: u64,
    /// Scenes analyzed.
    pub scenes_analyzed: u64,
    /// Changes proposed.
    pub changes_proposed: u64,
    /// Changes approved.
    pub changes_approved: u64,
    /// Changes written.
    pub changes_applied: u64,
}

/// What the plan of a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Its index in the run, from 0.
    pub batch: i64,
    /// Scenes that were really analyzed.
    pub scenes_analyzed: u64,
    /// Changes approved.
    pub changes_approved: u64,
    /// Changes written.
    pub changes_applied: u64,
    /// Scenes that failed, as far as they are listed, and changes that were approved and could not be written.
    pub errors: u64,
}

impl Store {
    /// The plan of a run's batch, if it was made before for these scenes and not put aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_plan(&self, run_id: &str, batch: u32, scenes: &[i64]) -> Result<Option<Plan>, StoreError> {
        let rows = self.query(sql::FIND_PLAN, &[&run_id, &i64::from(batch), &scenes]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if fits(row)? { plan(row).map(Some) } else { Ok(None) }
    }

    /// Makes a plan, whole or not at all. Where the batch has one for its scenes already, that is given instead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn make_plan(&self, new: &NewPlan<'_>) -> Result<Plan, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let batch = i64::from(new.batch);
        let id: i64 = loop {
            if let Some(made) = make_room(&transaction, new).await? {
                return Ok(made);
            }
            // Nothing is inserted where somebody else's plan came first: that is looked at in its turn.
            let made = transaction.query_opt(sql::INSERT_PLAN, &[&new.run_id, &batch, &Json(new.errors)]).await?;
            if let Some(row) = made {
                break row.try_get(0)?;
            }
        };
        insert_scenes(&transaction, id, &new.scenes).await?;
        insert_changes(&transaction, id, &new.changes).await?;
        let made = plan(&transaction.query_one(sql::COUNT_PLAN, &[&id]).await?)?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Approves what is still open of a plan: how many of its changes are approved. One that was put aside is taken up again.
    ///
    /// # Errors
    /// [`StoreError`], also where the plan was refused.
    pub async fn approve_plan(&self, id: i64) -> Result<u64, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let (status, reason) = take_up(&transaction, id).await?;
        match status.as_str() {
            "pending" => {
                transaction.execute(sql::SET_PENDING_CHANGES, &[&id, &"approved"]).await?;
                transaction.execute(sql::SET_PLAN_STATUS, &[&id, &"approved", &None::<&str>]).await?;
            }
            "approved" | "applied" => {}
            _ => {
                return Err(decided(
                    id,
                    status,
                    reason,
                    "only a pending plan can be approved; analyze its scenes again",
                ));
            }
        }
        let approved = counted(&transaction.query_one(sql::COUNT_APPROVED, &[&id]).await?, 0)?;
        transaction.commit().await?;
        Ok(approved)
    }

    /// Writes the approved changes of a plan to its scenes, also where it was put aside after its approval. An applied plan stays
    /// as it is.
    ///
    /// # Errors
    /// [`StoreError`], also where the plan is not approved.
    pub async fn apply_plan(&self, id: i64) -> Result<Applied, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let (status, reason) = take_up(&transaction, id).await?;
        match status.as_str() {
            "approved" => {
                for statement in [
                    sql::LOCK_PLAN_SCENES,
                    sql::LOSE_CHANGES,
                    sql::DROP_EARLIER_TAGS,
                    sql::DROP_EARLIER_MARKERS,
                    sql::APPLY_TAGS,
                    sql::APPLY_MARKERS,
                    sql::FINISH_CHANGES,
                    sql::MARK_SCENES_ANALYZED,
                ] {
                    transaction.execute(statement, &[&id]).await?;
                }
                close(&transaction, id, "applied", None).await?;
            }
            "applied" => {}
            _ => return Err(decided(id, status, reason, "approve it first with approve_plan")),
        }
        let changes_applied = counted(&transaction.query_one(sql::COUNT_APPLIED, &[&id]).await?, 0)?;
        let lost = transaction.query(sql::LOST_CHANGES, &[&id]).await?;
        let lost = lost.iter().map(|row| Ok((row.try_get(0)?, counted(row, 1)?, row.try_get(2)?)));
        let applied = Applied { changes_applied, lost: lost.collect::<Result<_, StoreError>>()? };
        transaction.commit().await?;
        Ok(applied)
    }

    /// Refuses a plan: nothing of it is applied, and its scenes are proposed nothing until their content changes. How many
    /// changes are refused. One that was put aside before somebody decided is taken up again.
    ///
    /// # Errors
    /// [`StoreError`], also where the plan was approved or applied.
    pub async fn refuse_plan(&self, id: i64, reason: &str) -> Result<u64, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let (status, earlier) = take_up(&transaction, id).await?;
        match status.as_str() {
            "pending" => {
                transaction.execute(sql::LOCK_PLAN_SCENES, &[&id]).await?;
                transaction.execute(sql::SET_PENDING_CHANGES, &[&id, &"refused"]).await?;
                transaction.execute(sql::MARK_SCENES_ANALYZED, &[&id]).await?;
                close(&transaction, id, "refused", Some(reason)).await?;
            }
            "refused" => {}
            _ => return Err(decided(id, status, earlier, "only a pending plan can be refused")),
        }
        let refused = counted(&transaction.query_one(sql::COUNT_REFUSED, &[&id]).await?, 0)?;
        transaction.commit().await?;
        Ok(refused)
    }

    /// What the plans of a run came to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn plan_totals(&self, run_id: &str) -> Result<PlanTotals, StoreError> {
        let rows = self.query(sql::PLAN_TOTALS, &[&run_id]).await?;
        let Some(row) = rows.first() else { return Ok(PlanTotals::default()) };
        Ok(PlanTotals {
            plans: counted(row, 0)?,
            scenes_analyzed: counted(row, 1)?,
            changes_proposed: counted(row, 2)?,
            changes_approved: counted(row, 3)?,
            changes_applied: counted(row, 4)?,
        })
    }

    /// A page of a run's batches that have a plan, from the one after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn plan_batches(&self, run_id: &str, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        let rows = self.query(sql::PLAN_BATCHES, &[&run_id, &after, &limit]).await?;
        let read = |row: &Row| {
            Ok(BatchRow {
                batch: row.try_get(0)?,
                scenes_analyzed: counted(row, 1)?,
                changes_approved: counted(row, 2)?,
                changes_applied: counted(row, 3)?,
                errors: counted(row, 4)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Puts the open plans of a run aside: how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_plans(&self, run_id: &str, reason: &str) -> Result<u64, StoreError> {
        self.count(sql::DRAFT_PLANS, &[&run_id, &reason]).await
    }
}

async fn insert_changes(transaction: &Transaction<'_>, plan: i64, changes: &[Change]) -> Result<(), StoreError> {
    let scenes: Vec<i64> = changes.iter().map(|change| change.scene_id).collect();
    let kinds: Vec<&str> = changes.iter().map(|change| change.kind).collect();
    let values: Vec<&str> = changes.iter().map(|change| change.value.as_str()).collect();
    let places: Vec<Option<i64>> = changes.iter().map(|change| change.at_ms).collect();
    let reasons: Vec<&str> = changes.iter().map(|change| change.reason.as_str()).collect();
    transaction.execute(sql::INSERT_PLAN_CHANGES, &[&plan, &scenes, &kinds, &values, &places, &reasons]).await?;
    Ok(())
}

/// The plan that the batch has for its scenes; one that is another's, or was put aside, gives up its place in the run.
async fn make_room(transaction: &Transaction<'_>, new: &NewPlan<'_>) -> Result<Option<Plan>, StoreError> {
    let batch = i64::from(new.batch);
    transaction.execute(sql::LOCK_BATCH, &[&new.run_id, &batch]).await?;
    let Some(row) = transaction.query_opt(sql::FIND_PLAN, &[&new.run_id, &batch, &new.asked]).await? else {
        return Ok(None);
    };
    let found = plan(&row)?;
    if fits(&row)? {
        return Ok(Some(found));
    }
    transaction.execute(sql::REPLACE_PLAN, &[&found.id]).await?;
    Ok(None)
}

async fn insert_scenes(transaction: &Transaction<'_>, plan: i64, scenes: &[(i64, String)]) -> Result<(), StoreError> {
    let (scenes, fingerprints): (Vec<i64>, Vec<&str>) =
        scenes.iter().map(|(scene, fingerprint)| (*scene, fingerprint.as_str())).unzip();
    transaction.execute(sql::INSERT_PLAN_SCENES, &[&plan, &scenes, &fingerprints]).await?;
    Ok(())
}

/// Status and reason of a plan that is to be decided on, which nobody else decides on meanwhile. A draft is open again.
async fn take_up(transaction: &Transaction<'_>, id: i64) -> Result<(String, Option<String>), StoreError> {
    let row = transaction.query_opt(sql::LOCK_PLAN, &[&id]).await?.ok_or(StoreError::NoPlan(id))?;
    let status: String = row.try_get(0)?;
    if status == "draft" { Ok((reopen(transaction, id).await?, None)) } else { Ok((status, row.try_get(1)?)) }
}

/// Makes a draft again what it was: the run that it was put aside with goes on, and asks for it by its id. It keeps the scenes that
/// nobody else has taken care of since. Its status.
async fn reopen(transaction: &Transaction<'_>, id: i64) -> Result<String, StoreError> {
    transaction.execute(sql::LOCK_PLAN_SCENES, &[&id]).await?;
    let released = transaction.query(sql::RELEASE_PLAN_SCENES, &[&id]).await?;
    let scenes = released.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    // Inserted anew: what another open plan is about is left out, whereas an update would fail of it.
    insert_scenes(transaction, id, &scenes.collect::<Result<Vec<_>, StoreError>>()?).await?;
    transaction.execute(sql::DROP_CHANGES, &[&id]).await?;
    transaction.execute(sql::COUNT_PLAN, &[&id]).await?;
    Ok(transaction.query_one(sql::REOPEN_PLAN, &[&id]).await?.try_get(0)?)
}

async fn close(transaction: &Transaction<'_>, id: i64, status: &str, reason: Option<&str>) -> Result<(), StoreError> {
    transaction.execute(sql::SET_PLAN_STATUS, &[&id, &status, &reason]).await?;
    transaction.execute(sql::CLOSE_PLAN_SCENES, &[&vec![id]]).await?;
    Ok(())
}

fn decided(plan: i64, status: String, reason: Option<String>, want: &'static str) -> StoreError {
    StoreError::Decided { plan, status, reason, want }
}

/// Whether a plan that was found is that of the scenes.
fn fits(row: &Row) -> Result<bool, StoreError> {
    Ok(row.try_get("fits")?)
}

fn plan(row: &Row) -> Result<Plan, StoreError> {
    let errors: Value = row.try_get(3)?;
    let (scenes_analyzed, changes_proposed) = (counted(row, 1)?, counted(row, 2)?);
    // Written by this worker; what an older one wrote otherwise is worth less than the plan.
    let errors = serde_json::from_value(errors).unwrap_or_default();
    Ok(Plan { id: row.try_get(0)?, scenes_analyzed, changes_proposed, errors })
}
