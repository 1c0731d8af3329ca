//! Which job types are paused, and which workers have heard of it.

use drover_protocol::{Control, JobType, PausedTypes};
use serde_json::Value;
use tokio_postgres::{Row, types::ToSql};

use super::{
    Claim, OutboxRow, Store, StoreError, Unit, outbox,
    rows::{signed_long, unsigned_long},
    statements as sql,
};

/// What is paused or resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Types {
    /// One job type.
    One(JobType),
    /// Every job type, whatever else is paused.
    All,
}

impl Types {
    /// The name in the table and in the API.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::One(job_type) => job_type.as_str(),
            Self::All => "*",
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub struct TypeStanding {
    /// Workers announced a job type.
    pub announced: bool,
    /// A workflow is registered.
    pub workflow: bool,
}

/// A statement and its parameters.
type Statement<'a> = (&'a str, &'a [&'a (dyn ToSql + Sync)]);

impl Store {
    /// Pauses job types. What tells the workers; nothing when they were paused before.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pause_types(
        &self,
        types: &Types,
        reason: Option<&str>,
        claim: Claim,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.change_pauses(&[(sql::PAUSE_TYPES, &[&types.name(), &reason])], claim).await
    }

    /// Resumes job types. What tells the workers; nothing when they were not paused.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resume_types(&self, types: &Types, claim: Claim) -> Result<Vec<OutboxRow>, StoreError> {
        let name: &[&(dyn ToSql + Sync)] = &[&types.name()];
        let resume = [sql::RESUME_TYPES, sql::RENEW_TOMBSTONES, sql::RENEW_WITHDRAWALS];
        self.change_pauses(&resume.map(|sql| (sql, name)), claim).await
    }

    /// Makes a change, of which the first statement says whether it is one.
    async fn change_pauses(&self, change: &[Statement<'_>], claim: Claim) -> Result<Vec<OutboxRow>, StoreError> {
        let tx = Unit::new(self.client().await?);
        let raise = tx.prepare_cached(sql::RAISE_PAUSES_VERSION).await?;
        tx.first(async { Ok(tx.execute(&raise, &[]).await?) }).await?;
        for (index, (sql, parameters)) in change.iter().enumerate() {
            let statement = tx.prepare_cached(sql).await?;
            if tx.execute(&statement, parameters).await? == 0 && index == 0 {
                tx.rollback().await?;
                return Ok(Vec::new());
            }
        }
        let read = tx.prepare_cached(sql::PAUSED_TYPES).await?;
        let told = Control::PausedTypes(paused_types(&tx.query_one(&read, &[&-1_i64]).await?)?);
        let insert = tx.prepare_cached(sql::INSERT_OUTBOX).await?;
        tx.last(outbox::insert(&tx, &insert, vec![OutboxRow::control(&told)], claim)).await
    }

    /// The paused types, if they changed after this version.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn paused_types_since(&self, version: u64) -> Result<Option<PausedTypes>, StoreError> {
        self.rows(sql::PAUSED_TYPES, &[&signed_long(version)]).await?.first().map(paused_types).transpose()
    }

    /// What is paused, since when, why, and who has heard of it. `types`: only these.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_pauses(&self, types: Option<&Types>) -> Result<Vec<Value>, StoreError> {
        self.values(sql::VIEW_PAUSES, &[&types.map(Types::name)]).await
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn type_standing(&self, name: &JobType) -> Result<TypeStanding, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::TYPE_STANDING).await?;
        let row = client.query_one(&statement, &[&name.as_str()]).await?;
        Ok(TypeStanding { announced: row.try_get(0)?, workflow: row.try_get(1)? })
    }
}

/// A row of `paused_types.sql`.
pub(super) fn paused_types(row: &Row) -> Result<PausedTypes, StoreError> {
    let mut paused = PausedTypes { version: unsigned_long(row.try_get(0)?), ..PausedTypes::default() };
    for name in row.try_get::<_, Vec<String>>(1)? {
        if name == Types::All.name() {
            paused.all = true;
        } else {
            paused.types.insert(JobType::new(name).map_err(|error| StoreError::corrupt("paused types", error))?);
        }
    }
    Ok(paused)
}
