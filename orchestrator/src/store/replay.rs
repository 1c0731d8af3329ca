//! A tree rebuilt from its history and compared with its rows.
//!
//! The history is read in pages, and folded while no connection is held: lines never change. The last of it and the rows are
//! read in one snapshot, so that a tree that goes on meanwhile is compared with the history that led to these rows.

use std::collections::BTreeSet;

use deadpool_postgres::{GenericClient, Transaction};
use drover_engine::{
    Job, Workflow,
    fold::NewJob,
    memory,
    replay::{Line, Replay, ReplayError, Replayed, Shown},
};
use drover_protocol::{JobId, JobType};
use serde_json::{Map, Value};
use tokio_postgres::{IsolationLevel, Row, types::Json};
use uuid::Uuid;

use super::{
    Registry, Store, StoreError,
    rows::{self, unsigned, unsigned_long},
    statements as sql,
};

/// Most lines of a page.
const LINES: i64 = 2_000;
/// A page ends where its lines have this many bytes.
const PAGE_BYTES: i64 = 8 * 1024 * 1024;
/// Most rows that are read at once.
const ROWS: i32 = 200;
/// How many pages may be folded while the snapshot is open: what was added since the reading began.
const LAST_PAGES: usize = 3;
/// How often a tree may get ahead of its replay.
const TRIES: usize = 10;

/// What a replay may hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Most jobs of a tree.
    pub jobs: usize,
    /// Longest history, in bytes of JSON.
    pub history_bytes: u64,
}

/// Why a tree was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFailure {
    /// It is gone.
    #[error("there is no such job any more")]
    Gone,
    /// Its history does not have what a replay needs.
    #[error(transparent)]
    History(#[from] ReplayError),
    /// It has too many jobs.
    #[error(
        "it has more than {0} jobs, and a replay keeps all of them in memory; orchestrator.replay_jobs sets how many may be \
         replayed"
    )]
    TooManyJobs(usize),
    /// Its history is too long.
    #[error(
        "its history has more than {} MiB, and a replay keeps most of it in memory; orchestrator.replay_mib sets how much \
         may be replayed", .0 / (1024 * 1024)
    )]
    TooLong(u64),
    /// This process stops.
    #[error("the orchestrator is stopping; ask another one, or again in a moment")]
    Stopping,
    /// It changes faster than it is replayed.
    #[error("it changes faster than it is replayed; try again when it has ended")]
    Changing,
    /// The database is away, or worse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for ReplayFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl Store {
    /// Rebuilds the tree of a root from its history and compares it with its rows: those of `within` and of all below it.
    ///
    /// # Errors
    /// When the history does not suffice, the tree is too large or changes too fast, or the database is away.
    pub async fn replay(
        &self,
        registry: &Registry,
        root: JobId,
        within: JobId,
        limits: ReplayLimits,
    ) -> Result<Replayed, ReplayFailure> {
        let replay = Replay::new(self.submitted(registry, root).await?, within);
        let mut reader = Reader { registry, root, limits, after: 0, bytes: 0, replay };
        for _ in 0..TRIES {
            loop {
                let page = reader.page(&self.client().await?).await?;
                if page.is_empty() {
                    break;
                }
                reader = reader.fold(page).await?;
            }
            let mut client = self.client().await?;
            let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
            let snapshot = snapshot.start().await.map_err(StoreError::from)?;
            let caught_up;
            (reader, caught_up) = reader.catch_up(&snapshot).await?;
            if caught_up {
                return reader.compare(&snapshot).await;
            }
        }
        Err(ReplayFailure::Changing)
    }

    /// A root as it was submitted: none of this ever changes.
    async fn submitted(&self, registry: &Registry, root: JobId) -> Result<NewJob, ReplayFailure> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::REPLAY_ROOT).await?;
        let row = client.query_opt(&statement, &[&root.0]).await?.ok_or(ReplayFailure::Gone)?;
        let corrupt = |error: String| StoreError::corrupt(format!("job {root}"), error);
        let hash: Option<String> = row.try_get("definition_hash")?;
        let workflow = match hash {
            None => None,
            Some(hash) => {
                registry.ensure(&client, &BTreeSet::from([hash.clone()])).await?;
                let path: Vec<String> = row.try_get::<_, Option<_>>("definition_path")?.unwrap_or_default();
                let found = registry.by_hash(&hash, &path);
                Some(Workflow::new(found.ok_or_else(|| corrupt(format!("no definition {hash}")))?))
            }
        };
        let job_type: String = row.try_get("type")?;
        Ok(NewJob {
            id: root,
            root_id: root,
            parent: None,
            job_type: JobType::new(job_type).map_err(|error| corrupt(error.to_string()))?,
            params: row.try_get("params")?,
            policy: rows::json(&row, "policy", root)?.unwrap_or_default(),
            workflow,
            run_at: None,
        })
    }
}

/// A replay on its way through the history.
struct Reader<'a> {
    registry: &'a Registry,
    root: JobId,
    limits: ReplayLimits,
    /// The last line that was read.
    after: i64,
    bytes: u64,
    replay: Replay,
}

