//! A unit of work: one short transaction that costs no round trip of its own.

use std::{
    future::Future,
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering},
};

use deadpool_postgres::Object;
use futures_util::try_join;

use super::StoreError;

/// A transaction whose BEGIN travels with its first statements and whose COMMIT travels with its last ones: the server works
/// off what it is sent in order, and answers a COMMIT after a statement that failed by rolling back.
///
/// One that is dropped before its end takes its connection with it, which ends the transaction; that is rare, and a new
/// connection is cheaper than a question after each unit.
pub(super) struct Unit {
    client: Option<Object>,
    begun: AtomicBool,
}

impl Unit {
    /// Nothing is sent yet.
    pub(super) const fn new(client: Object) -> Self {
        Self { client: Some(client), begun: AtomicBool::new(false) }
    }

    /// Runs these within the transaction, which they begin if nobody has.
    ///
    /// # Errors
    /// Theirs, or that of the beginning.
    pub(super) async fn first<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // The macro polls in this order, and a statement is sent when it is polled first.
        let ((), done) = try_join!(self.begin(), work)?;
        Ok(done)
    }

    /// Runs these, the last of the transaction, and commits. All of them must be prepared already, so that they are sent at
    /// once: what waited to be prepared would come after the COMMIT.
    ///
    /// # Errors
    /// Theirs, or that of the commit: then nothing is changed, unless the connection broke and nobody can tell.
    pub(super) async fn last<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let ((), done, ()) = try_join!(self.begin(), work, self.send("COMMIT"))?;
        self.begun.store(false, Ordering::Relaxed);
        Ok(done)
    }

    /// Commits what ran.
    #[cfg(test)]
    pub(super) async fn commit(&self) -> Result<(), StoreError> {
        self.last(async { Ok(()) }).await
    }

    /// Ends it without a change.
    ///
    /// # Errors
    /// When the server is away; then it has ended, too.
    pub(super) async fn rollback(&self) -> Result<(), StoreError> {
        self.send("ROLLBACK").await?;
        self.begun.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Begins it by itself, if nobody has.
    ///
    /// # Errors
    /// When the server is away.
    pub(super) async fn begin(&self) -> Result<(), StoreError> {
        if self.begun.swap(true, Ordering::Relaxed) { Ok(()) } else { self.send("BEGIN").await }
    }

    async fn send(&self, statement: &str) -> Result<(), StoreError> {
        Ok(self.batch_execute(statement).await?)
    }
}

impl Deref for Unit {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().unwrap_or_else(|| unreachable!("it is taken only when the unit is dropped"))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.begun.load(Ordering::Relaxed)
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_protocol::JobEventKind;

    use super::*;
    use crate::testing::Desk;

    async fn count(unit: &Unit) -> i64 {
        unit.query_one("SELECT count(*) FROM tombstones", &[]).await.expect("counted").get(0)
    }

    async fn insert(unit: &Unit) -> Result<(), StoreError> {
        let row =
            "INSERT INTO tombstones (job_id, dispatch, control_id) VALUES (gen_random_uuid(), 1, gen_random_uuid())";
        Ok(unit.batch_execute(row).await?)
    }

    #[tokio::test]
    async fn what_was_begun_and_not_ended_leaves_nothing() {
        let desk = Desk::new().await;
        let unit = desk.app.store.unit().await.expect("a connection");
        unit.first(insert(&unit)).await.expect("written");
        assert_eq!(count(&unit).await, 1);
        drop(unit);
        let unit = desk.app.store.unit().await.expect("a connection");
        assert_eq!(count(&unit).await, 0);
        unit.last(insert(&unit)).await.expect("written");
        assert_eq!(count(&unit).await, 1, "with BEGIN and COMMIT at once");
        drop(unit);
        let unit = desk.app.store.unit().await.expect("a connection");
        unit.first(insert(&unit)).await.expect("written");
        unit.rollback().await.expect("rolled back");
        assert_eq!(count(&unit).await, 1);
    }

    #[tokio::test]
    async fn a_last_statement_that_fails_takes_all_back() {
        let desk = Desk::new().await;
        let unit = desk.app.store.unit().await.expect("a connection");
        unit.first(insert(&unit)).await.expect("written");
        let last = async {
            try_join!(insert(&unit), async { Ok(unit.batch_execute("SELECT 1 / 0").await?) })?;
            Ok(())
        };
        let error = unit.last(last).await.expect_err("it divides by zero");
        assert!(error.to_string().contains("division by zero"), "{error}");
        drop(unit);
        let unit = desk.app.store.unit().await.expect("a connection");
        assert_eq!(count(&unit).await, 0);
    }

    /// A connection that has prepared nothing yet must not send the COMMIT before what it has to prepare first.
    #[tokio::test]
    async fn a_fold_that_fails_at_its_last_write_changes_nothing_on_a_new_connection_either() {
        let desk = Desk::new().await;
        desk.announce(&["work"]).await;
        let id = desk.submit("work").await;
        let client = desk.database.connect().await.expect("a connection");
        let refusal = "ALTER TABLE history ADD CONSTRAINT refused CHECK (kind <> 'started')";
        client.batch_execute(refusal).await.expect("constrained");
        // What was begun takes its connection with it.
        let unit = desk.app.store.unit().await.expect("a connection");
        unit.begin().await.expect("begun");
        drop(unit);
        let started = drover_engine::Input::Event(desk.event(id, JobEventKind::Started));
        let folded = desk.app.store.fold(&desk.app.context, vec![started]).await;
        assert!(folded.expect_err("it is refused").to_string().contains("refused"));
        let job = desk.app.store.view_job(id, false).await.expect("read").expect("it is there");
        assert_eq!(job.view["status"], "pending");
    }
}
