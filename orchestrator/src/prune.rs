//! Finished work that is kept no longer goes: whole trees, oldest first, in short transactions with pauses between them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use drover_protocol::JobType;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    app::App,
    bulk::SPELL,
    store::{Counted, FirstKept, StoreError},
};

/// Most types that one call looks at.
const TYPES: i64 = 1_000;
/// Most dead letters of one transaction.
const LETTERS: i64 = 1_000;
/// What may go is counted up to this, of each type.
const COUNTED: i64 = 1_000_000;
/// Between two transactions it pauses for as long as the last one took, and at least for this, so that at least half of the
/// time belongs to live work; at most for the other.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How long to pause after a transaction that was begun then.
pub(crate) fn pause_after(began: Instant) -> Duration {
    began.elapsed().clamp(PAUSES.0, PAUSES.1)
}

/// What of a type went, or may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedType {
    /// The type of the roots.
    pub job_type: JobType,
    /// Trees.
    pub trees: i64,
    /// All jobs of these trees.
    pub jobs: i64,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// What went, or may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// By type; those of which nothing goes are left out.
    pub types: Vec<PrunedType>,
    /// Dead letters.
    pub dead_letters: i64,
    /// With which type to go on; `None`: that was all.
    pub next: Option<JobType>,
}

impl App {
    /// Counts what may go, from a type on, for as long as a request may take.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_prunable(&self, from: Option<&JobType>) -> Result<Pruned, StoreError> {
        let (began, mut pruned) = (Instant::now(), Pruned::default());
        if let (None, Some(age)) = (from, self.retention.dead_letter_age()) {
            pruned.dead_letters = self.store.count_old_dead(age, COUNTED).await?;
        }
        for job_type in self.store.ended_types(from.map_or("", JobType::as_str), TYPES).await? {
            if began.elapsed() >= SPELL {
                pruned.next = Some(job_type);
                break;
            }
            let Some(first_kept) = self.first_kept(&job_type, Utc::now()).await? else { continue };
            let (trees, jobs) = self.store.count_prunable(&job_type, first_kept, COUNTED).await?;
            if trees.count > 0 {
                let Counted { count, more } = jobs;
                pruned.types.push(PrunedType { job_type, trees: trees.count, jobs: count, more: more || trees.more });
            }
        }
        Ok(pruned)
    }

    /// Deletes what is kept no longer, from a type on, for as long as a request may take. Another replica that is at it is
    /// waited for.
    ///
    /// # Errors
    /// When the database is away, or could not delete of some type, after the others; what was deleted stays so.
    pub async fn prune(&self, from: Option<&JobType>) -> Result<Pruned, StoreError> {
        let (began, mut pruned, mut failed) = (Instant::now(), Pruned::default(), None);
        if from.is_none() {
            pruned.dead_letters = self.prune_dead(began).await?;
        }
        for job_type in self.store.ended_types(from.map_or("", JobType::as_str), TYPES).await? {
            let Some(first_kept) = self.first_kept(&job_type, Utc::now()).await? else { continue };
            let mut of_type = PrunedType { job_type, trees: 0, jobs: 0, more: false };
            let whole = self.prune_type(&mut of_type, first_kept, began).await;
            let job_type = of_type.job_type.clone();
            if of_type.trees > 0 {
                pruned.types.push(of_type);
            }
            match whole {
                Ok(true) => {}
                Ok(false) => {
                    pruned.next = Some(job_type);
                    break;
                }
                // A database that is away is away for all of them.
                Err(error) if error.is_transient() && !error.took_too_long() => return Err(error),
                // One tree that cannot go keeps no other type.
                Err(error) => {
                    tracing::warn!(%error, job.r#type = %job_type, "its jobs cannot be pruned now");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if pruned.next.is_none() => Err(error),
            _ => Ok(pruned),
        }
    }

    /// Where the trees of a type begin that are kept; `None`: all are.
    async fn first_kept(&self, job_type: &JobType, now: DateTime<Utc>) -> Result<Option<FirstKept>, StoreError> {
        let rule = self.retention.rule(job_type);
        let by_number = match rule.newest {
            Some(newest) => self.store.newest_ended(job_type, newest.into()).await?,
            None => None,
        };
        let since = rule.age.and_then(|age| now.checked_sub_signed(chrono::TimeDelta::from_std(age).ok()?));
        let by_age = since.map(|finished_at| FirstKept { finished_at, id: Uuid::nil() });
        // Whichever leaves fewer.
        Ok(by_number.max(by_age))
    }

    /// Whether all of the type that may go is gone before the time is over.
    async fn prune_type(
        &self,
        pruned: &mut PrunedType,
        first_kept: FirstKept,
        began: Instant,
    ) -> Result<bool, StoreError> {
        while began.elapsed() < SPELL {
            let step = Instant::now();
            if let Some(gone) = self.store.prune_trees(&pruned.job_type, first_kept).await? {
                pruned.trees += gone.trees;
                pruned.jobs += gone.jobs;
                self.metrics.jobs_pruned.inc_by(gone.jobs.unsigned_abs());
                if !gone.more || gone.trees == 0 {
                    return Ok(true);
                }
            }
            sleep(pause_after(step)).await;
        }
        Ok(false)
    }

    async fn prune_dead(&self, began: Instant) -> Result<i64, StoreError> {
        let Some(age) = self.retention.dead_letter_age() else { return Ok(0) };
        let mut deleted = 0;
        while began.elapsed() < SPELL {
            let step = Instant::now();
            let gone = self.store.delete_old_dead(age, LETTERS).await?;
            deleted += gone;
            if gone < LETTERS {
                break;
            }
            sleep(pause_after(step)).await;
        }
        Ok(deleted)
    }
}
