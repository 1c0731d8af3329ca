//! What the worker is told: welcome, cancel, withdraw, pauses, stop, drain.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::Utc;
use drover_broker::{Broadcasts, Delivery, Heard};
use drover_protocol::{
    Control, ControlId, DecodeError, JobTypeInfo, PausedTypes, RunningJob, WorkerEvent, WorkerEventKind, WorkerSession,
    decode, encode,
};
use drover_service::retry::{Backoff, retry};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::MOST_MESSAGE_BYTES, heartbeat::Heartbeat, pauses::Pauses, permits::Permits, session::Session, table::Table,
};

/// Delay before listening is tried again. Short, since a worker that came before the first orchestrator waits here.
const RETRY_INITIAL: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// What the worker says of itself when it comes.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) types: Vec<JobTypeInfo>,
    pub(crate) version: String,
    pub(crate) host: String,
}

impl Introduction {
    /// Its event; `concurrency` is how many jobs the worker runs at once.
    fn event(&self, concurrency: u32) -> WorkerEventKind {
        let Self { types, version, host } = self.clone();
        WorkerEventKind::WorkerUp { types, version, host, concurrency }
    }

    /// Whether it can be sent: otherwise the worker would try for ever, and never be welcomed.
    pub(crate) fn check(&self, concurrency: u32) -> Result<(), DecodeError> {
        let worker_session = WorkerSession(Uuid::nil());
        let event = WorkerEvent { worker_session, seq: 0, at: Utc::now(), kind: self.event(concurrency) };
        encode(&event, MOST_MESSAGE_BYTES).map(drop)
    }
}

/// See the module.
pub(crate) struct ControlLoop {
    pub(crate) session: Arc<Session>,
    pub(crate) table: Arc<Table>,
    pub(crate) permits: Arc<Permits>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) introduction: Introduction,
    /// Cancelled when the worker was told to drain.
    pub(crate) drain: CancellationToken,
}

/// Where this worker stands with the orchestrator.
enum Standing {
    /// It does not listen: nothing could be answered.
    Deaf,
    /// It listens on this queue and waits to be welcomed; it asks again at `ask_at`.
    Waiting { queue: String, ask_at: Instant },
    /// It was welcomed, and listens on this queue.
    Welcome { queue: String },
}

impl Standing {
    fn welcomed(self) -> Self {
        match self {
            Self::Waiting { queue, .. } => Self::Welcome { queue },
            other => other,
        }
    }

    fn doubted(self) -> Self {
        match self {
            Self::Welcome { queue } => Self::Waiting { queue, ask_at: Instant::now() },
            other => other,
        }
    }
}

