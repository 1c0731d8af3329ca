//! Lists of jobs: which of them a filter means, page by page.

use chrono::{DateTime, TimeDelta, Utc};
use drover_protocol::JobId;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{Store, StoreError, statements as sql, view::Typed};

/// A job's id is made a little before the job itself. Ids this much apart are in the order of creation.
const ID_SLACK: TimeDelta = TimeDelta::hours(1);
/// Most jobs that one page of a search looks through: their parameters are read, where they are no larger than 16,000 bytes.
const SEARCHED: i64 = 20_000;

/// Which jobs a list shows.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only those with one of these statuses.
    pub statuses: Option<Vec<String>>,
    /// Only this type.
    pub job_type: Option<String>,
    /// Sub-jobs, too.
    pub any_parent: bool,
    /// Only the sub-jobs of this one.
    pub parent: Option<JobId>,
    /// Only those with all of these labels.
    pub labels: Option<Value>,
    /// Only those that are paused, or only those that are not.
    pub paused: Option<bool>,
    /// Only those made after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those made before this.
    pub created_before: Option<DateTime<Utc>>,
}

impl JobFilter {
    /// Whether it leaves anything out but sub-jobs.
    #[must_use]
    pub const fn narrows(&self) -> bool {
        let Self { statuses, job_type, any_parent: _, parent, labels, paused, created_after, created_before } = self;
        statuses.is_some()
            || job_type.is_some()
            || parent.is_some()
            || labels.is_some()
            || paused.is_some()
            || created_after.is_some()
            || created_before.is_some()
    }
}

/// A job that something is done to.
#[derive(Clone, Copy, Debug)]
pub struct MatchedJob {
    /// The job.
    pub id: JobId,
    /// Whether it may have jobs below it.
    pub is_workflow: bool,
}

impl Store {
    /// A page of jobs, newest first, each with its id: that of the last is the next page's `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view_jobs(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Vec<(JobId, Value)>, StoreError> {
        let rows = self.filtered(sql::VIEW_JOBS, filter, before, limit, &[]).await?;
        rows.iter().map(|row| Ok((JobId(row.try_get(0)?), row.try_get(1)?))).collect()
    }

    /// Those of [`Store::view_jobs`] that have a text in their parameters, labels, names or messages, whatever its case. A page looks
    /// through a bounded number of jobs; where it stopped for that reason is told, too: the next page goes on there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn search_jobs(
        &self,
        filter: &JobFilter,
        text: &str,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<(Vec<(JobId, Value)>, Option<JobId>), StoreError> {
        let more: Typed<'_> = &[(&text, Type::TEXT), (&SEARCHED, Type::INT8)];
        let rows = self.filtered(sql::SEARCH_JOBS, filter, before, limit, more).await?;
        let stopped_at = rows.first().map(|row| row.try_get::<_, Option<Uuid>>(2)).transpose()?.flatten();
        // One row without a job tells where it stopped, if none was found.
        let is_job = |row: &&Row| !matches!(row.try_get::<_, Option<Uuid>>(0), Ok(None));
        let read = |row: &Row| Ok((JobId(row.try_get(0)?), row.try_get(1)?));
        Ok((rows.iter().filter(is_job).map(read).collect::<Result<_, StoreError>>()?, stopped_at.map(JobId)))
    }

    /// The jobs that [`Store::view_jobs`] would show.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn match_jobs(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Vec<MatchedJob>, StoreError> {
        let rows = self.filtered(sql::MATCH_JOBS, filter, before, limit, &[]).await?;
        let read = |row: &Row| Ok(MatchedJob { id: JobId(row.try_get(0)?), is_workflow: row.try_get(1)? });
        rows.iter().map(read).collect()
    }

    async fn filtered(
        &self,
        sql: &str,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: i64,
        more: Typed<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let (least, below) = id_range(filter, before);
        // One status has an index that is in the order of the list.
        let (one, several) = match filter.statuses.as_deref() {
            Some([one]) => (Some(one), None),
            several => (None, several),
        };
        let parent = filter.parent.map(|id| id.0);
        let parameters: Typed<'_> = &[
            (&below, Type::UUID),
            (&least, Type::UUID),
            (&one, Type::TEXT),
            (&several, Type::TEXT_ARRAY),
            (&filter.job_type, Type::TEXT),
            (&filter.any_parent, Type::BOOL),
            (&parent, Type::UUID),
            (&filter.labels, Type::JSONB),
            (&filter.created_after, Type::TIMESTAMPTZ),
            (&filter.created_before, Type::TIMESTAMPTZ),
            (&filter.paused, Type::BOOL),
            (&limit, Type::INT8),
        ];
        self.planned(sql, &[parameters, more].concat()).await
    }
}

/// The ids (from, below) that can belong to jobs of the filter's time and page: what narrows the index.
fn id_range(filter: &JobFilter, before: Option<JobId>) -> (Uuid, Uuid) {
    let least = filter.created_after.map_or(Uuid::nil(), |time| first_id_of(time - ID_SLACK));
    let below = filter.created_before.map_or(Uuid::max(), |time| first_id_of(time + ID_SLACK));
    (least, before.map_or(below, |before| before.0.min(below)))
}

/// The lowest UUIDv7 of a time.
fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}
