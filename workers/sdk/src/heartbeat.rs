//! Tells the orchestrator that the worker lives, what it runs and which cancels it has obeyed.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drover_protocol::{ControlId, JobType, WorkerEventKind};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    pauses::Pauses,
    permits::Permits,
    session::Session,
    table::{Held, Table},
};

/// Heartbeats per lease: two may be lost and one late.
const PER_LEASE: u32 = 4;
/// An acknowledgement is repeated, since a heartbeat may be lost.
const REPEATS: u8 = 10;
/// Acknowledgements beyond this push the oldest out; the orchestrator asks again.
const MOST_ACKNOWLEDGEMENTS: usize = 10_000;
/// Shortest interval, whatever the lease.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Heartbeat {
    session: Arc<Session>,
    table: Arc<Table>,
    permits: Arc<Permits>,
    pauses: Arc<Pauses>,
    types: Vec<JobType>,
    lease: watch::Sender<Option<Duration>>,
    acknowledgements: Mutex<VecDeque<Acknowledgement>>,
    draining: AtomicBool,
    at_once: Notify,
}

struct Acknowledgement {
    control_id: ControlId,
    /// Jobs that the cancel met before their `started` was confirmed. The acknowledgement says "what I had begun, you
    /// know of", so it waits for them.
    unconfirmed: Vec<Arc<Held>>,
    repeats_left: u8,
}

impl Heartbeat {
    pub(crate) fn new(
        session: Arc<Session>,
        table: Arc<Table>,
        permits: Arc<Permits>,
        pauses: Arc<Pauses>,
        types: Vec<JobType>,
    ) -> Self {
        Self {
            session,
            table,
            permits,
            pauses,
            types,
            lease: watch::Sender::new(None),
            acknowledgements: Mutex::default(),
            draining: AtomicBool::new(false),
            at_once: Notify::new(),
        }
    }

    /// The lease that the welcome granted. Heartbeats begin with the first.
    pub(crate) fn set_lease(&self, lease: Duration) {
        self.lease.send_replace(Some(lease));
    }

    /// Acknowledges a cancel in the coming heartbeats, the first of which is sent at once.
    pub(crate) fn acknowledge(&self, control_id: ControlId, met: Vec<Arc<Held>>) {
        let mut acknowledgements = self.acknowledgements();
        if acknowledgements.len() == MOST_ACKNOWLEDGEMENTS {
            acknowledgements.pop_front();
        }
        let acknowledgement = Acknowledgement { control_id, unconfirmed: met, repeats_left: REPEATS };
        acknowledgements.push_back(acknowledgement);
        drop(acknowledgements);
        self.at_once.notify_one();
    }

    /// Sends the next one now.
    pub(crate) fn at_once(&self) {
        self.at_once.notify_one();
    }

    /// Says from now on that the worker takes no new jobs.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.at_once.notify_one();
    }

    /// Sends heartbeats until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut lease = self.lease.subscribe();
        let welcomed = async { lease.wait_for(Option::is_some).await.is_ok() };
        if stop.run_until_cancelled(welcomed).await != Some(true) {
            return;
        }
        loop {
            let interval = lease.borrow_and_update().unwrap_or_default() / PER_LEASE;
            let next = Instant::now() + interval.max(LEAST_INTERVAL);
            if stop.run_until_cancelled(self.beat()).await.is_none() {
                return;
            }
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break,
                    () = self.at_once.notified() => break,
                    Ok(()) = lease.changed() => break,
                    () = self.table.changed.notified() => if self.has_fresh_acknowledgement() { break },
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    async fn beat(&self) {
        if self.session.lease.has_lapsed() {
            // Before the beat brings it back to life: nothing begins by what was heard before the silence.
            tracing::warn!("the worker was silent for longer than its lease and may have been taken for lost");
            self.permits.close();
            self.session.lease.doubt();
        }
        let acknowledged = self.ready();
        let heartbeat = WorkerEventKind::WorkerHeartbeat {
            running: self.table.running(),
            types: self.types.clone(),
            acknowledged: acknowledged.clone(),
            draining: self.draining.load(Ordering::Acquire),
            paused_version: Some(self.pauses.version()),
        };
        match self.session.report(heartbeat, None).await {
            Ok(()) => self.count_repeat(&acknowledged),
            Err(error) => tracing::warn!(error = %error, "a heartbeat did not reach the broker"),
        }
    }

    /// The acknowledgements whose jobs the broker knows of by now.
    fn ready(&self) -> BTreeSet<ControlId> {
        let mut acknowledgements = self.acknowledgements();
        for acknowledgement in acknowledgements.iter_mut() {
            acknowledgement.unconfirmed.retain(|held| !held.is_confirmed());
        }
        acknowledgements.iter().filter(|ack| ack.unconfirmed.is_empty()).map(|ack| ack.control_id).collect()
    }

    /// Whether one that had to wait may go out now for the first time.
    fn has_fresh_acknowledgement(&self) -> bool {
        let acknowledgements = self.acknowledgements();
        let mut waited = acknowledgements.iter().filter(|ack| !ack.unconfirmed.is_empty());
        waited.any(|ack| ack.unconfirmed.iter().all(|held| held.is_confirmed()))
    }

    fn count_repeat(&self, sent: &BTreeSet<ControlId>) {
        let mut acknowledgements = self.acknowledgements();
        for acknowledgement in acknowledgements.iter_mut().filter(|ack| sent.contains(&ack.control_id)) {
            acknowledgement.repeats_left = acknowledgement.repeats_left.saturating_sub(1);
        }
        acknowledgements.retain(|ack| ack.repeats_left > 0);
    }

    fn acknowledgements(&self) -> MutexGuard<'_, VecDeque<Acknowledgement>> {
        self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
