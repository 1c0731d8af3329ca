//! A Postgres database per test.

use crate::claim::{self, Claim};
use crate::{servers, teardown};
use anyhow::Context;
use reqwest::Url;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
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

    /// The database `drover` and the roles `drover…` that a script for psql makes, under names of their own: every `drover` in
    /// it becomes this database's name. The roles go with the database.
    ///
    /// # Errors
    /// When psql is not there or the script fails.
    pub async fn by_script(script: &Path, environment: &[(String, String)]) -> anyhow::Result<Self> {
        let admin_url = &servers().await?.database_url;
        let text = std::fs::read_to_string(script).with_context(|| script.display().to_string())?;
        let claim = Claim::new()?;
        let mut url = admin_url.clone();
        url.set_path(claim.name());
        let database = Self { claim, url };
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", admin_url.as_str()]);
        psql.envs(environment.iter().cloned()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = psql.spawn().context("starting psql (Debian: apt-get install postgresql-client)")?;
        let mut stdin = child.stdin.take().context("psql has no stdin")?;
        stdin.write_all(text.replace("drover", database.name()).as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        anyhow::ensure!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        Ok(database)
    }

    /// Its address for a role of the script, by the name that the role has there.
    ///
    /// # Errors
    /// When the name or the password cannot stand in a URL.
    pub fn url_as(&self, role: &str, password: &str) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        let set =
            url.set_username(&role.replace("drover", self.name())).and_then(|()| url.set_password(Some(password)));
        set.map_err(|()| anyhow::anyhow!("{role} cannot stand in a URL"))?;
        Ok(url)
    }

    /// A connection as a role of the script.
    ///
    /// # Errors
    /// When Postgres refuses it.
    pub async fn connect_as(&self, role: &str, password: &str) -> anyhow::Result<Client> {
        connect(&self.url_as(role, password)?).await
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

/// Drops a database, with the roles that were made for it.
async fn drop_database(admin: &Client, name: &str) -> anyhow::Result<()> {
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    let own = "SELECT rolname FROM pg_roles WHERE rolname = $1 OR starts_with(rolname, $1 || '_')";
    for role in admin.query(own, &[&name]).await? {
        admin.batch_execute(&format!("DROP ROLE {}", role.get::<_, &str>(0))).await?;
    }
    Ok(())
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
    async fn roles_of_a_script_are_its_own_and_go_with_the_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("roles.sql");
        let text = "\\getenv password THE_PASSWORD\nCREATE ROLE drover_reader LOGIN PASSWORD :'password';\n\
                    CREATE DATABASE drover OWNER drover_reader;\n";
        std::fs::write(&script, text).expect("written");
        let environment = [("THE_PASSWORD".to_owned(), "it's".to_owned())];
        let database = Database::by_script(&script, &environment).await.expect("made");
        let client = database.connect_as("drover_reader", "it's").await.expect("connected");
        let row = client.query_one("SELECT current_user::text", &[]).await.expect("a query");
        let role: String = row.get(0);
        assert_eq!(role, format!("{}_reader", database.name()));
        drop(database);
        let admin = connect(&servers().await.expect("servers").database_url).await.expect("a connection");
        let left = admin.query("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await.expect("a query");
        assert!(left.is_empty());

        std::fs::write(&script, "SELECT nonsense;").expect("written");
        let error = Database::by_script(&script, &[]).await.err().expect("refused").to_string();
        assert!(error.contains("nonsense"), "{error}");
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
