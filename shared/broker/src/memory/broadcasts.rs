//! Listening to an exchange.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::{sync::Notify, task::coop};

use super::{
    connection::{Kept, Stream},
    content::Content,
    server::Server,
};
use crate::{Broadcasts, Heard, Tag};

/// What came for a listener and was not heard yet.
pub(super) struct Listener {
    /// The name that the default exchange knows it by.
    pub(super) queue: String,
    limit_bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    unheard: VecDeque<Arc<Content>>,
    bytes: usize,
    /// The caller knows that it listens.
    announced: bool,
    /// How often it began to listen: the session of the tags.
    sessions: u64,
    next_number: u64,
    ended: bool,
}

impl Listener {
    pub(super) fn new(queue: String, limit_bytes: usize) -> Self {
        Self { queue, limit_bytes, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in. One who does not keep up loses what it has not heard, and is told so.
    pub(super) fn put(&self, content: &Arc<Content>) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        if state.bytes + content.bytes > self.limit_bytes {
            tracing::warn!(
                queue = self.queue,
                lost = state.unheard.len(),
                "a listener does not keep up; it begins anew"
            );
            state.unheard.clear();
            (state.bytes, state.announced) = (0, false);
        }
        state.bytes += content.bytes;
        state.unheard.push_back(Arc::clone(content));
        drop(state);
        self.changed.notify_one();
    }

    /// What is heard next; `Some(None)`: never anything again.
    fn take(&self) -> Option<Option<Heard>> {
        let mut state = self.state();
        if state.ended {
            return Some(None);
        }
        if !state.announced {
            state.announced = true;
            state.sessions += 1;
            return Some(Some(Heard::Listening { queue: self.queue.clone() }));
        }
        let content = state.unheard.pop_front()?;
        state.bytes -= content.bytes;
        state.next_number += 1;
        let tag = Tag { session: state.sessions, number: state.next_number };
        Some(Some(Heard::Message(content.delivery(tag, false))))
    }
}

/// A listener and where it is bound, as its stream and its connection share it.
pub(super) struct Station {
    pub(super) server: Arc<Server>,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) listener: Arc<Listener>,
}

impl Stream for Station {
    fn end(&self) {
        self.server.forget(self);
        let mut state = self.listener.state();
        state.ended = true;
        state.unheard.clear();
        drop(state);
        self.listener.changed.notify_one();
    }
}

/// A subscription to a broadcast.
pub(super) struct MemoryBroadcasts {
    station: Arc<Station>,
    /// Ends the listening with the stream.
    _kept: Kept,
}

impl MemoryBroadcasts {
    pub(super) const fn new(station: Arc<Station>, kept: Kept) -> Self {
        Self { station, _kept: kept }
    }
}

#[async_trait]
impl Broadcasts for MemoryBroadcasts {
    async fn next(&mut self) -> Option<Heard> {
        // Before anything is taken: here the future may be dropped, or have to let other tasks run.
        coop::consume_budget().await;
        loop {
            if let Some(heard) = self.station.listener.take() {
                return heard;
            }
            self.station.listener.changed.notified().await;
        }
    }
}
