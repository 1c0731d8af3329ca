//! Carries what happens to jobs to the broker, and keeps each event until the broker has confirmed it.
//!
//! One task sends. It takes what is there into one message, so that a message carries more events the busier the
//! worker is, and a single event waits for nothing. While the broker is away the buffer stays bounded: progress is one
//! state per job, log lines beyond their limit are counted and dropped, and no job begins while more than a set number
//! of other events wait, which are never dropped.

mod batch;
mod buffer;
mod unfit;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use drover_broker::{PublishError, Settle};
use drover_protocol::{JobEvent, JobEventKind, LogLevel, encode};
use drover_service::retry::Backoff;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use serde_json::{Map, Value, value::RawValue};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    JobFailure, ending,
    session::Session,
    sink::Sink,
    state::{Facts, JobState},
    table::{Held, Receipt, Table},
};
use batch::Batch;
use buffer::{Buffer, Landing, Outgoing, Then};

/// Publishes at once: a further one begins only when so many events wait that waiting would not make it much larger.
const MOST_IN_FLIGHT: usize = 4;
/// Delay before what was not confirmed is sent again.
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Chunks of lists that wait for their confirm, over all jobs: they are the largest things in the buffer.
const MOST_CHUNKS: usize = 16;

/// See the module.
pub(crate) struct Reporter {
    session: Arc<Session>,
    table: Arc<Table>,
    buffer: Mutex<Buffer>,
    chunks: Semaphore,
    /// There may be something to send.
    wake: Notify,
    /// Something was confirmed: there may be room, or nothing left.
    eased: Notify,
}

impl Reporter {
    pub(crate) fn new(session: Arc<Session>, table: Arc<Table>) -> Self {
        let buffer = Buffer::new(&session);
        Self {
            session,
            table,
            buffer: Mutex::new(buffer),
            chunks: Semaphore::new(MOST_CHUNKS),
            wake: Notify::new(),
            eased: Notify::new(),
        }
    }

    /// The job begins. The event waits a moment for a quick end; when it is confirmed, the job's message is acknowledged.
    pub(crate) fn started(&self, held: &Arc<Held>) {
        let Some(body) = self.encode(&held.job.facts, JobEventKind::Started) else { return };
        held.hold_back(body);
        self.buffer().hold_back(Arc::clone(held), Instant::now() + self.session.settings.started_delay);
        self.wake.notify_one();
    }

    /// The job's last event; the job is held until it is confirmed.
    pub(crate) fn ended(&self, held: &Arc<Held>, kind: JobEventKind) {
        let route = Arc::clone(&held.job.facts.route);
        let body = self.encode_checked(&held.job.facts, kind);
        let mut buffer = self.buffer();
        buffer.promote(held);
        buffer.push(Outgoing { route, body, then: Then::Ended(Arc::clone(held)) });
        drop(buffer);
        self.wake.notify_one();
    }

    /// The end of a job that never began; its message is acknowledged when the event is confirmed.
    pub(crate) fn not_begun(&self, facts: &Facts, kind: JobEventKind, receipt: Receipt) {
        let body = self.encode_checked(facts, kind);
        self.buffer().push(Outgoing { route: Arc::clone(&facts.route), body, then: Then::Settle(receipt) });
        self.wake.notify_one();
    }

    /// Waits until so little waits for a confirm that another job may begin.
    pub(crate) async fn room(&self) {
        self.until(Buffer::has_room).await;
    }

    /// Sends what waits, without delays, at most until `deadline`. `false`: something could not be sent.
    pub(crate) async fn flush(&self, deadline: Duration) -> bool {
        self.buffer().hurry();
        self.wake.notify_one();
        tokio::time::timeout(deadline, self.until(Buffer::is_empty)).await.is_ok()
    }

    /// How many events wait or are on their way.
    pub(crate) fn waiting(&self) -> usize {
        self.buffer().waiting()
    }

    async fn until(&self, condition: impl Fn(&Buffer) -> bool) {
        loop {
            let eased = self.eased.notified();
            tokio::pin!(eased);
            // Registered before looking, so that no wake-up is missed in between.
            eased.as_mut().enable();
            if condition(&self.buffer()) {
                return;
            }
            eased.await;
        }
    }

