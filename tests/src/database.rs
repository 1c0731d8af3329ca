//! A Postgres database per test.

use crate::claim::{self, Claim};
use crate::{servers, teardown};
use anyhow::Context;
use reqwest::Url;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// An empty database of its own, gone when dropped, with every connection to it.
pub struct Database {
    claim: Claim,
    url: Url,
}

impl Database {
    /// Creates a database. The first call of a process also removes what killed runs left.
    ///
    /// # Errors
    /// Postgres is not there or refuses.
    pub async fn create() -> anyhow::Result<Self> {
        static REAPED: OnceCell<()> = OnceCell::const_new();
        let admin_url = &servers().await?.database_url;
        let admin = connect(admin_url).await?;
        REAPED.get_or_try_init(|| reap(&admin)).await?;

        let claim = Claim::new()?;
        let mut url = admin_url.clone();
        url.set_path(claim.name());
        let database = Self { claim, url };
        // template0: nobody is ever connected to it, which would make this fail.
        admin.batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", database.name())).await?;
        Ok(database)
    }

    /// `postgres://user:password@host:port/database`
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.claim.name()
    }

    /// A connection to it, for a test's own queries.
    ///
    /// # Errors
    /// Postgres is not there or refuses.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.url).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name().to_owned();
        teardown::finish(format!("database {name}"), async move {
            drop_database(&connect(&servers().await?.database_url).await?, &name).await
        });
    }
}

async fn reap(admin: &Client) -> anyhow::Result<()> {
    let rows = admin.query("SELECT datname FROM pg_database WHERE NOT datistemplate", &[]).await?;
    for name in claim::abandoned(rows.iter().map(|row| row.get(0))) {
        drop_database(admin, &name).await?;
        claim::forget(&name);
    }
    Ok(())
}

async fn drop_database(admin: &Client, name: &str) -> anyhow::Result<()> {
    Ok(admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?)
}

async fn connect(url: &Url) -> anyhow::Result<Client> {
    let place =
        || format!("connecting to Postgres at {}:{}", url.host_str().unwrap_or("?"), url.port().unwrap_or(5432));
    let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await.with_context(place)?;
    // It ends with its client, or with the server; the client's next query tells.
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exists(name: &str) -> bool {
        let admin = connect(&servers().await.expect("servers").database_url).await.expect("a connection");
        let row = admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.expect("a query");
        row.is_some()
    }

    #[tokio::test]
    async fn a_database_is_empty_and_gone_when_dropped_although_in_use() {
        let database = Database::create().await.expect("a database");
        let name = database.name().to_owned();
        let client = database.connect().await.expect("a connection");
        client.batch_execute("CREATE TABLE job (id int); INSERT INTO job VALUES (1)").await.expect("its own table");
        assert!(exists(&name).await);
        drop(database);
        assert!(!exists(&name).await);
        client.batch_execute("SELECT 1").await.expect_err("its connections are closed");
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_reaped_and_what_is_in_use_is_not() {
        let database = Database::create().await.expect("a database");
        let admin = connect(&servers().await.expect("servers").database_url).await.expect("a connection");
        let left = format!("drover_test_1000000000_{}", std::process::id());
        admin.batch_execute(&format!("CREATE DATABASE {left} TEMPLATE template0")).await.expect("created");
        reap(&admin).await.expect("reaped");
        assert!(!exists(&left).await);
        assert!(exists(database.name()).await);
    }
}
