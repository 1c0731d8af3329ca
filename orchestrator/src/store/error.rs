//! What can go wrong at the database.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

/// A unit of work failed. Nothing of it was committed, unless the connection broke during the commit: every unit of work
/// is safe to repeat.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection within the time allowed.
    #[error("no database connection: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The database refused or broke off.
    #[error("database: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A stored row does not read as what it should be.
    #[error("a stored {what} cannot be read: {reason}")]
    Corrupt {
        /// Table and row.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The migrations could not be applied.
    #[error("migrating the database failed: {0}")]
    Migrate(String),
    /// It was the work of several, and each of them is told.
    #[error(transparent)]
    Shared(Arc<StoreError>),
    /// The work was asked for more rounds than any definition can need.
    #[error("the fold of {roots} trees did not come to rest within {rounds} rounds")]
    Unrest {
        /// How many trees.
        roots: usize,
        /// The limit.
        rounds: usize,
    },
}

/// What passes, of the classes whose other errors are a verdict on the work. Read-only: a disk of a managed server is full, or another
/// server is the primary now.
const PASSING: [SqlState; 5] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
];

impl StoreError {
    /// Whether the same work may succeed later: the database is away, busy or chose this transaction as a victim.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Postgres(error) => match error.code() {
                // Without a code the server said nothing: the connection broke, or the mistake is ours.
                None => is_broken(error),
                Some(code) => {
                    let class = code.code().get(..2).unwrap_or_default();
                    matches!(class, "08" | "53" | "57" | "58") || PASSING.contains(code)
                }
            },
            Self::Shared(error) => error.is_transient(),
            Self::Corrupt { .. } | Self::Migrate(_) | Self::Unrest { .. } => false,
        }
    }

    /// Whether work that is made of so many pieces is to be tried again as it is. Not if the server gave it up because it took too
    /// long: a part of it may succeed.
    #[must_use]
    pub fn is_worth_repeating(&self, pieces: usize) -> bool {
        self.is_transient() && !(self.took_too_long() && pieces > 1)
    }

    /// Whether the server gave the work up because of its length: other work may succeed.
    #[must_use]
    pub fn took_too_long(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::QUERY_CANCELED))
    }

    pub(super) fn corrupt(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.into(), reason: reason.to_string() }
    }
}

/// Whether the connection is what failed.
fn is_broken(error: &tokio_postgres::Error) -> bool {
    let io = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
    error.is_closed() || io
}

/// The driver's own text says only "db error".
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            let constraint = db.constraint().map(|name| format!(" [{name}]")).unwrap_or_default();
            format!("{} {}{detail}{constraint}", db.code().code(), db.message())
        }
        None => {
            let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_tests::Database;

    use super::*;

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        let database = Database::create().await.expect("a database");
        let client = database.connect().await.expect("a connection");
        let ours = client.query("SELECT $1::int", &[&"no number"]).await.expect_err("a wrong parameter");
        assert!(!StoreError::from(ours).is_transient(), "our own mistake");
        let wrong = client.query("SELECT 1 / 0", &[]).await.expect_err("a division by zero");
        assert!(!StoreError::from(wrong).is_transient(), "the server's verdict");
        client.batch_execute("SET default_transaction_read_only = on").await.expect("set");
        let read_only = client.batch_execute("CREATE TABLE t ()").await.expect_err("read-only");
        assert!(StoreError::from(read_only).is_transient(), "a server that takes no writes now");
        let killed =
            client.query("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await.expect_err("it is cut off");
        assert!(StoreError::from(killed).is_transient(), "a connection that is cut off");
        let closed = client.query("SELECT 1", &[]).await.expect_err("it is gone");
        assert!(StoreError::from(closed).is_transient(), "a connection that is gone");
    }
}
