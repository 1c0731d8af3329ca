//! What this worker holds, what it must not start and what it has done: one lock, so that a cancel and a start of the
//! same job never pass each other by.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use drover_broker::{Settle, Settler, Tag};
use drover_protocol::RunningJob;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    state::{JobState, Stop},
    tombstones::Tombstones,
};

/// Cancelled and withdrawn dispatches that are remembered; a welcome names the open ones anew.
const TOMBSTONES: usize = 100_000;
/// Finished dispatches that are remembered: their message comes again when its ack was lost with the connection.
const FINISHED: usize = 10_000;

/// A job message that waits to be settled.
pub(crate) struct Receipt {
    settler: Arc<dyn Settler>,
    tag: Tag,
}

impl Receipt {
    pub(crate) const fn new(settler: Arc<dyn Settler>, tag: Tag) -> Self {
        Self { settler, tag }
    }

    /// Settles it. A message that can no longer be settled comes again, and is recognised then.
    pub(crate) async fn settle(self, how: Settle) {
        if !self.settler.settle(self.tag, how).await {
            tracing::debug!(?how, "a job message could not be settled any more and will be delivered again");
        }
    }
}

/// A job from its permit to the confirm of its last event.
pub(crate) struct Held {
    pub(crate) job: Arc<JobState>,
    start: Mutex<Start>,
    /// Cancelled when `started` is confirmed.
    confirmed: CancellationToken,
}

#[derive(Default)]
struct Start {
    /// The `started` event while it waits for a quick end.
    held_back: Option<Vec<u8>>,
    /// Acknowledged when `started` is confirmed. More than one when the message was delivered again meanwhile.
    receipts: Vec<Receipt>,
}

impl Held {
    fn new(job: Arc<JobState>, receipt: Receipt) -> Self {
        let start = Mutex::new(Start { receipts: vec![receipt], ..Start::default() });
        Self { job, start, confirmed: CancellationToken::new() }
    }

    /// The job's message came again. It is given back when it can be acknowledged at once.
    pub(crate) fn add_receipt(&self, receipt: Receipt) -> Option<Receipt> {
        let mut start = self.lock();
        if self.is_confirmed() {
            return Some(receipt);
        }
        start.receipts.push(receipt);
        None
    }

    /// The broker holds `started`: the receipts that may be acknowledged now.
    pub(crate) fn confirm(&self) -> Vec<Receipt> {
        let mut start = self.lock();
        self.confirmed.cancel();
        std::mem::take(&mut start.receipts)
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed.is_cancelled()
    }

    /// Waits until the broker holds `started`, or the job is to stop.
    pub(crate) async fn confirmed(&self) {
        tokio::select! {
            () = self.confirmed.cancelled() => {}
            () = self.job.token.cancelled() => {}
        }
    }

    pub(crate) fn hold_back(&self, started: Vec<u8>) {
        self.lock().held_back = Some(started);
    }

    pub(crate) fn take_held_back(&self) -> Option<Vec<u8>> {
        self.lock().held_back.take()
    }

    fn lock(&self) -> MutexGuard<'_, Start> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a dispatch that was delivered.
pub(crate) enum Known {
    /// Nothing: it may be started.
    New,
    /// It was cancelled or withdrawn and must not be started.
    Cancelled,
    /// It runs here.
    Held(Arc<Held>),
    /// It ran here to its end.
    Finished,
}

/// See the module.
pub(crate) struct Table {
    inner: Mutex<Inner>,
    /// A `started` was confirmed, or a job ended.
    pub(crate) changed: Notify,
}

struct Inner {
    held: BTreeMap<RunningJob, Arc<Held>>,
    tombstones: Tombstones,
    finished: Tombstones,
}

impl Inner {
    fn look(&self, job: RunningJob) -> Known {
        if let Some(held) = self.held.get(&job) {
            return Known::Held(Arc::clone(held));
        }
        if self.finished.contains(job) {
            return Known::Finished;
        }
        if self.tombstones.contains(job) { Known::Cancelled } else { Known::New }
    }

    /// Never starts these dispatches or earlier ones of the same jobs; gives those that run.
    fn bury(&mut self, jobs: &[RunningJob]) -> Vec<Arc<Held>> {
        let mut met = Vec::new();
        for job in jobs {
            self.tombstones.insert(*job);
            let up_to_it = RunningJob { dispatch: 0, ..*job }..=*job;
            met.extend(self.held.range(up_to_it).map(|(_, held)| Arc::clone(held)));
        }
        met
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            held: BTreeMap::new(),
            tombstones: Tombstones::new(TOMBSTONES),
            finished: Tombstones::new(FINISHED),
        };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// What is known of a dispatch.
    pub(crate) fn look(&self, job: RunningJob) -> Known {
        self.lock().look(job)
    }

    /// Takes the job unless something is known of it: then the receipt comes back, with what is known.
    pub(crate) fn begin(&self, job: Arc<JobState>, receipt: Receipt) -> Result<Arc<Held>, (Known, Receipt)> {
        let mut inner = self.lock();
        let running = job.facts.running();
        match inner.look(running) {
            Known::New => {
                let held = Arc::new(Held::new(job, receipt));
                inner.held.insert(running, Arc::clone(&held));
                Ok(held)
            }
            known => Err((known, receipt)),
        }
    }

    /// The job's last event is confirmed, or there is none to send.
    pub(crate) fn end(&self, held: &Held) {
        let running = held.job.facts.running();
        let mut inner = self.lock();
        inner.held.remove(&running);
        inner.finished.insert(running);
        drop(inner);
        self.changed.notify_one();
    }

    /// Never starts these dispatches or earlier ones of the same jobs, and stops those that run; gives what it stops.
    pub(crate) fn cancel(&self, jobs: &[RunningJob]) -> Vec<Arc<Held>> {
        let stopped = self.lock().bury(jobs);
        for held in &stopped {
            held.job.stop(Stop::Cancel);
        }
        stopped
    }

    /// Does not start these dispatches or earlier ones of the same jobs. Those that run go on; gives them.
    pub(crate) fn withdraw(&self, jobs: &[RunningJob]) -> Vec<Arc<Held>> {
        self.lock().bury(jobs)
    }

    /// Stops these dispatches without a report: they were taken from this worker. How many of them run here.
    pub(crate) fn take(&self, jobs: &[RunningJob]) -> usize {
        let inner = self.lock();
        let taken: Vec<_> = jobs.iter().filter_map(|job| inner.held.get(job).map(Arc::clone)).collect();
        drop(inner);
        for held in &taken {
            held.job.stop(Stop::Taken);
        }
        taken.len()
    }

    /// Stops everything that runs.
    pub(crate) fn stop_all(&self, why: Stop) -> usize {
        let all: Vec<_> = self.lock().held.values().map(Arc::clone).collect();
        for held in &all {
            held.job.stop(why);
        }
        all.len()
    }

    /// Every job that is held.
    pub(crate) fn running(&self) -> Vec<RunningJob> {
        self.lock().held.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
