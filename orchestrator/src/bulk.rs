//! Many jobs at once: cancelled, retried or deleted by a filter, in transactions of bounded size. A request does a part and
//! says where to go on, so that a million jobs are many short requests; each may be repeated.

use std::time::{Duration, Instant};

use drover_engine::{Input, Outcome};
use drover_protocol::{JobId, JobStatus};

use crate::{
    app::{ActionError, App, verdict},
    store::{JobFilter, MatchedJob, StoreError},
};

/// No new part of a request is begun after this, so that it is answered in time.
pub(crate) const SPELL: Duration = Duration::from_secs(10);
/// Most trees of one fold: each may have some thousand unfinished jobs.
const TREES: usize = 50;
/// Most jobs without sub-jobs that are deleted by one statement. A workflow is deleted alone: it may have 100,000.
const DELETED: usize = 200;

/// What is to be done with each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Asks for its end.
    Cancel {
        /// Wait for nothing.
        now: bool,
    },
    /// Retries it.
    Retry {
        /// Everything, rather than only what did not complete.
        from_start: bool,
    },
    /// Deletes it, with all that belongs to it.
    Delete,
}

impl Action {
    /// What is done then: "a job is …".
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancelled",
            Self::Retry { .. } => "retried",
            Self::Delete => "deleted",
        }
    }

    /// The statuses in which a job can be meant.
    #[must_use]
    pub const fn takes(self) -> &'static [JobStatus] {
        match self {
            Self::Cancel { .. } => &[JobStatus::Pending, JobStatus::Running, JobStatus::Cancelling],
            Self::Retry { .. } => &[JobStatus::Failed, JobStatus::CompletedWithErrors, JobStatus::Cancelled],
            Self::Delete => {
                &[JobStatus::Completed, JobStatus::CompletedWithErrors, JobStatus::Failed, JobStatus::Cancelled]
            }
        }
    }

    /// The statuses that are meant where none is said: what was cancelled is not retried by the way.
    #[must_use]
    pub const fn usually(self) -> &'static [JobStatus] {
        match self {
            Self::Cancel { now: false } => &[JobStatus::Pending, JobStatus::Running],
            Self::Retry { .. } => &[JobStatus::Failed, JobStatus::CompletedWithErrors],
            Self::Cancel { now: true } | Self::Delete => self.takes(),
        }
    }

    /// How many of these jobs are done in one transaction.
    fn part(self, jobs: &[MatchedJob]) -> usize {
        match self {
            Self::Cancel { .. } | Self::Retry { .. } => jobs.len().min(TREES),
            Self::Delete => jobs.iter().take(DELETED).take_while(|job| !job.is_workflow).count().max(1),
        }
    }
}

/// What became of many.
#[derive(Debug, PartialEq, Eq)]
pub struct Swept<I, R> {
    /// How many were looked at.
    pub matched: usize,
    /// With how many of them it is done, or was before.
    pub done: usize,
    /// The others, with the reason.
    pub refused: Vec<(I, R)>,
    /// After which one to go on; `None`: that was all.
    pub next: Option<I>,
}

impl<I, R> Default for Swept<I, R> {
    fn default() -> Self {
        Self { matched: 0, done: 0, refused: Vec::new(), next: None }
    }
}

