//! What can go wrong at the library's database.

use std::error::Error;

use drover_worker::JobFailure;
use tokio_postgres::error::SqlState;

/// A unit of work failed, and nothing of it was committed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address cannot be used.
    #[error("--database-url (DROVER_MEDIA_DATABASE_URL): {0}")]
    Address(String),
    /// No connection within the time allowed.
    #[error("the media database cannot be reached: {}", chain(.0))]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The database refused or broke off.
    #[error("media database: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The schema could not be brought up to date.
    #[error("migrating the media database failed: {0}")]
    Migrate(String),
    /// There is no such plan.
    #[error("plan_id: there is no plan {0}")]
    NoPlan(i64),
    /// The plan is past that.
    #[error("plan_id: plan {plan} is {status}{}; {want}", reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    Decided {
        /// The plan.
        plan: i64,
        /// Its status.
        status: String,
        /// Why it has that.
        reason: Option<String>,
        /// What would do.
        want: &'static str,
    },
}

impl StoreError {
    /// Whether the same work may succeed later: the database is away, busy or chose this transaction as a victim.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Postgres(error) => match error.code() {
                None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>()),
                Some(code) => {
                    matches!(code.code().get(..2).unwrap_or_default(), "08" | "53" | "57" | "58")
                        || [
                            SqlState::T_R_SERIALIZATION_FAILURE,
                            SqlState::T_R_DEADLOCK_DETECTED,
                            SqlState::LOCK_NOT_AVAILABLE,
                        ]
                        .contains(code)
                }
            },
            Self::Address(_) | Self::Migrate(_) | Self::NoPlan(_) | Self::Decided { .. } => false,
        }
    }

    /// How a job fails of it. What the database does not give is never "nothing to do".
    #[must_use]
    pub fn into_failure(self) -> JobFailure {
        let kind = if matches!(self, Self::NoPlan(_) | Self::Decided { .. }) { "plan" } else { "database" };
        if self.is_transient() {
            JobFailure::retryable(kind, self.to_string())
        } else {
            JobFailure::permanent(kind, self.to_string())
        }
    }
}

/// The driver's own text says only "db error".
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{} {}{detail}", db.code().code(), db.message())
        }
        None => chain(error),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some errors already quote their cause.
        if !text.contains(&cause.to_string()) {
            text.push_str(": ");
            text.push_str(&cause.to_string());
        }
        source = cause.source();
    }
    text
}