impl Reader<'_> {
    /// The next lines, with all that they refer to. None: there are no more.
    async fn page(&mut self, client: &impl GenericClient) -> Result<Vec<Line>, ReplayFailure> {
        let statement = client.prepare_cached(sql::REPLAY_HISTORY).await?;
        let rows = client.query(&statement, &[&self.root.0, &self.after, &LINES, &PAGE_BYTES]).await?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            self.bytes = self.bytes.saturating_add(unsigned_long(row.try_get("size")?));
            lines.push(line(&row)?);
        }
        if self.bytes > self.limits.history_bytes {
            return Err(ReplayFailure::TooLong(self.limits.history_bytes));
        }
        self.after = lines.last().map_or(self.after, |line| line.id);
        let unknown: BTreeSet<String> = self.replay.unknown(&lines).into_iter().map(str::to_owned).collect();
        self.registry.ensure(client, &unknown).await?;
        for definition in unknown.iter().filter_map(|hash| self.registry.by_hash(hash, &[])) {
            self.replay.learn(definition);
        }
        Ok(lines)
    }

    /// Folds lines.
    async fn fold(self, lines: Vec<Line>) -> Result<Self, ReplayFailure> {
        let (reader, read) = self.work(move |replay| replay.read(lines)).await?;
        read?;
        reader.within_limits()
    }

    fn within_limits(self) -> Result<Self, ReplayFailure> {
        if self.replay.jobs() > self.limits.jobs {
            return Err(ReplayFailure::TooManyJobs(self.limits.jobs));
        }
        Ok(self)
    }

    /// Folds what was added meanwhile, and what workers report of what still runs. Whether that is all of it.
    async fn catch_up(mut self, snapshot: &Transaction<'_>) -> Result<(Self, bool), ReplayFailure> {
        let mut pages = 0;
        loop {
            let page = self.page(snapshot).await?;
            let last = page.is_empty();
            self = self.fold(page).await?;
            if last {
                break;
            }
            pages += 1;
            if pages > LAST_PAGES {
                return Ok((self, false));
            }
        }
        let statement = snapshot.prepare_cached(sql::LOAD_UNFINISHED).await?;
        let rows = snapshot.query(&statement, &[&[self.root.0].as_slice()]).await?;
        let unfinished = self.jobs(snapshot, &rows).await?;
        let (reader, caught_up) = self.work(move |replay| replay.catch_up(&unfinished)).await?;
        caught_up?;
        Ok((reader.within_limits()?, true))
    }

    /// Compares every row.
    async fn compare(mut self, snapshot: &Transaction<'_>) -> Result<Replayed, ReplayFailure> {
        let statement = snapshot.prepare_cached(sql::REPLAY_ROWS).await?;
        let portal = snapshot.bind(&statement, &[&self.root.0]).await?;
        let mut found = false;
        loop {
            let rows = snapshot.query_portal(&portal, ROWS).await?;
            if rows.is_empty() {
                // The history goes with the rows: there is nothing left to compare.
                return if found { Ok(self.replay.finish()) } else { Err(ReplayFailure::Gone) };
            }
            found = true;
            let jobs = self.jobs(snapshot, &rows).await?;
            let stored: Vec<_> =
                jobs.into_iter().zip(&rows).map(|(job, row)| whole(job, row)).collect::<Result<_, _>>()?;
            let compare =
                move |replay: &mut Replay| stored.iter().for_each(|(row, shown)| replay.compare(row, Some(shown)));
            (self, ()) = self.work(compare).await?;
        }
    }

    async fn jobs(&self, snapshot: &Transaction<'_>, rows: &[Row]) -> Result<Vec<Job>, ReplayFailure> {
        let hashes = rows.iter().map(|row| row.try_get::<_, Option<String>>("definition_hash"));
        let hashes: Vec<Option<String>> = hashes.collect::<Result<_, _>>()?;
        self.registry.ensure(snapshot, &hashes.into_iter().flatten().collect()).await?;
        let job = |row| rows::job(row, &|hash, path| self.registry.by_hash(hash, path));
        Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
    }

    /// Works where it holds up nobody else.
    async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Replay) -> T + Send + 'static,
    ) -> Result<(Self, T), ReplayFailure> {
        let Self { registry, root, limits, after, bytes, mut replay } = self;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut replay);
            (replay, done)
        });
        let (replay, done) = done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => ReplayFailure::Stopping,
        })?;
        Ok((Self { registry, root, limits, after, bytes, replay }, done))
    }
}

fn line(row: &Row) -> Result<Line, StoreError> {
    let values: Option<Value> = row.try_get("item_values")?;
    Ok(Line {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        job_id: JobId(row.try_get::<_, Uuid>("job_id")?),
        attempt: unsigned(row.try_get("attempt")?),
        dispatch: unsigned(row.try_get("dispatch")?),
        kind: row.try_get("kind")?,
        detail: row
            .try_get::<_, Option<Json<Option<Map<String, Value>>>>>("detail")?
            .and_then(|Json(detail)| detail)
            .unwrap_or_default(),
        input: row.try_get("input")?,
        given: row.try_get::<_, Option<Json<_>>>("given")?.map(|Json(given)| given),
        values: values.and_then(|values| match values {
            Value::Array(values) => Some(values),
            _ => None,
        }),
    })
}

/// A row with what is read of it only here.
fn whole(job: Job, row: &Row) -> Result<(memory::Row, Shown), StoreError> {
    let shown =
        Shown { title: row.try_get("title")?, step_key: row.try_get("step_key")?, metadata: row.try_get("metadata")? };
    Ok((memory::Row { job, params: row.try_get("params")?, result: row.try_get("result")? }, shown))
}
