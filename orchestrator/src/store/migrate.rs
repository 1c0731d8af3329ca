//! The schema, brought up to date by whichever replica comes first.

use std::time::Duration;

use deadpool_postgres::Object;
use refinery::Migration;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Store, StoreError, statements as sql};

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// Any number that no other program uses as an advisory lock: refinery takes no lock of its own, and of six replicas
/// starting at once five failed.
const LOCK: i64 = 0x6472_6f76_6572;
const POLL: Duration = Duration::from_millis(100);

impl Store {
    /// Applies the migrations that are missing. Safe when several replicas start at once; an older replica starts on a newer
    /// schema, and a role that may change nothing starts on a schema that is up to date.
    ///
    /// # Errors
    /// When the database is away, a migration fails (then nothing of it is applied), or one is missing and the role may not
    /// apply it.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // A connection of its own: a migration may rewrite a table, for however long that takes.
        let mut client = Object::take(self.client().await?);
        client.batch_execute("SET statement_timeout = 0").await?;
        if !client.query_one(sql::MAY_MIGRATE, &[]).await?.try_get::<_, bool>(0)? {
            return up_to_date(&client).await;
        }
        // Polled, not waited for: a waiting lock would hold a snapshot that some migrations must not find.
        while !client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?.get::<_, bool>(0) {
            tokio::time::sleep(POLL).await;
        }
        let report = embedded::migrations::runner()
            .set_abort_missing(false)
            .set_abort_divergent(true)
            .run_async(&mut *client)
            .await;
        client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await?;
        let report = report.map_err(|error| StoreError::Migrate(error.to_string()))?;
        for migration in report.applied_migrations() {
            tracing::info!(migration = %migration, "applied");
        }
        Ok(())
    }
}

/// Whether every migration of this program is applied, for a role that cannot do it itself.
async fn up_to_date(client: &Client) -> Result<(), StoreError> {
    let known = embedded::migrations::runner();
    let newest = known.get_migrations().iter().map(Migration::version).max();
    let applied: Option<i32> = match client.query_one(sql::VIEW_MIGRATED, &[]).await?.try_get(0)? {
        true => client.query_one(sql::APPLIED_MIGRATION, &[]).await?.try_get(0)?,
        false => None,
    };
    if applied >= newest {
        return Ok(());
    }
    Err(StoreError::Migrate(
        "the schema is older than this program, and this role may not change it: run `drover-orchestrator migrate` once, \
         with database.url of the role that owns it"
            .into(),
    ))
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
