//! Publishing: calls become requests, requests become batches on a few channels.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{AmqpConfig, lane::Lane, link::Link};
use crate::{Publication, PublishError};

/// The outcome of one publication.
pub(super) type Outcome = Result<(), PublishError>;

/// Most publications of one batch. Beyond this more at a time gains little (256: 40,600/s, 1,024: 47,200/s).
pub(super) const BATCH_MESSAGES: usize = 512;
/// Most body bytes of one batch: what lapin and the socket hold at a time.
pub(super) const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Requests that wait for a lane; further callers wait in line. What waits is held by its caller anyway.
const WAITING_REQUESTS: usize = 64;

/// A part of a publish call, at most one batch.
pub(super) struct Request {
    pub(super) publications: Vec<Publication>,
    /// Until when it waits for a connection that takes it.
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Vec<Outcome>>,
    pub(super) load: Load,
}

impl Request {
    /// Answers that nothing of it was published.
    pub(super) fn fail(self, reason: &str) {
        let outcomes = unconfirmed(self.publications.len(), reason);
        // A caller that gave up needs no answer.
        let _ = self.reply.send(outcomes);
    }
}

/// Counts a request in its lane's load until it is answered.
pub(super) struct Load(Arc<AtomicUsize>, usize);

impl Load {
    fn new(load: &Arc<AtomicUsize>, messages: usize) -> Self {
        load.fetch_add(messages, Ordering::Relaxed);
        Self(Arc::clone(load), messages)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct LaneHandle {
    requests: mpsc::Sender<Request>,
    load: Arc<AtomicUsize>,
}

/// The publishing side of a broker.
pub(super) struct Publisher {
    lanes: Mutex<Vec<LaneHandle>>,
    timeout: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Publisher {
    /// Starts the lanes on this link.
    pub(super) fn start(link: &Arc<Link>, config: &AmqpConfig) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let start_lane = |_| {
            let (requests, waiting) = mpsc::channel(WAITING_REQUESTS);
            tasks.spawn(Lane::new(waiting, Arc::clone(link), config.publish_timeout, stop.clone()).run());
            LaneHandle { requests, load: Arc::default() }
        };
        let lanes = (0..config.publish_lanes.max(1)).map(start_lane).collect();
        tasks.close();
        Self { lanes: Mutex::new(lanes), timeout: config.publish_timeout, stop, tasks }
    }

    /// Publishes all on the lane that has the least to do.
    pub(super) async fn publish(&self, publications: Vec<Publication>) -> Vec<Outcome> {
        let count = publications.len();
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(lane) = lanes.into_iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed)) else {
            return unconfirmed(count, CLOSED);
        };
        let mut answers = Vec::with_capacity(count.div_ceil(BATCH_MESSAGES));
        let mut parts = split(publications).into_iter();
        for part in parts.by_ref() {
            let (messages, deadline) = (part.len(), Instant::now() + self.timeout);
            let (reply, answer) = oneshot::channel();
            let load = Load::new(&lane.load, messages);
            let request = Request { publications: part, deadline, reply, load };
            answers.push((messages, answer));
            // If there is no place in line, nobody takes anything: the rest need not wait as well.
            if !matches!(timeout_at(deadline, lane.requests.send(request)).await, Ok(Ok(()))) {
                break;
            }
        }
        let mut outcomes = Vec::with_capacity(count);
        for (messages, answer) in answers {
            outcomes.extend(answer.await.unwrap_or_else(|_| unconfirmed(messages, CROWDED)));
        }
        for part in parts {
            outcomes.extend(unconfirmed(part.len(), CROWDED));
        }
        outcomes
    }

    /// Takes nothing more, finishes what the broker takes now, gives up the rest.
    pub(super) async fn close(&self) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Why nothing is published any more.
pub(super) const CLOSED: &str = "this process is closing its connection";
const CROWDED: &str = "too much waits to be published already";

/// All of them not known to be held.
pub(super) fn unconfirmed(count: usize, reason: &str) -> Vec<Outcome> {
    vec![Err(PublishError::Unconfirmed { reason: reason.to_owned() }); count]
}

/// Cuts a call into parts of at most one batch each, in order.
fn split(publications: Vec<Publication>) -> Vec<Vec<Publication>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for publication in publications {
        let size = publication.body.len();
        if part.len() == BATCH_MESSAGES || (!part.is_empty() && bytes + size > BATCH_BYTES) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.push(publication);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Properties;

    fn publication(bytes: usize) -> Publication {
        Publication {
            exchange: String::new(),
            routing_key: String::new(),
            body: vec![0; bytes].into(),
            properties: Properties::default(),
            mandatory: false,
        }
    }

    #[test]
    fn a_call_is_cut_by_count_and_by_bytes() {
        let sizes = |publications| split(publications).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![publication(1); BATCH_MESSAGES * 2 + 1]), [BATCH_MESSAGES, BATCH_MESSAGES, 1]);
        assert_eq!(sizes(vec![publication(BATCH_BYTES / 2); 5]), [2, 2, 1]);
        assert_eq!(sizes(vec![publication(BATCH_BYTES * 2), publication(1)]), [1, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }
}