impl ControlLoop {
    /// Listens until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let exchange = self.session.names.control_exchange();
        let what = "listening for control messages (the orchestrator declares their exchange)";
        let listen =
            retry(what, Backoff::new(RETRY_INITIAL, RETRY_MAX), &stop, || self.session.broker.listen(&exchange, ""));
        if let Some(heard) = listen.await {
            stop.run_until_cancelled(self.listen(heard)).await;
        }
    }

    async fn listen(&self, mut broadcasts: Box<dyn Broadcasts>) {
        let mut standing = Standing::Deaf;
        // When the first question was sent that is not answered yet: a welcome may be as old as that.
        let mut asked_at = None;
        loop {
            let ask = async {
                match &standing {
                    Standing::Waiting { queue, ask_at } => {
                        tokio::time::sleep_until(*ask_at).await;
                        queue.clone()
                    }
                    Standing::Deaf | Standing::Welcome { .. } => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = broadcasts.next() => match heard {
                    None => return,
                    Some(Heard::Listening { queue }) => {
                        // What was cancelled before this moment may have been missed.
                        self.permits.close();
                        asked_at = None;
                        standing = Standing::Waiting { queue, ask_at: Instant::now() };
                    }
                    Some(Heard::Message(message)) => {
                        if self.obey(&message, asked_at) && asked_at.take().is_some() {
                            standing = standing.welcomed();
                        }
                    }
                },
                () = self.session.lease.doubted() => {
                    self.permits.close();
                    standing = standing.doubted();
                }
                queue = ask => {
                    asked_at.get_or_insert_with(Instant::now);
                    self.ask(&queue).await;
                    standing = Standing::Waiting { queue, ask_at: Instant::now() + self.session.settings.announce };
                }
            }
        }
    }

    /// Asks to be welcomed, on this queue.
    async fn ask(&self, queue: &str) {
        let up = self.introduction.event(self.session.settings.concurrency);
        // Without a limit a publish that hangs would keep control messages waiting.
        match tokio::time::timeout(self.session.settings.announce, self.session.report(up, Some(queue))).await {
            Ok(Ok(())) => tracing::debug!(queue, "announced; waiting for the orchestrator's welcome"),
            Ok(Err(error)) => tracing::warn!(error = %error, "worker_up did not reach the broker; it is sent again"),
            Err(_) => tracing::warn!("worker_up was not confirmed in time; it is sent again"),
        }
    }

    /// Does what the message says. `true`: it was a welcome; `asked_at` says since when one is waited for.
    fn obey(&self, message: &Delivery, asked_at: Option<Instant>) -> bool {
        let kind = message.properties.kind.as_deref();
        match decode::<Control>(kind, &message.body, MOST_MESSAGE_BYTES) {
            Ok(control) => self.apply(control, asked_at),
            Err(error) => {
                tracing::error!(error = %error, "a control message is not understood and passed over");
                false
            }
        }
    }

    fn apply(&self, control: Control, asked_at: Option<Instant>) -> bool {
        let me = self.session.id;
        match control {
            Control::Welcome { worker_session, cancelled, controls, paused, lease_seconds } if worker_session == me => {
                // Before the gate opens.
                self.obey_pauses(paused.unwrap_or_default());
                self.welcome(&cancelled, &controls, lease_seconds, asked_at);
                return true;
            }
            Control::Cancel { control_id, jobs } => {
                let met = self.table.cancel(&jobs);
                tracing::info!(%control_id, jobs = jobs.len(), running_here = met.len(), "jobs are cancelled");
                self.heartbeat.acknowledge(control_id, met);
            }
            Control::PausedTypes(paused) => self.obey_pauses(paused),
            Control::Withdraw { control_id, jobs } => {
                let met = self.table.withdraw(&jobs);
                let (count, begun) = (jobs.len(), met.len());
                tracing::info!(jobs = count, begun, "jobs are withdrawn: what has not begun of them is left");
                if let Some(control_id) = control_id {
                    self.heartbeat.acknowledge(control_id, met);
                }
            }
            Control::Stop { worker_session, jobs } if worker_session == me => {
                let taken = self.table.take(&jobs);
                // Each word of a dispatch that is not this worker's any more is answered so, and most have ended by then.
                if taken > 0 {
                    tracing::warn!(jobs = taken, "jobs were taken from this worker and are stopped");
                }
            }
            Control::Drain { worker_session } if worker_session.is_none_or(|session| session == me) => {
                tracing::info!("told to drain: no new jobs are taken");
                self.drain.cancel();
            }
            Control::Welcome { .. } | Control::Stop { .. } | Control::Drain { .. } => {}
        }
        false
    }

    fn obey_pauses(&self, paused: PausedTypes) {
        let PausedTypes { version, all, types } = paused.clone();
        if self.pauses.obey(paused) {
            tracing::info!(version, all, ?types, "these job types are paused");
        }
        self.heartbeat.at_once();
    }

    fn welcome(
        &self,
        cancelled: &[RunningJob],
        controls: &BTreeSet<ControlId>,
        lease_seconds: f64,
        asked_at: Option<Instant>,
    ) {
        let met = self.table.cancel(cancelled);
        for control_id in controls {
            self.heartbeat.acknowledge(*control_id, met.clone());
        }
        // The answer to a question that was answered before: it may be older than what closed the gate.
        let Some(asked_at) = asked_at else { return };
        tracing::info!(cancelled = cancelled.len(), running_here = met.len(), lease_seconds, "welcome");
        let lease = Duration::try_from_secs_f64(lease_seconds).unwrap_or(Duration::from_secs(15));
        self.session.lease.grant(lease, asked_at);
        self.heartbeat.set_lease(lease);
        self.permits.open();
    }
}
