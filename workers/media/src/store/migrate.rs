//! The schema, brought up to date by whichever worker comes first.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Store, StoreError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Any number that no other program uses as an advisory lock: refinery takes none of its own.
const LOCK: i64 = 0x006d_6564_6961_i64;
const POLL: Duration = Duration::from_millis(100);
/// Apart from the orchestrator's, should both share a database.
const TABLE: &str = "media.migrations";

impl Store {
    /// Applies the migrations that are missing, at the first call that reaches the database. Safe when several workers start
    /// at once; an older worker starts on a newer schema.
    ///
    /// # Errors
    /// When the database is away, or a migration fails: then nothing of it is applied.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrated.get_or_try_init(|| self.apply_migrations()).await?;
        Ok(())
    }

    async fn apply_migrations(&self) -> Result<(), StoreError> {
        // Out of the pool for good: whoever is dropped half-way must not give a connection back that holds the lock.
        let mut client = Object::take(self.pool.get().await?);
        while !client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?.get::<_, bool>(0) {
            tokio::time::sleep(POLL).await;
        }
        let applied = apply(&mut client).await;
        // Others need not wait for the connection to end; where this fails, the lock ends with it.
        client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.ok();
        applied
    }
}

async fn apply(client: &mut ClientWrapper) -> Result<(), StoreError> {
    // `IF NOT EXISTS` would still want the right to create schemas, which a role with a schema of its own need not have.
    let there = client.query_one("SELECT to_regnamespace('media') IS NOT NULL", &[]).await?.try_get::<_, bool>(0)?;
    if !there {
        client.batch_execute("CREATE SCHEMA media").await?;
    }
    let mut runner = embedded::migrations::runner().set_abort_missing(false).set_abort_divergent(true);
    runner.set_migration_table_name(TABLE);
    let report = runner.run_async(&mut **client).await.map_err(|error| StoreError::Migrate(error.to_string()))?;
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "applied to the media database");
    }
    Ok(())
}

/// TLS for `sslmode=prefer` and `require`, trusting the system's certificates. A machine without any can still connect
/// without TLS.
pub(super) fn tls() -> MakeRustlsConnect {
    MakeRustlsConnect::with_native_certs().map_or_else(
        |_| {
            let roots = RootCertStore::empty();
            MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
        },
        |(connector, _)| connector,
    )
}
