//! What waits to be sent, and what is on its way.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use drover_protocol::{JobEventKind, encode};
use drover_service::{retry::Backoff, telemetry::TraceParent};
use tokio::{sync::oneshot, time::Instant};

use super::{RETRY_INITIAL, RETRY_MAX, batch::Batch};
use crate::{
    session::Session,
    state::JobState,
    table::{Held, Receipt},
};

/// No job begins while more events than this wait for their confirm.
const MOST_WAITING: usize = 10_000;
/// Log lines beyond one of these are dropped.
const MOST_LOG_LINES: usize = 10_000;
const MOST_LOG_BYTES: usize = 16 * 1024 * 1024;
/// So many more are kept of those that end the log of a job.
const MOST_LAST_LINES: usize = 10_000;
/// So many events are sent beside an unconfirmed message; fewer wait for it, and grow meanwhile.
const MANY_EVENTS: usize = 256;
const MANY_BYTES: usize = 256 * 1024;
/// Log lines wait this long for company.
const LOG_DELAY: Duration = Duration::from_millis(100);

/// An event on its way, and what its confirm brings.
pub(super) struct Outgoing {
    /// The routing key.
    pub(super) route: Arc<str>,
    pub(super) body: Vec<u8>,
    pub(super) then: Then,
}

impl Outgoing {
    /// The span in which it happened, as far as that is known.
    pub(super) fn place(&self) -> Option<TraceParent> {
        let facts = match &self.then {
            Then::Started(held) | Then::Ended(held) | Then::EndedInstead(held) => &held.job.facts,
            Then::Progress(job) | Then::Log(job) => &job.facts,
            Then::Settle(_) | Then::Tell(_) => return None,
        };
        facts.trace.map(|trace| trace.place)
    }
}

/// What the confirm of an event brings.
pub(super) enum Then {
    /// The job's message is acknowledged.
    Started(Arc<Held>),
    /// The job is held no more.
    Ended(Arc<Held>),
    /// The same; it stands in place of an end that no broker took.
    EndedInstead(Arc<Held>),
    /// The message of a job that never began is acknowledged.
    Settle(Receipt),
    /// The handler that sent items goes on, or learns why they cannot be sent.
    Tell(oneshot::Sender<Result<(), String>>),
    /// Nothing; without a confirm the job's latest progress is sent anew.
    Progress(Arc<JobState>),
    /// Nothing.
    Log(Arc<JobState>),
}

/// How many events are on their way no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landing {
    events: usize,
    logs: usize,
}

impl Landing {
    pub(super) fn of(entries: &[Outgoing]) -> Self {
        let logs = entries.iter().filter(|entry| matches!(entry.then, Then::Log(_))).count();
        Self { events: entries.len() - logs, logs }
    }

    pub(super) const fn is_only_logs(self) -> bool {
        self.events == 0
    }
}

/// See the module.
pub(super) struct Buffer {
    /// `started` events that wait for a quick end, the oldest first.
    held_back: VecDeque<(Instant, Arc<Held>)>,
    events: VecDeque<Outgoing>,
    event_bytes: usize,
    /// Jobs whose progress is news, with the time before which it is not sent.
    progress: Vec<(Instant, Arc<JobState>)>,
    logs: VecDeque<Outgoing>,
    log_bytes: usize,
    logs_due: Option<Instant>,
    /// Before this their queue, which refused the last message, is not tried again.
    logs_not_before: Option<Instant>,
    logs_backoff: Backoff,
    log_route: Arc<str>,
    dropped_logs: usize,
    in_flight: usize,
    logs_in_flight: usize,
    progress_interval: Duration,
    started_delay: Duration,
    hurry: bool,
}

impl Buffer {
    pub(super) fn new(session: &Session) -> Self {
        Self {
            held_back: VecDeque::new(),
            events: VecDeque::new(),
            event_bytes: 0,
            progress: Vec::new(),
            logs: VecDeque::new(),
            log_bytes: 0,
            logs_due: None,
            logs_not_before: None,
            logs_backoff: Backoff::new(RETRY_INITIAL, RETRY_MAX),
            log_route: session.names.logs_queue().into(),
            dropped_logs: 0,
            in_flight: 0,
            logs_in_flight: 0,
            progress_interval: session.settings.progress_interval,
            started_delay: session.settings.started_delay,
            hurry: false,
        }
    }

    /// Adds an event that is sent as soon as possible and never dropped.
    pub(super) fn push(&mut self, event: Outgoing) {
        self.event_bytes += event.body.len();
        self.events.push_back(event);
    }

    /// Adds a `started` that is sent at `due`, unless the job's end comes first.
    pub(super) fn hold_back(&mut self, held: Arc<Held>, due: Instant) {
        self.held_back.push_back((due, held));
    }

    /// Sends the job's `started` now, if it still waits.
    pub(super) fn promote(&mut self, held: &Arc<Held>) {
        if let Some(body) = held.take_held_back() {
            let route = Arc::clone(&held.job.facts.route);
            self.push(Outgoing { route, body, then: Then::Started(Arc::clone(held)) });
        }
    }

    /// The job's progress is news.
    pub(super) fn progress(&mut self, job: Arc<JobState>) {
        self.progress.push((job.progress.due(self.progress_interval, self.started_delay), job));
    }

