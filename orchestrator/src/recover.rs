//! Recovery at once, when somebody asks: what was published and nobody has started is dispatched again, and what its worker
//! does not hold any more is retried. The running system does the same by itself, within a few leases (`duty/`).
//!
//! It is safe while the old messages still exist: they are withdrawn, and fences stop whoever has begun one all the same.

use std::time::{Duration, Instant};

use drover_engine::{Input, Outcome};

use crate::{
    app::App,
    bulk::SPELL,
    store::{Place, StoreError},
};

/// How long events may lie unfolded: of what was begun before, it is known.
const BEHIND: Duration = Duration::from_secs(5);
/// How long a request waits for that.
const PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(200);

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs that got a new dispatch.
    pub redispatched: usize,
    /// Jobs that were taken from workers that do not hold them any more.
    pub retried: usize,
    /// After which job to go on; `None`: that was all.
    pub next: Option<Place>,
}

/// Why nothing was recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// What has been started cannot be told from what has not.
    #[error(
        "events of the last {} seconds are not folded yet, so that it cannot be told what has been started; try again when \
         they are. What a broker lost with its data is dispatched again without this, as soon as it is back",
        .0.as_secs()
    )]
    Behind(Duration),
    /// The database is away, or worse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Dispatches again up to `limit` jobs after a place that were published at least `older_than` ago and that nobody is
    /// known to have started. At the first place also retries what no worker holds any more.
    ///
    /// # Errors
    /// When events are not folded in time, or the database is away.
    pub async fn recover(
        &self,
        older_than: Duration,
        after: Option<Place>,
        limit: i64,
    ) -> Result<Recovered, RecoverError> {
        self.until_current(PATIENCE).await?;
        let mut recovered = Recovered::default();
        if after.is_none() {
            recovered.retried = self.retry_lost(older_than, limit).await?;
        }
        let (count, next) = self.redispatch(&after.unwrap_or_default(), None, older_than, limit).await?;
        (recovered.redispatched, recovered.next) = (count, next);
        if recovered.redispatched + recovered.retried > 0 {
            let Recovered { redispatched, retried, .. } = &recovered;
            tracing::warn!(redispatched, retried, "jobs were recovered, as somebody asked");
        }
        Ok(recovered)
    }

    /// Waits until what was begun is known.
    async fn until_current(&self, patience: Duration) -> Result<(), RecoverError> {
        let began = Instant::now();
        loop {
            let behind = self.store.events_behind().await?;
            if behind < BEHIND {
                return Ok(());
            }
            if began.elapsed() >= patience {
                return Err(RecoverError::Behind(behind));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Takes jobs from workers that are lost, or do not hold them any more. How many.
    async fn retry_lost(&self, older_than: Duration, limit: i64) -> Result<usize, StoreError> {
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < SPELL {
            let inputs = self.store.unheld(older_than, limit).await?;
            let found = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
            let applied = self.fold_applied(inputs).await?;
            count += applied;
            if found < limit || applied == 0 {
                break;
            }
        }
        Ok(count)
    }

    /// Dispatches again what waits after a place, of one type or of all. How many, and after which job to go on.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn redispatch(
        &self,
        after: &Place,
        job_type: Option<&str>,
        older_than: Duration,
        limit: i64,
    ) -> Result<(usize, Option<Place>), StoreError> {
        let waiting = self.store.waiting_dispatches(after, job_type, older_than, limit).await?;
        let full = i64::try_from(waiting.len()).is_ok_and(|found| found >= limit);
        let next = waiting.last().map(|(place, _)| place.clone()).filter(|_| full);
        let count = self.fold_applied(waiting.into_iter().map(|(_, input)| input).collect()).await?;
        Ok((count, next))
    }

    /// Folds inputs; one that cannot be folded harms itself only. How many changed something.
    async fn fold_applied(&self, inputs: Vec<Input>) -> Result<usize, StoreError> {
        let mut count = 0;
        for outcome in self.fold_each(inputs).await {
            match outcome {
                Ok(Outcome::Applied) => count += 1,
                Ok(Outcome::Ignored(_) | Outcome::Illegal(_)) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(%error, "a job cannot be recovered"),
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Desk;

    #[tokio::test]
    async fn it_waits_until_it_is_known_what_was_begun() {
        let desk = Desk::new().await;
        let client = desk.database.connect().await.expect("a connection");
        let behind = "UPDATE intake SET folded_at = clock_timestamp() - interval '42 seconds'";
        client.execute(behind, &[]).await.expect("set");
        let refused = desk.app.until_current(Duration::ZERO).await.expect_err("it cannot be told");
        assert!(refused.to_string().contains("events of the last 42 seconds"), "{refused}");
        desk.folded().await;
        desk.app.until_current(Duration::ZERO).await.expect("it is known");
    }
}
