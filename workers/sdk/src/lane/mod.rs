//! One job type: takes its messages from their queue, and begins a job for each as permits allow.

mod message;
mod pace;
mod subscription;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use drover_broker::Settle;
use drover_protocol::JobType;
use drover_service::telemetry::Traces;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    execute::execute,
    logs::LogGate,
    pauses::Pauses,
    permits::{Permit, Permits, TypePermits},
    registry::AnyJob,
    reporter::Reporter,
    session::Session,
    sink::Sink,
    spans,
    state::JobState,
    table::{Held, Table},
};
use message::Ready;
use pace::Pace;
use subscription::Subscription;

pub(crate) use subscription::Unsettled;

/// How long a message may wait here for a permit while another worker may be idle.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a permit that was waited for is kept for a message to come.
const SPARE: Duration = Duration::from_millis(250);

/// What all lanes of a worker share.
pub(crate) struct Shared {
    pub(crate) session: Arc<Session>,
    pub(crate) table: Arc<Table>,
    pub(crate) permits: Arc<Permits>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) reporter: Arc<Reporter>,
    /// Every job that runs.
    pub(crate) jobs: TaskTracker,
    /// Where handlers run.
    pub(crate) handlers: Handle,
    /// Where spans go.
    pub(crate) traces: Traces,
}

/// See the module.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    job_type: JobType,
    job: Arc<dyn AnyJob>,
    permits: TypePermits,
    pace: Pace,
    /// A permit that was waited for, kept a moment for the next message.
    spare: Option<Permit>,
    stop: CancellationToken,
}

/// Why a lane has no next job.
enum Halt {
    /// The type is paused.
    Paused,
    /// The lane is stopped, or the broker closed.
    Stopped,
}

impl Lane {
    /// `limit`: how many jobs of the type run at once, if fewer than the worker's own concurrency.
    pub(crate) fn new(
        shared: Arc<Shared>,
        job_type: JobType,
        job: Arc<dyn AnyJob>,
        limit: Option<u32>,
        stop: CancellationToken,
    ) -> Self {
        let permits = shared.permits.of_type(limit);
        let pace = Pace::new(permits.limit(), shared.session.settings.prefetch);
        Self { shared, job_type, job, permits, pace, spare: None, stop }
    }

    /// Takes and begins jobs until it is stopped; then gives back what was not begun. The subscriptions are to be kept
    /// until what was begun is acknowledged.
    pub(crate) async fn run(mut self) -> Unsettled {
        let may_take = async {
            self.shared.permits.gate_opens().await;
            self.shared.pauses.lifted(&self.job_type).await;
        };
        if self.stop.run_until_cancelled(may_take).await.is_none() {
            return Unsettled::new();
        }
        let queue = self.shared.session.names.jobs_queue(&self.job_type);
        let broker = Arc::clone(&self.shared.session.broker);
        let Some(mut subscription) = Subscription::open(broker, queue, self.pace.first(), &self.stop).await else {
            return Unsettled::new();
        };
        loop {
            let ready = match self.next(&mut subscription).await {
                Ok(ready) => ready,
                Err(Halt::Paused) => {
                    self.rest(&mut subscription, None).await;
                    continue;
                }
                Err(Halt::Stopped) => break,
            };
            let asked_at = Instant::now();
            // A permit that must not be used is dropped before anything waits for another one.
            match self.permit_in_time().await.filter(|_| self.may_begin()) {
                Some(permit) => {
                    self.pace.begun(asked_at.elapsed());
                    if let Some(ready) = self.begin(ready, permit).await {
                        self.rest(&mut subscription, Some(ready)).await;
                        continue;
                    }
                    if let Some(prefetch) = self.pace.change(subscription.prefetch()) {
                        subscription.pause().await;
                        subscription.restart(prefetch, &self.stop).await;
                    }
                }
                None => self.stand_back(&mut subscription, ready).await,
            }
        }
        subscription.pause().await;
        subscription.close()
    }

