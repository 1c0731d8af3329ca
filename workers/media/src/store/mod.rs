//! The library's database: all SQL of this worker, and the short transactions it runs in. No connection is held while a
//! program works on a file.

mod downloads;
mod error;
mod files;
mod generated;
mod migrate;
mod plans;
mod scenes;
mod statements;
mod tidy;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tokio_postgres::{Row, types::ToSql};

pub use error::StoreError;
pub use files::{FileFacts, KnownFile, PendingFile};
pub use generated::{GeneratedRow, Preview};
pub use plans::{Applied, BatchRow, Change, NewPlan, Plan, PlanTotals};
pub use scenes::{Cut, Scene};

/// Longest wait for a connection, and for a statement.
const WAIT: Duration = Duration::from_secs(10);
const STATEMENT_MS: u32 = 60_000;
/// A connection whose other end acknowledges nothing for this long is dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    migrated: Arc<OnceCell<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Sets up the pool; it connects when it is first used, and brings the schema up to date before anything else.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(url: &SecretString, connections: usize) -> Result<Self, StoreError> {
        let mut postgres: tokio_postgres::Config = url
            .expose_secret()
            .parse()
            .map_err(|error: tokio_postgres::Error| StoreError::Address(error.to_string()))?;
        let settings = format!(
            "-c timezone=UTC -c jit=off -c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS} \
             -c idle_in_transaction_session_timeout={STATEMENT_MS}"
        );
        let options = postgres.get_options().map(|given| format!("{given} {settings}")).unwrap_or(settings);
        postgres.options(options);
        postgres.application_name("drover-media-worker");
        postgres.connect_timeout(WAIT);
        postgres.tcp_user_timeout(UNACKNOWLEDGED);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let pool = Pool::builder(Manager::from_config(postgres, migrate::tls(), recycling))
            .max_size(connections)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Address(error.to_string()))?;
        Ok(Self { pool, migrated: Arc::default() })
    }

    async fn client(&self) -> Result<Object, StoreError> {
        self.migrate().await?;
        Ok(self.pool.get().await?)
    }

    async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, params).await?)
    }

    async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, params).await?)
    }

    /// A statement whose answer is one number.
    async fn count(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let rows = self.query(sql, params).await?;
        rows.first().map_or(Ok(0), |row| counted(row, 0))
    }
}

/// A count of a row.
fn counted(row: &Row, column: usize) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or_default())
}

/// Postgres has no unsigned numbers; no file has as many bytes as would not fit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
