//! The store: all SQL, and the short transactions it runs in.

mod dead;
mod epoch;
mod error;
mod fleet;
mod fold;
mod load;
mod logs;
mod migrate;
mod outbox;
mod overview;
mod pauses;
mod registry;
mod replay;
mod replicas;
mod rows;
mod standing;
mod statements;
mod submit;
#[cfg(test)]
mod tests;
mod trails;
mod view;
mod write;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime};
use secrecy::{ExposeSecret, SecretString};

pub use dead::{DeadFilter, DeadLetter, DeadView};
pub use epoch::Place;
pub use error::StoreError;
pub use fleet::{Briefing, WorkerArrival, WorkerBeat};
pub use fold::{FoldContext, Folded};
pub use outbox::{Claim, Fresh, OutboxRow, Outgoing};
pub use overview::{Counted, Ended, QueueStanding, WorkerJob};
pub use pauses::{TypeStanding, Types};
pub use registry::{Known, Registry};
pub use replay::{ReplayFailure, ReplayLimits};
pub use replicas::Beat;
pub(crate) use standing::AHEAD;
pub use submit::{Accepted, NewRoot, SubmissionKey};
pub use trails::{Found, HistoryLine, LogLine, LogSearch};
pub use view::{JobFilter, MatchedJob, SeenJob, Trail};

/// A connection whose other end acknowledges nothing for this long is dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `postgres://…`, with the password.
    pub url: SecretString,
    /// Most connections.
    pub connections: usize,
    /// Longest wait for a connection.
    pub wait: Duration,
    /// The server gives up a statement after this.
    pub statement_timeout: Duration,
}

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Sets up the pool; it connects when it is first used.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let mut postgres: tokio_postgres::Config = config.url.expose_secret().parse()?;
        let milliseconds = config.statement_timeout.as_millis();
        // A time-out on our side would leave the statement running on the server.
        let settings = format!(
            "-c timezone=UTC -c statement_timeout={milliseconds} -c lock_timeout={milliseconds} \
             -c idle_in_transaction_session_timeout={milliseconds}"
        );
        let options = match postgres.get_options() {
            Some(options) => format!("{options} {settings}"),
            None => settings,
        };
        postgres.options(options);
        postgres.application_name("drover-orchestrator");
        postgres.connect_timeout(config.wait);
        // A host that went without a word is noticed: by what it does not acknowledge, or by its silence.
        postgres.tcp_user_timeout(UNACKNOWLEDGED);
        postgres.keepalives_idle(Duration::from_secs(30));
        postgres.keepalives_interval(Duration::from_secs(5));
        postgres.keepalives_retries(3);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let manager = Manager::from_config(postgres, migrate::tls(), recycling);
        let pool = Pool::builder(manager)
            .max_size(config.connections)
            .wait_timeout(Some(config.wait))
            .create_timeout(Some(config.wait))
            .recycle_timeout(Some(config.wait))
            // The connection that was used last has its statements prepared and its caches warm.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Migrate(error.to_string()))?;
        Ok(Self { pool })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("SELECT 1").await?;
        Ok(())
    }

    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }
}
