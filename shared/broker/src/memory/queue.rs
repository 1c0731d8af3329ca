//! A queue: what waits, and whose turn it is.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{consumer::Consumer, content::Content, exchange::Full};
use crate::{Delivery, Settle, Tag, topology::DELIVERY_LIMIT};

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Message {
    content: Arc<Content>,
    /// How often it was given back after it had been handed out. What no consumer saw wears nothing out.
    returns: i32,
}

/// A message that leaves its queue for the dead letters.
pub(super) struct Dead {
    pub(super) content: Arc<Content>,
    /// The word that RabbitMQ has for it.
    pub(super) reason: &'static str,
}

/// What a stream finds when it looks for its next delivery.
#[allow(clippy::large_enum_variant, reason = "nearly all are deliveries, and nobody keeps many")]
pub(super) enum Taken {
    Delivery(Delivery),
    Nothing,
    /// It has ended.
    Ended,
}

/// A queue.
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) dead_letter_exchange: Option<String>,
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Given back, in the order of giving back. As in a quorum queue they come before those that were never delivered.
    returned: VecDeque<Message>,
    /// Not delivered yet.
    waiting: VecDeque<Message>,
    /// Of all that is not settled for good, delivered or not.
    bytes: usize,
    consumers: HashMap<u64, Consumer>,
    /// Those that may be given a message, in turn.
    line: VecDeque<u64>,
    next_consumer: u64,
}

impl Queue {
    pub(super) fn new(name: String, dead_letter_exchange: Option<String>, limit_bytes: usize) -> Self {
        Self { name, dead_letter_exchange, limit_bytes, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in.
    pub(super) fn put(&self, content: &Arc<Content>) -> Result<(), Full> {
        let mut state = self.state();
        if state.bytes + content.bytes > self.limit_bytes {
            return Err(Full);
        }
        state.bytes += content.bytes;
        state.waiting.push_back(Message { content: Arc::clone(content), returns: 0 });
        state.serve();
        Ok(())
    }

    /// How many messages wait for a consumer.
    pub(super) fn depth(&self) -> usize {
        let state = self.state();
        state.returned.len() + state.waiting.len()
    }

    /// A new consumer: its name, and what tells it that there is something to take.
    pub(super) fn subscribe(&self, prefetch: u16) -> (u64, Arc<Notify>) {
        let (mut state, consumer) = (self.state(), Consumer::new(prefetch));
        let (id, changed) = (state.next_consumer, Arc::clone(&consumer.changed));
        state.next_consumer += 1;
        state.consumers.insert(id, consumer);
        state.line_up(id);
        (id, changed)
    }

    /// Ends a consumer, and gives back what it holds.
    pub(super) fn unsubscribe(&self, id: u64) -> Vec<Dead> {
        let mut state = self.state();
        let Some(consumer) = state.consumers.remove(&id) else { return Vec::new() };
        state.line.retain(|other| *other != id);
        let (seen, unseen) = consumer.end();
        let dead = seen.filter_map(|message| state.give_back(message)).collect();
        state.returned.extend(unseen);
        state.serve();
        dead
    }

    /// The next delivery of a consumer.
    pub(super) fn take(&self, id: u64) -> Taken {
        let mut state = self.state();
        let Some(consumer) = state.consumers.get_mut(&id) else { return Taken::Ended };
        match consumer.hand_out() {
            Some((number, message)) => {
                Taken::Delivery(message.content.delivery(Tag { session: id, number }, message.returns > 0))
            }
            None => Taken::Nothing,
        }
    }

    /// Settles a delivery. `None`: it can no longer be settled.
    pub(super) fn settle(&self, id: u64, number: u64, how: Settle) -> Option<Vec<Dead>> {
        let mut state = self.state();
        let message = state.consumers.get_mut(&id)?.release(number)?;
        let dead = match how {
            Settle::Ack => {
                state.forget(&message);
                None
            }
            Settle::GiveBack => state.give_back(message),
            Settle::DeadLetter => Some(state.bury(message, "rejected")),
        };
        state.line_up(id);
        Some(dead.into_iter().collect())
    }

    /// Acknowledges every delivery up to this one. `false`: there is none.
    pub(super) fn ack_through(&self, id: u64, number: u64) -> bool {
        let mut state = self.state();
        let Some(consumer) = state.consumers.get_mut(&id) else { return false };
        let released = consumer.release_through(number);
        released.iter().for_each(|message| state.forget(message));
        state.line_up(id);
        !released.is_empty()
    }

    /// Gives a consumer nothing more, and takes back what it did not hand out.
    pub(super) fn pause(&self, id: u64) {
        let mut state = self.state();
        let Some(consumer) = state.consumers.get_mut(&id) else { return };
        let unseen = consumer.pause();
        state.returned.extend(unseen.into_iter().map(|(_, message)| message));
        state.serve();
    }

    /// Goes on after a pause. `false`: the consumer has ended.
    pub(super) fn resume(&self, id: u64) -> bool {
        let mut state = self.state();
        let Some(consumer) = state.consumers.get_mut(&id) else { return false };
        consumer.resume();
        state.line_up(id);
        true
    }
}

impl State {
    /// Puts a consumer in line if it may be given messages, and serves.
    fn line_up(&mut self, id: u64) {
        if let Some(consumer) = self.consumers.get_mut(&id)
            && consumer.has_room()
            && !consumer.in_line
        {
            consumer.in_line = true;
            self.line.push_back(id);
        }
        self.serve();
    }

    /// Gives what waits to those in line, one each in turn.
    fn serve(&mut self) {
        while !(self.returned.is_empty() && self.waiting.is_empty()) {
            let Some(id) = self.line.pop_front() else { return };
            let Some(consumer) = self.consumers.get_mut(&id) else { continue };
            // It may have been paused since.
            consumer.in_line = false;
            if !consumer.has_room() {
                continue;
            }
            if let Some(message) = self.returned.pop_front().or_else(|| self.waiting.pop_front()) {
                consumer.push(message);
            }
            if consumer.has_room() {
                consumer.in_line = true;
                self.line.push_back(id);
            }
        }
    }

    /// Takes a message back that a consumer had; too often, and it goes to the dead letters.
    fn give_back(&mut self, mut message: Message) -> Option<Dead> {
        message.returns += 1;
        if message.returns > DELIVERY_LIMIT {
            return Some(self.bury(message, "delivery_limit"));
        }
        self.returned.push_back(message);
        None
    }

    fn bury(&mut self, message: Message, reason: &'static str) -> Dead {
        self.forget(&message);
        Dead { content: message.content, reason }
    }

    fn forget(&mut self, message: &Message) {
        self.bytes -= message.content.bytes;
    }
}
