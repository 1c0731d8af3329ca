//! Rows of the outbox that are done: the broker has confirmed their messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Store, StoreError, statements as sql};

/// Most that are remembered. What is forgotten here is published once more, which the fence makes harmless.
const MOST: usize = 65_536;
/// Most that one transaction deletes.
const ROUND: usize = 4_096;

/// The rows that are done and still there. A fold takes them along with what it writes, so that they cost no transaction of
/// their own while there is work.
#[derive(Clone, Default)]
pub(super) struct Confirmed(Arc<(Mutex<Vec<i64>>, Notify)>);

impl Confirmed {
    fn rows(&self) -> MutexGuard<'_, Vec<i64>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, ids: &[i64]) {
        let mut rows = self.rows();
        let room = MOST.saturating_sub(rows.len());
        rows.extend(ids.iter().take(room));
        drop(rows);
        self.0.1.notify_one();
    }

    /// Some of them, for a transaction that deletes them.
    pub(super) fn take(&self) -> Taken {
        let mut rows = self.rows();
        let rest = rows.len().saturating_sub(ROUND);
        Taken { ids: rows.split_off(rest), from: self.clone() }
    }
}

/// Rows that a transaction is about to delete. They are back when it does not come to its commit.
pub(super) struct Taken {
    pub(super) ids: Vec<i64>,
    from: Confirmed,
}

impl Taken {
    /// They are gone.
    pub(super) fn deleted(mut self) {
        self.ids.clear();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            self.from.add(&self.ids);
        }
    }
}

impl Store {
    /// The broker has confirmed the messages of these rows of the outbox: they are deleted with the next fold, or by
    /// [`Store::delete_confirmed`].
    pub fn confirm(&self, rows: &[i64]) {
        if !rows.is_empty() {
            self.confirmed.add(rows);
        }
    }

    /// Until some are confirmed.
    pub async fn until_confirmed(&self) {
        self.confirmed.0.1.notified().await;
    }

    /// Deletes what is confirmed and no fold took.
    ///
    /// # Errors
    /// When the database is away. They are tried again; after a crash their messages are sent once more, which the fence makes
    /// harmless.
    pub async fn delete_confirmed(&self) -> Result<(), StoreError> {
        loop {
            let taken = self.confirmed.take();
            if taken.ids.is_empty() {
                return Ok(());
            }
            let client = self.by_key().await?;
            let statement = client.prepare_cached(sql::DELETE_OUTBOX_RELAXED).await?;
            client.execute(&statement, &[&taken.ids]).await?;
            taken.deleted();
        }
    }
}
