//! Where things stand, as the database knows it: looked at when somebody asks for the metrics, and not more often than every few
//! seconds, however many ask.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use drover_protocol::JobStatus;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::Mutex;

use super::Types;
use crate::{
    app::App,
    store::{Connections, Lags, Store, StoreError, Unfinished, Waiting},
};

/// What was looked at within this time is not looked at again.
const FRESH: Duration = Duration::from_secs(5);
/// Longest that a look may take: an answer without it is better than none.
const LOOK: Duration = Duration::from_secs(2);
/// Unfinished jobs are counted up to this, over all types.
const UNFINISHED: i64 = 10_000;
/// Most types whose queues are looked at: as many as have labels.
const QUEUES: i64 = 200;

type Number = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfStatus {
    r#type: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfType {
    r#type: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfQueue {
    queue: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPool {
    pool: &'static str,
    state: &'static str,
}

/// The gauges of what the database knows.
#[derive(Default)]
pub(super) struct Standing {
    looked_at: Mutex<Option<Instant>>,
    database_up: Gauge,
    jobs: Family<OfStatus, Gauge>,
    jobs_uncounted: Gauge,
    queue_messages: Family<OfType, Gauge>,
    queue_oldest: Family<OfType, Number>,
    workers: Gauge,
    outbox_oldest: Number,
    intake_lag: Family<OfQueue, Number>,
    connections: Family<OfPool, Gauge>,
}

impl Standing {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("database_up", "Whether the database answered just now", self.database_up.clone());
        let help = "Jobs that have not ended, up to 10000 of them";
        registry.register("jobs", help, self.jobs.clone());
        let help = "Whether there are more unfinished jobs than were counted";
        registry.register("jobs_uncounted", help, self.jobs_uncounted.clone());
        let help = "Messages of jobs that no worker has fetched";
        registry.register("queue_messages", help, self.queue_messages.clone());
        let help = "How long the oldest job in a queue has waited";
        registry.register("queue_oldest_seconds", help, self.queue_oldest.clone());
        registry.register("workers_live", "Workers that are alive", self.workers.clone());
        let help = "Age of the oldest message that is owed to the broker";
        registry.register("outbox_oldest_seconds", help, self.outbox_oldest.clone());
        let help = "How long ago everything was folded that workers had sent by then";
        registry.register("intake_lag_seconds", help, self.intake_lag.clone());
        let help = "Connections to the database, of this process";
        registry.register("database_connections", help, self.connections.clone());
    }

    /// Looks anew, unless somebody just did. What cannot be read is left out, rather than told as it was.
    pub(super) async fn refresh(&self, app: &App, types: &Types) {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        self.pools(&app.store);
        let looked = tokio::time::timeout(LOOK, look(&app.store)).await;
        self.forget();
        match looked {
            Ok(Ok(seen)) => {
                // A broker that is away has no depths, and says so elsewhere.
                let _ = tokio::time::timeout(LOOK, self.depths(app, &seen.waiting, types)).await;
                self.show(seen, types);
            }
            Ok(Err(error)) => tracing::warn!(%error, "metrics lack what the database knows"),
            Err(_) => {
                tracing::warn!(limit_seconds = LOOK.as_secs(), "metrics lack what the database knows: it is slow")
            }
        }
        *looked_at = Some(Instant::now());
    }

    /// Asks the broker, which counts by itself; the database would have to.
    async fn depths(&self, app: &App, waiting: &[Waiting], types: &Types) {
        for Waiting { job_type, .. } in waiting {
            let Ok(depth) = app.broker.depth(&app.names.jobs_queue(job_type)).await else { return };
            let of = OfType { r#type: types.label(job_type.as_str()) };
            self.queue_messages.get_or_create(&of).inc_by(i64::try_from(depth.unwrap_or(0)).unwrap_or(i64::MAX));
        }
    }

    fn pools(&self, store: &Store) {
        for (pool, Connections { used, idle, waiting }) in store.connections() {
            for (state, count) in [("used", used), ("idle", idle), ("waited_for", waiting)] {
                self.connections.get_or_create(&OfPool { pool, state }).set(whole(count));
            }
        }
    }

    fn forget(&self) {
        self.database_up.set(0);
        self.jobs.clear();
        self.queue_messages.clear();
        self.queue_oldest.clear();
        self.intake_lag.clear();
        for gauge in [&self.jobs_uncounted, &self.workers] {
            gauge.set(0);
        }
        self.outbox_oldest.set(0.0);
    }

    fn show(&self, seen: Seen, types: &Types) {
        self.database_up.set(1);
        let found: i64 = seen.unfinished.iter().map(|unfinished| unfinished.count).sum();
        self.jobs_uncounted.set(i64::from(found > UNFINISHED));
        for Unfinished { job_type, status, count } in seen.unfinished {
            let Ok(status) = status.parse::<JobStatus>() else { continue };
            let of = OfStatus { r#type: types.label(&job_type), status: status.as_str() };
            // Types that share a label are added up.
            self.jobs.get_or_create(&of).inc_by(count);
        }
        for Waiting { job_type, oldest_seconds } in &seen.waiting {
            let of = OfType { r#type: types.label(job_type.as_str()) };
            let oldest = self.queue_oldest.get_or_create(&of);
            oldest.set(oldest.get().max(oldest_seconds.unwrap_or(0.0)));
        }
        self.workers.set(seen.live_workers);
        let Lags { outbox, events, heartbeats } = seen.lags;
        self.outbox_oldest.set(outbox.unwrap_or(0.0));
        for (queue, lag) in [("events", events), ("heartbeats", heartbeats)] {
            self.intake_lag.get_or_create(&OfQueue { queue }).set(lag.max(0.0));
        }
    }
}

/// What one look saw.
struct Seen {
    unfinished: Vec<Unfinished>,
    waiting: Vec<Waiting>,
    live_workers: i64,
    lags: Lags,
}

async fn look(store: &Store) -> Result<Seen, StoreError> {
    Ok(Seen {
        unfinished: store.view_unfinished(UNFINISHED + 1).await?,
        waiting: store.view_waiting(QUEUES).await?,
        live_workers: store.live_workers().await?,
        lags: store.view_lags().await?,
    })
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