    /// Adds a log line. `false`: there is no room.
    pub(super) fn log(&mut self, job: Arc<JobState>, body: Vec<u8>) -> bool {
        // The last word of a job's log says how many lines are missing there, and nobody could say it later.
        let has_room = if job.is_ended() {
            self.logs.len() < MOST_LOG_LINES + MOST_LAST_LINES
        } else {
            self.logs.len() < MOST_LOG_LINES && self.log_bytes + body.len() <= MOST_LOG_BYTES
        };
        if !has_room {
            self.dropped_logs += 1;
            return false;
        }
        self.logs_due.get_or_insert_with(|| Instant::now() + LOG_DELAY);
        self.log_bytes += body.len();
        self.logs.push_back(Outgoing { route: Arc::clone(&self.log_route), body, then: Then::Log(job) });
        true
    }

    /// No more delays: the worker ends.
    pub(super) const fn hurry(&mut self) {
        self.hurry = true;
    }

    /// When something that waits is due; `None` when nothing waits for a time.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let started = self.held_back.front().map(|(due, _)| *due);
        let progress = self.progress.iter().map(|(due, _)| *due).min();
        let logs =
            self.logs_due.filter(|_| self.logs_in_flight == 0).map(|due| self.logs_not_before.unwrap_or(due).max(due));
        [started, progress, logs].into_iter().flatten().min()
    }

    /// The next message or messages to send, if there is reason to send now.
    pub(super) fn take(&mut self, now: Instant, in_flight: usize, session: &Session) -> Option<Batch> {
        self.promote_due(now);
        self.take_progress(now, session);
        let mut batch = Batch::new(session.settings.message_bytes);
        let many = self.events.len() >= MANY_EVENTS || self.event_bytes >= MANY_BYTES;
        if in_flight == 0 || many {
            while let Some(event) = self.events.pop_front() {
                self.event_bytes -= event.body.len();
                if let Err(event) = batch.add(event) {
                    self.event_bytes += event.body.len();
                    self.events.push_front(event);
                    break;
                }
                self.in_flight += 1;
            }
        }
        let logs_are_due = self.hurry || self.logs_due.is_some_and(|due| due <= now);
        if logs_are_due && self.logs_in_flight == 0 && self.logs_not_before.is_none_or(|time| time <= now) {
            self.take_logs(&mut batch);
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn promote_due(&mut self, now: Instant) {
        while let Some((due, _)) = self.held_back.front()
            && (self.hurry || *due <= now)
        {
            if let Some((_, held)) = self.held_back.pop_front() {
                self.promote(&held);
            }
        }
    }

    fn take_progress(&mut self, now: Instant, session: &Session) {
        let hurry = self.hurry;
        let due: Vec<_> = self.progress.extract_if(.., |(due, _)| hurry || *due <= now).collect();
        for (_, job) in due {
            // The last event of a job carries its progress.
            if job.is_ended() {
                continue;
            }
            let event = session.event(&job.facts, JobEventKind::Progress(job.progress.take()));
            // A report holds nothing that the wire refuses.
            if let Ok(body) = encode(&event, session.settings.message_bytes) {
                self.push(Outgoing { route: Arc::clone(&job.facts.route), body, then: Then::Progress(job) });
            }
        }
    }

    fn take_logs(&mut self, batch: &mut Batch) {
        self.logs_due = None;
        while let Some(line) = self.logs.pop_front() {
            self.log_bytes -= line.body.len();
            if let Err(line) = batch.add(line) {
                self.log_bytes += line.body.len();
                self.logs.push_front(line);
                self.logs_due = Some(Instant::now());
                break;
            }
            self.logs_in_flight += 1;
        }
    }

    /// These are confirmed or given up, and settled. Gives how many log lines were dropped since it was last called.
    pub(super) const fn settled(&mut self, landing: Landing) -> usize {
        self.landed(landing);
        std::mem::replace(&mut self.dropped_logs, 0)
    }

    /// Whether a message of log lines was confirmed. Its queue has delays of its own.
    pub(super) fn logs_sent(&mut self, confirmed: bool) {
        if confirmed {
            self.logs_backoff.reset();
            self.logs_not_before = None;
        } else {
            self.logs_not_before = Some(Instant::now() + self.logs_backoff.next());
        }
    }

    /// These are not confirmed: they are sent again, before all others.
    pub(super) fn put_back(&mut self, entries: Vec<Outgoing>) {
        self.landed(Landing::of(&entries));
        for entry in entries.into_iter().rev() {
            match &entry.then {
                Then::Progress(job) => {
                    let job = Arc::clone(job);
                    if !job.is_ended() && job.progress.touch() {
                        self.progress(job);
                    }
                }
                // Even where there is no room for them: their job may have ended, and nobody would count them. One message at most is on
                // its way.
                Then::Log(_) => {
                    self.log_bytes += entry.body.len();
                    self.logs.push_front(entry);
                    self.logs_due.get_or_insert_with(Instant::now);
                }
                _ => {
                    self.event_bytes += entry.body.len();
                    self.events.push_front(entry);
                }
            }
        }
    }

    const fn landed(&mut self, landing: Landing) {
        self.logs_in_flight -= landing.logs;
        self.in_flight -= landing.events;
    }

    /// How many events wait or are on their way, log lines apart.
    pub(super) fn waiting(&self) -> usize {
        self.held_back.len() + self.events.len() + self.in_flight
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting() < MOST_WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0 && self.progress.is_empty() && self.logs.is_empty() && self.logs_in_flight == 0
    }
}