    /// Sends until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut flights = FuturesUnordered::new();
        let mut backoff = Backoff::new(RETRY_INITIAL, RETRY_MAX);
        let mut not_before = Instant::now();
        loop {
            let now = Instant::now();
            if now >= not_before {
                while flights.len() < MOST_IN_FLIGHT
                    && let Some(batch) = self.take(now, flights.len())
                {
                    flights.push(self.send(batch));
                }
            }
            if flights.is_empty() {
                // What waited may have become nothing to send: the progress of a job whose end has told it.
                self.eased.notify_waiters();
            }
            let due = if now < not_before {
                Some(not_before)
            } else if flights.len() < MOST_IN_FLIGHT {
                self.buffer().next_due()
            } else {
                None
            };
            tokio::select! {
                Some(events_confirmed) = flights.next() => {
                    match events_confirmed {
                        Some(true) => backoff.reset(),
                        Some(false) => not_before = Instant::now() + backoff.next(),
                        None => {}
                    }
                    self.eased.notify_waiters();
                }
                () = self.wake.notified() => {}
                () = sleep_until(due) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn take(&self, now: Instant, in_flight: usize) -> Option<Batch> {
        self.buffer().take(now, in_flight, &self.session)
    }

    /// Publishes and settles; what was not confirmed is back in the buffer. Whether all events were confirmed, `None` where there
    /// were only log lines: their queue may refuse what it will, and no event waits for that.
    async fn send(&self, batch: Batch) -> Option<bool> {
        let (publications, entries) = batch.into_messages(&self.session);
        let outcomes = self.session.broker.publish(publications).await;
        let mut events_confirmed = None;
        for (entries, outcome) in entries.into_iter().zip(outcomes) {
            let only_logs = Landing::of(&entries).is_only_logs();
            let confirmed = match outcome {
                Ok(()) => {
                    self.confirmed(entries).await;
                    true
                }
                Err(PublishError::Unfit { reason }) => self.unfit(entries, &reason).await,
                Err(error) => {
                    self.not_confirmed(entries, &error).await;
                    false
                }
            };
            if only_logs {
                self.buffer().logs_sent(confirmed);
            } else {
                events_confirmed = Some(confirmed && events_confirmed.unwrap_or(true));
            }
        }
        events_confirmed
    }

    async fn confirmed(&self, entries: Vec<Outgoing>) {
        self.session.touch();
        let landing = Landing::of(&entries);
        let mut receipts = Vec::new();
        for entry in entries {
            match entry.then {
                Then::Started(held) => receipts.extend(held.confirm()),
                Then::Ended(held) | Then::EndedInstead(held) => self.table.end(&held),
                Then::Settle(receipt) => receipts.push(receipt),
                Then::Tell(items) => {
                    // The handler may have stopped waiting.
                    items.send(Ok(())).ok();
                }
                Then::Progress(_) | Then::Log(_) => {}
            }
        }
        // A start may be the one that an acknowledged cancel waits for.
        self.table.changed.notify_one();
        // Side by side: one after the other they would set the pace of short jobs.
        join_all(receipts.into_iter().map(|receipt| receipt.settle(Settle::Ack))).await;
        // Only now they are done with: the end of the worker waits for the acks too, or done jobs would come again.
        let dropped_logs = self.buffer().settled(landing);
        if dropped_logs > 0 {
            tracing::warn!(lines = dropped_logs, "log lines of jobs were dropped while the broker did not take them");
        }
    }

    async fn not_confirmed(&self, mut entries: Vec<Outgoing>, error: &PublishError) {
        tracing::warn!(error = %error, events = entries.len(), "events were not confirmed; they will be sent again");
        if let PublishError::Unroutable { routing_key, .. } = error {
            self.take_usual_route(routing_key, &mut entries);
        }
        self.buffer().put_back(entries);
    }

    /// Replaces the job's own route, which cannot be used, by the usual one. `false`: it was a usual one; then the events wait
    /// until the orchestrator has declared its queue again.
    fn take_usual_route(&self, routing_key: &str, entries: &mut [Outgoing]) -> bool {
        let usual: Arc<str> = self.session.names.events_queue().into();
        if *routing_key == *usual || *routing_key == *self.session.names.logs_queue() {
            return false;
        }
        tracing::error!(reply_to = routing_key, "no queue takes the `reply_to` of the job's message");
        for entry in entries {
            entry.route = Arc::clone(&usual);
        }
        true
    }

    fn encode(&self, facts: &Facts, kind: JobEventKind) -> Option<Vec<u8>> {
        let name = kind.name();
        encode(&self.session.event(facts, kind), self.session.settings.message_bytes)
            .inspect_err(|error| tracing::error!(job_id = %facts.job_id, error = %error, "cannot send {name}"))
            .ok()
    }

    /// The event; when its result breaks a limit, the failure that says so.
    fn encode_checked(&self, facts: &Facts, kind: JobEventKind) -> Vec<u8> {
        let limit_bytes = self.session.settings.message_bytes;
        let event = self.session.event(facts, kind);
        match encode(&event, limit_bytes) {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(job_id = %facts.job_id, error = %error, "the job's end cannot be sent as it is");
                let event = JobEvent { kind: ending::instead_of(event.kind, &ending::problem(&error)), ..event };
                // Only texts that were cut to their limits are left in it.
                encode(&event, limit_bytes).unwrap_or_default()
            }
        }
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter")
    }
}

#[async_trait]
impl Sink for Reporter {
    fn progress(&self, job: &Arc<JobState>, news: bool) {
        if news {
            self.buffer().progress(Arc::clone(job));
            self.wake.notify_one();
        }
    }

    async fn items(&self, job: &Arc<JobState>, name: &str, values: Vec<Box<RawValue>>) -> Result<(), JobFailure> {
        // Held until the confirm.
        let _chunk = self.chunks.acquire().await?;
        let body = batch::items_body(&self.session, &job.facts, name, &values)?;
        let (tell, told) = oneshot::channel();
        // Nothing is awaited from here to the buffer: a handler that lets go while it waits for its turn has sent nothing.
        job.count_items(name, values.len())?;
        self.buffer().push(Outgoing { route: Arc::clone(&job.facts.route), body, then: Then::Tell(tell) });
        self.wake.notify_one();
        match told.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => {
                // The job may live with that: whoever counts what arrives must not wait for them.
                job.forget_items(name, values.len());
                Err(JobFailure::permanent("invalid_items", format!("items of {name:?} cannot be sent: {reason}")))
            }
            Err(_) => Err(JobFailure::retryable("shutdown", "the worker ended before the items were sent")),
        }
    }

    fn log(&self, job: &Arc<JobState>, level: LogLevel, message: String, fields: Map<String, Value>) -> bool {
        // Nothing here may write a log line of its own: it would come back here.
        let event = self.session.event(&job.facts, JobEventKind::Log { level, message, fields });
        let body = encode(&event, self.session.settings.message_bytes);
        let taken = body.is_ok_and(|body| self.buffer().log(Arc::clone(job), body));
        if taken {
            self.wake.notify_one();
        }
        taken
    }
}