    /// The next job that may begin.
    async fn next(&mut self, subscription: &mut Subscription) -> Result<Ready, Halt> {
        loop {
            let delivery = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Halt::Stopped),
                () = self.shared.pauses.paused(&self.job_type) => return Err(Halt::Paused),
                delivery = subscription.next() => delivery.ok_or(Halt::Stopped)?,
                () = tokio::time::sleep(SPARE), if self.spare.is_some() => {
                    self.spare = None;
                    continue;
                }
            };
            if let Some(ready) = self.look(delivery, subscription.settler()).await {
                return Ok(ready);
            }
        }
    }

    async fn permit_in_time(&mut self) -> Option<Permit> {
        match self.spare.take() {
            Some(permit) => Some(permit),
            None => self.stop.run_until_cancelled(timeout(PATIENCE, self.permit())).await?.ok(),
        }
    }

    async fn permit(&self) -> Permit {
        self.shared.reporter.room().await;
        self.shared.permits.acquire(&self.permits).await
    }

    /// Whether jobs may begin at this very moment; a permit may be older than the reason not to.
    fn may_begin(&self) -> bool {
        if self.shared.session.lease.has_lapsed() {
            self.shared.permits.close();
            self.shared.session.lease.doubt();
        }
        self.shared.permits.is_open()
    }

    /// Leaves the queue to other workers until this one has a permit.
    async fn stand_back(&mut self, subscription: &mut Subscription, ready: Ready) {
        tracing::debug!(job_type = %self.job_type, "no job may begin here now: the queue is left to others");
        self.pace.stood_back();
        // First the pause: a message given back must not come to this worker at once.
        subscription.pause().await;
        ready.receipt.settle(Settle::GiveBack).await;
        let Some(permit) = self.stop.clone().run_until_cancelled(self.permit()).await else { return };
        self.spare = Some(permit);
        let prefetch = self.pace.change(subscription.prefetch()).unwrap_or_else(|| subscription.prefetch());
        subscription.restart(prefetch, &self.stop).await;
    }

    /// The type is paused: leaves the queue, with what was taken from it, until it is resumed.
    async fn rest(&mut self, subscription: &mut Subscription, ready: Option<Ready>) {
        tracing::info!(job_type = %self.job_type, "paused: its queue is left");
        // Other types may need it.
        self.spare = None;
        subscription.pause().await;
        if let Some(ready) = ready {
            ready.receipt.settle(Settle::GiveBack).await;
        }
        let lifted = self.shared.pauses.lifted(&self.job_type);
        if self.stop.run_until_cancelled(lifted).await.is_some() {
            tracing::info!(job_type = %self.job_type, "resumed");
            subscription.restart(subscription.prefetch(), &self.stop).await;
        }
    }

    /// Begins a job. One whose type was paused while it waited comes back.
    async fn begin(&self, ready: Ready, permit: Permit) -> Option<Ready> {
        let Ready { facts, params, receipt, redelivered } = ready;
        let settings = &self.shared.session.settings;
        let gate = LogGate::new(settings.log_level, settings.log_lines_per_second);
        let sink: Arc<dyn Sink> = Arc::<Reporter>::clone(&self.shared.reporter);
        let state = JobState::new(facts.clone(), sink, gate, settings.message_bytes);
        let mut receipt = Some(receipt);
        let begin = || receipt.take().map(|receipt| self.shared.table.begin(state, receipt));
        match self.shared.pauses.begin(&self.job_type, begin).flatten() {
            Some(Ok(held)) => self.spawn(held, params, permit, redelivered),
            // It was cancelled or withdrawn, or came twice, while it waited for its permit.
            Some(Err((known, receipt))) => Self::settle_known(known, receipt).await,
            None => return receipt.map(|receipt| Ready { facts, params, receipt, redelivered }),
        }
        None
    }

    /// A job of which the broker does not hold `started` is delivered again when it ends its worker, and the next one, and
    /// nobody counts. So the second time it begins only when it is known to be at work: then that is a loss.
    fn spawn(&self, held: Arc<Held>, params: Value, permit: Permit, redelivered: bool) {
        self.shared.reporter.started(&held);
        let (shared, job) = (Arc::clone(&self.shared), Arc::clone(&self.job));
        let span = held.job.span.clone();
        let run = async move {
            if redelivered {
                held.confirmed().await;
            }
            let began = SystemTime::now();
            let end = execute(job, &held.job, params, shared.session.settings.grace, &shared.handlers).await;
            if let Some(trace) = held.job.facts.trace {
                shared.traces.take(spans::of_run(&held.job.facts, trace, began, end.as_ref()));
            }
            match end {
                Some(end) => shared.reporter.ended(&held, end),
                None => shared.table.end(&held),
            }
            drop(permit);
        };
        self.shared.jobs.spawn(run.instrument(span));
    }
}