impl App {
    /// Does something with up to `limit` jobs of a filter, newest first, those below `before`.
    ///
    /// # Errors
    /// When the database is away and nothing was done.
    pub async fn sweep(
        &self,
        action: Action,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Swept<JobId, ActionError>, StoreError> {
        self.sweep_until(Instant::now() + SPELL, action, filter, before, limit).await
    }

    /// The same; at that time it stops, but not before a part is done.
    async fn sweep_until(
        &self,
        deadline: Instant,
        action: Action,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Swept<JobId, ActionError>, StoreError> {
        let (jobs, more) = self.matching_jobs(filter, before, limit).await?;
        let mut swept = Swept::default();
        // A look that took all the time is followed by a part all the same: else nothing would ever be done.
        while swept.matched < jobs.len() && (swept.matched == 0 || Instant::now() < deadline) {
            let rest = jobs.get(swept.matched..).unwrap_or_default();
            let part = rest.get(..action.part(rest)).unwrap_or(rest);
            for (job, outcome) in part.iter().zip(self.act_on(action, part).await) {
                match outcome {
                    Ok(()) => swept.done += 1,
                    Err(ActionError::Store(error)) if error.is_transient() => {
                        if swept.matched == 0 {
                            return Err(error);
                        }
                        tracing::warn!(%error, "a request about many jobs is done in part");
                        swept.next = jobs.get(swept.matched - 1).map(|job| job.id);
                        return Ok(swept);
                    }
                    Err(error) => swept.refused.push((job.id, error)),
                }
                swept.matched += 1;
            }
        }
        let more = more || swept.matched < jobs.len();
        swept.next = swept.matched.checked_sub(1).and_then(|last| jobs.get(last)).map(|job| job.id).filter(|_| more);
        Ok(swept)
    }

    /// How many jobs of a filter there are, up to `limit`, and below which to go on counting.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_jobs(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Swept<JobId, ActionError>, StoreError> {
        let (jobs, more) = self.matching_jobs(filter, before, limit).await?;
        let next = jobs.last().map(|job| job.id).filter(|_| more);
        Ok(Swept { matched: jobs.len(), next, ..Swept::default() })
    }

    /// A page of jobs, and whether there are more behind it.
    async fn matching_jobs(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<(Vec<MatchedJob>, bool), StoreError> {
        let mut jobs = self.store.match_jobs(filter, before, limit + 1).await?;
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = jobs.len() > page;
        jobs.truncate(page);
        Ok((jobs, more))
    }

    /// One outcome for each job, in their order; the first that a database which is away or busy could not do is the last.
    async fn act_on(&self, action: Action, part: &[MatchedJob]) -> Vec<Result<(), ActionError>> {
        let input = |id| match action {
            Action::Cancel { now } => Some(Input::Cancel { job_id: id, now }),
            Action::Retry { from_start } => Some(Input::Retry { job_id: id, from_start }),
            Action::Delete => None,
        };
        let ids: Vec<JobId> = part.iter().map(|job| job.id).collect();
        match ids.iter().copied().map(input).collect::<Option<Vec<Input>>>() {
            Some(inputs) => self.fold_many(inputs).await,
            None => self.delete_many(&ids).await,
        }
    }

    async fn fold_many(&self, inputs: Vec<Input>) -> Vec<Result<(), ActionError>> {
        let ids: Vec<JobId> = inputs.iter().map(Input::job_id).collect();
        let outcomes = self.fold_each(inputs).await;
        ids.into_iter().zip(outcomes).map(|(id, outcome)| verdict(id, Some(outcome?))).collect()
    }

    /// Folds all in one transaction. If that fails each in its own: one that cannot be folded harms itself only. The outcomes end
    /// with a transient error, if there is one: what comes after it would wait as long for nothing.
    pub(crate) async fn fold_each(&self, inputs: Vec<Input>) -> Vec<Result<Outcome, StoreError>> {
        if inputs.is_empty() {
            return Vec::new();
        }
        let fold = async |inputs: Vec<Input>| {
            let folded = self.store.fold(&self.context, inputs).await?;
            let outcomes = folded.outcomes.clone();
            self.committed(folded);
            Ok::<_, StoreError>(outcomes)
        };
        match fold(inputs.clone()).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if inputs.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::warn!(%error, count = inputs.len(), "jobs are folded one by one");
                let mut outcomes = Vec::with_capacity(inputs.len());
                for input in inputs {
                    match fold(vec![input]).await {
                        Ok(one) => outcomes.extend(one.into_iter().map(Ok)),
                        Err(error) => {
                            let is_last = error.is_transient();
                            outcomes.push(Err(error));
                            if is_last {
                                break;
                            }
                        }
                    }
                }
                outcomes
            }
        }
    }

    async fn delete_many(&self, ids: &[JobId]) -> Vec<Result<(), ActionError>> {
        match self.store.delete(ids).await {
            // What could not go by now is looked at by itself, for the reason.
            Ok(gone) => {
                let mut outcomes = Vec::with_capacity(ids.len());
                for id in ids {
                    outcomes.push(if gone.contains(id) { Ok(()) } else { self.delete_again(*id).await });
                }
                outcomes
            }
            Err(error) if ids.len() == 1 => vec![Err(error.into())],
            Err(error) => {
                tracing::warn!(%error, count = ids.len(), "jobs are deleted one by one");
                let mut outcomes = Vec::with_capacity(ids.len());
                for id in ids {
                    let outcome = self.delete_again(*id).await;
                    let is_last = matches!(&outcome, Err(ActionError::Store(error)) if error.is_transient());
                    outcomes.push(outcome);
                    if is_last {
                        break;
                    }
                }
                outcomes
            }
        }
    }

    /// One that is gone by now is what was asked for.
    async fn delete_again(&self, id: JobId) -> Result<(), ActionError> {
        match self.delete(id).await {
            Err(ActionError::UnknownJob(_)) => Ok(()),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Desk;

    #[tokio::test]
    async fn a_look_that_took_all_the_time_is_followed_by_a_part_all_the_same() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        for _ in 0..3 {
            desk.submit("work").await;
        }
        let (action, filter) = (Action::Cancel { now: false }, JobFilter::default());
        let swept = desk.app.sweep_until(Instant::now(), action, &filter, None, 10).await.expect("done");
        assert_eq!((swept.matched, swept.done, swept.next), (3, 3, None));
    }

    #[tokio::test]
    async fn what_fails_together_is_done_one_by_one_until_the_database_fails() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let mut inputs = Vec::new();
        for _ in 0..3 {
            inputs.push(Input::Cancel { job_id: desk.submit("work").await, now: false });
        }
        desk.slow_above(0).await;
        let outcomes = desk.app.fold_each(inputs.clone()).await;
        assert!(matches!(&outcomes[..], [Err(error)] if error.is_transient()), "{outcomes:?}");
        desk.slow_above(1).await;
        let outcomes = desk.app.fold_each(inputs).await;
        assert!(matches!(&outcomes[..], [Ok(_), Ok(_), Ok(_)]), "{outcomes:?}");
    }
}
