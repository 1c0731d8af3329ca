//! Looks at every unfinished job all the time, as many people would, and learns which have ended.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use drover_tests::ledger::now_ns;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::{sync::watch, time::sleep};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::{
    api::Api,
    bars::{Bars, Level, Look},
    settings::LOOK,
};

/// Unfinished jobs of one page.
const PAGE: usize = 500;

/// What is known of the accepted jobs.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) bars: Bars,
    /// The key of each accepted job.
    pub(crate) accepted: HashMap<Uuid, String>,
    /// Which of them have not ended, as far as was seen.
    pub(crate) open: HashSet<Uuid>,
    /// Which are being retried now.
    retrying: HashSet<Uuid>,
    /// How those ended that have.
    ends: HashMap<Uuid, String>,
    /// Accepted and not there.
    pub(crate) missing: HashSet<Uuid>,
    /// Jobs that a repeated submission made beside the first.
    pub(crate) duplicates: Vec<(Uuid, Uuid)>,
}

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Known>>);

impl Watch {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A submission was accepted.
    pub(crate) fn accepted(&self, job: Uuid, key: &str) {
        let mut known = self.known();
        known.accepted.insert(job, key.to_owned());
        known.open.insert(job);
    }

    /// The submission of `job` was sent again, and was answered with `again`.
    pub(crate) fn repeated(&self, job: Uuid, again: Uuid) {
        if job != again {
            self.known().duplicates.push((job, again));
        }
    }

    /// A user is about to retry the job.
    pub(crate) fn retrying(&self, job: Uuid) {
        let mut known = self.known();
        known.bars.retry_sent(job, now_ns());
        known.ends.remove(&job);
        known.retrying.insert(job);
        known.open.insert(job);
    }

    /// The retry is answered. `unanswered`: a try before was not, and may be done at any time.
    pub(crate) fn retried(&self, job: Uuid, unanswered: bool) {
        let mut known = self.known();
        if !unanswered {
            known.bars.retry_answered(job, now_ns());
        }
        known.retrying.remove(&job);
    }

    /// How the job ended, if it has.
    pub(crate) fn end(&self, job: Uuid) -> Option<String> {
        self.known().ends.get(&job).cloned()
    }

    pub(crate) fn open(&self) -> usize {
        self.known().open.len()
    }

    /// Looks until it is over.
    pub(crate) async fn run(self, api: Arc<Api>, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*over.borrow_and_update() {
            self.round(&api).await?;
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = over.changed() => {}
            }
        }
        Ok(())
    }

    async fn round(&self, api: &Api) -> anyhow::Result<()> {
        let before: Vec<Uuid> = self.known().open.iter().copied().collect();
        let Some(looks) = unfinished(api).await? else { return Ok(()) };
        let seen: HashSet<Uuid> = looks.iter().map(|look| look.job).collect();
        {
            let mut known = self.known();
            looks.into_iter().for_each(|look| known.bars.see(look));
        }
        // What was open before and is not listed has ended.
        for job in before.into_iter().filter(|job| !seen.contains(job)) {
            self.look(api, job).await?;
        }
        Ok(())
    }

    /// Looks at one job.
    pub(crate) async fn look(&self, api: &Api, job: Uuid) -> anyhow::Result<()> {
        let asked_ns = now_ns();
        let Ok((status, view)) = api.once(Method::GET, &format!("/api/v1/jobs/{job}"), None).await else {
            return Ok(());
        };
        let mut known = self.known();
        if status == StatusCode::NOT_FOUND {
            known.missing.insert(job);
            known.open.remove(&job);
            return Ok(());
        }
        let Some(look) = Look::at(&view, asked_ns, now_ns()).filter(|_| status.is_success()) else { return Ok(()) };
        if look.is_terminal() && !known.retrying.contains(&job) {
            known.open.remove(&job);
            known.ends.insert(job, look.status.clone());
        }
        known.bars.see(look);
        Ok(())
    }
}

/// Every row that has not ended.
const LEVELS: &str =
    "SELECT id, run, dispatch, progress FROM jobs WHERE status IN ('pending', 'running', 'cancelling')";

impl Watch {
    /// Looks at the rows of all unfinished jobs, sub-jobs too, until it is over. While Postgres is away nothing is seen.
    pub(crate) async fn rows(self, url: String, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*over.borrow_and_update() {
            let looked = self.look_at_rows(&url, over.clone());
            // Its end is that of the connection, or of the run.
            let _ = looked.await;
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = over.changed() => {}
            }
        }
        Ok(())
    }

    async fn look_at_rows(&self, url: &str, over: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let statement = client.prepare(LEVELS).await?;
        while !*over.borrow() {
            let rows = client.query(&statement, &[]).await?;
            let at_ns = now_ns();
            {
                let mut known = self.known();
                for row in rows {
                    let level = Level { job: row.get(0), run: row.get(1), dispatch: row.get(2), progress: row.get(3) };
                    known.bars.see_row(level, at_ns);
                }
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// A look at every unfinished root. `None`: nobody answers now.
async fn unfinished(api: &Api) -> anyhow::Result<Option<Vec<Look>>> {
    let mut looks = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/jobs?status=pending,running,cancelling&limit={PAGE}{cursor}");
        let asked_ns = now_ns();
        let Ok((status, page)) = api.once(Method::GET, &path, None).await else { return Ok(None) };
        if status.is_server_error() {
            return Ok(None);
        }
        ensure!(status.is_success(), "GET {path}: {status} {page}");
        let answered_ns = now_ns();
        let jobs = page["jobs"].as_array().with_context(|| format!("GET {path}: {page}"))?;
        looks.extend(jobs.iter().filter_map(|job| Look::at(job, asked_ns, answered_ns)));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return Ok(Some(looks)),
        }
    }
}

/// How long a look at how a job ended may be away.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);
