//! The store: all SQL, and the short transactions it runs in.

mod accounts;
mod confirmed;
mod dead;
mod epoch;
mod error;
mod fleet;
mod fold;
mod lists;
mod load;
mod logs;
mod migrate;
mod outbox;
mod overview;
mod passages;
mod pauses;
mod pool;
mod prune;
mod registry;
mod replay;
mod replicas;
mod rows;
mod schedules;
mod signals;
mod standing;
mod statements;
mod submit;
#[cfg(test)]
mod tests;
mod trails;
mod unit;
mod view;
mod write;

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use secrecy::SecretString;

use confirmed::Confirmed;
use unit::Unit;

pub use accounts::AuditFilter;
pub use dead::{DeadFilter, DeadLetter, DeadView};
pub use epoch::Place;
pub use error::StoreError;
pub use fleet::{Briefing, WorkerArrival, WorkerBeat};
pub use fold::{FoldContext, Folded};
pub use lists::{JobFilter, MatchedJob};
pub use logs::Expired;
pub use outbox::{Claim, Fresh, OutboxRow, Outgoing, TracedMessage};
pub use overview::{Counted, Ended, Lags, QueueStanding, Unfinished, Waiting, WorkerJob};
pub use passages::Passage;
pub use pauses::{TypeStanding, Types};
pub use prune::{FirstKept, Gone};
pub use registry::{Known, Registry};
pub use replay::{ReplayFailure, ReplayLimits};
pub use replicas::Beat;
pub use schedules::{DueSchedule, LastTime, ScheduleStanding, Settled};
pub use signals::WaitingSignal;
pub(crate) use standing::AHEAD;
pub use submit::{Accepted, NewRoot, SubmissionKey};
pub use trails::{Found, HistoryLine, LogLine, LogSearch};
pub use view::{SeenJob, Trail, Version};

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

/// The connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In use.
    pub used: usize,
    /// Open and not in use.
    pub idle: usize,
    /// Units of work that wait for one.
    pub waiting: usize,
}

/// Every row that the fold, the submissions and the relay touch is looked up by its key. A planner that has not yet heard how
/// much a table has grown would read all of it instead, for as long as the connection keeps its plans; and it would plan the
/// larger statements anew at each call, which takes as long as some of them run.
const BY_KEY: &str =
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan";

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    by_key: Pool,
    confirmed: Confirmed,
}

impl Store {
    /// Sets up the pool; it connects when it is first used.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let by_key = config.connections / 2;
        Ok(Self {
            pool: pool::new(config, config.connections - by_key, "")?,
            by_key: pool::new(config, by_key, BY_KEY)?,
            confirmed: Confirmed::default(),
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("SELECT 1").await?;
        Ok(())
    }

    /// The connections of this process: those of its two pools, by their names.
    #[must_use]
    pub fn connections(&self) -> [(&'static str, Connections); 2] {
        [("general", &self.pool), ("by_key", &self.by_key)].map(|(name, pool)| {
            let status = pool.status();
            let (idle, waiting) = (status.available, status.waiting);
            (name, Connections { used: status.size.saturating_sub(idle), idle, waiting })
        })
    }

    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// A connection for statements that look up what they touch by key.
    async fn by_key(&self) -> Result<Object, StoreError> {
        Ok(self.by_key.get().await?)
    }

    /// A transaction of such statements.
    async fn unit(&self) -> Result<Unit, StoreError> {
        Ok(Unit::new(self.by_key().await?))
    }
}
