//! A worker's life: announce, work, drain, leave.
//!
//! A worker declares nothing but the queue it is told things by: exchanges and queues are the orchestrator's, so that the
//! broker's user of a worker needs no right to anybody else's. Before the orchestrator has ever run it waits.

use std::{sync::Arc, time::Duration};

use drover_protocol::{JobType, JobTypeInfo, WorkerEventKind};
use drover_service::{shutdown, telemetry::Traces};
use tokio::{runtime::Handle, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    control::{ControlLoop, Introduction},
    heartbeat::Heartbeat,
    isolation,
    lane::{Lane, Shared, Unsettled},
    pauses::Pauses,
    permits::Permits,
    registry::Registry,
    reporter::Reporter,
    session::Session,
    state::Stop,
    table::Table,
};

/// Beyond the grace period, handlers have been dropped: what is left is our own work.
const AFTER_GRACE: Duration = Duration::from_secs(1);
/// How long the last reports may take to reach the broker. What is not reported by then is told by the lease.
const LAST_REPORTS: Duration = Duration::from_secs(10);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A worker about to live.
pub(crate) struct Life {
    pub(crate) session: Arc<Session>,
    pub(crate) registry: Registry,
    pub(crate) introduction: Introduction,
    pub(crate) handlers: Handle,
    pub(crate) traces: Traces,
}

impl Life {
    /// Works until `shutdown`, or until the orchestrator says to drain and everything is done.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let session = Arc::clone(&self.session);
        let table = Arc::new(Table::new());
        let permits = Arc::new(Permits::new(session.settings.concurrency));
        let pauses = Arc::new(Pauses::new());
        let reporter = Arc::new(Reporter::new(Arc::clone(&session), Arc::clone(&table)));
        let types: Vec<JobType> = self.registry.types().cloned().collect();
        let heartbeat = Arc::new(Heartbeat::new(
            Arc::clone(&session),
            Arc::clone(&table),
            Arc::clone(&permits),
            Arc::clone(&pauses),
            types,
        ));
        let drain = shutdown.child_token();
        let control = ControlLoop {
            session: Arc::clone(&session),
            table: Arc::clone(&table),
            permits: Arc::clone(&permits),
            pauses: Arc::clone(&pauses),
            heartbeat: Arc::clone(&heartbeat),
            introduction: self.introduction.clone(),
            drain: drain.clone(),
        };
        let shared = Arc::new(Shared {
            session: Arc::clone(&session),
            table: Arc::clone(&table),
            permits,
            pauses,
            reporter: Arc::clone(&reporter),
            jobs: TaskTracker::new(),
            handlers: self.handlers.clone(),
            traces: self.traces.clone(),
        });

        let stop = CancellationToken::new();
        // Whoever drops this future before its end leaves no task behind.
        let _stop_all = stop.clone().drop_guard();
        let duties = TaskTracker::new();
        let _stop_jobs = StopJobs(Arc::clone(&table));
        duties.spawn(control.run(stop.clone()));
        duties.spawn(isolation::run(Arc::clone(&session), table, stop.clone()));
        let (beats, until) = (Arc::clone(&heartbeat), stop.clone());
        duties.spawn(async move { beats.run(until).await });
        let (reports, until) = (Arc::clone(&reporter), stop.clone());
        duties.spawn(async move { reports.run(until).await });

        tracing::info!(worker_session = %session.id, concurrency = session.settings.concurrency, "the worker starts");
        let lanes = self.lanes(&shared, &drain);
        // Lanes end when they are told to, or when the broker was closed under them.
        let unsettled = lanes.join_all().await;
        drain.cancel();
        heartbeat.drain();
        wind_down(&shared, &shutdown).await;
        drop::<Vec<Unsettled>>(unsettled);
        stop.cancel();
        duties.close();
        duties.wait().await;
        let farewell = session.report(WorkerEventKind::WorkerDown, None);
        if !matches!(tokio::time::timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
            tracing::warn!("worker_down did not reach the broker; the lease will tell");
        }
        tracing::info!(worker_session = %session.id, "the worker has ended");
    }

    fn lanes(&self, shared: &Arc<Shared>, stop: &CancellationToken) -> JoinSet<Unsettled> {
        let mut lanes = JoinSet::new();
        for JobTypeInfo { job_type, concurrency, .. } in self.registry.infos() {
            if let Some(job) = self.registry.get(&job_type) {
                let lane = Lane::new(Arc::clone(shared), job_type, job, concurrency, stop.clone());
                lanes.spawn(lane.run());
            }
        }
        lanes
    }
}

/// Stops what runs when it is dropped: nobody is left to report it. At the end of a life there is nothing.
struct StopJobs(Arc<Table>);

impl Drop for StopJobs {
    fn drop(&mut self) {
        self.0.stop_all(Stop::Taken);
    }
}

/// Lets running jobs finish, as long as there is time; then stops them and sends what there is to say.
async fn wind_down(shared: &Shared, shutdown: &CancellationToken) {
    let settings = &shared.session.settings;
    shared.jobs.close();
    if !shared.jobs.is_empty() {
        tracing::info!(jobs = shared.jobs.len(), "waiting for running jobs");
    }
    // A drain without a signal waits for as long as the jobs take.
    tokio::select! {
        () = shared.jobs.wait() => {}
        () = shutdown.cancelled() => {
            if !shutdown::drain(&shared.jobs, settings.drain).await {
                let stopped = shared.table.stop_all(Stop::Drain);
                tracing::warn!(stopped, "jobs did not finish in the time to drain and are given back");
                shutdown::drain(&shared.jobs, settings.grace + AFTER_GRACE).await;
            }
        }
    }
    if !shared.reporter.flush(LAST_REPORTS).await {
        tracing::error!(events = shared.reporter.waiting(), "events could not be sent before the end");
    }
}
