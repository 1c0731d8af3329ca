//! What one stream of a queue holds.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

use super::queue::Message;

/// A stream's side of its queue; the queue's lock guards it.
pub(super) struct Consumer {
    prefetch: usize,
    paused: bool,
    /// Whether it stands in the queue's line of those who take messages.
    pub(super) in_line: bool,
    /// Delivered and not handed out yet, with their numbers.
    buffer: VecDeque<(u64, Message)>,
    /// Handed out and not settled.
    unsettled: BTreeMap<u64, Message>,
    next_number: u64,
    /// The first number that counts for the prefetch: a pause lets off what was handed out before it.
    counts_from: u64,
    /// How many count for the prefetch.
    counted: usize,
    /// Tells the stream that its buffer is no longer empty, or that it has ended.
    pub(super) changed: Arc<Notify>,
}

impl Consumer {
    pub(super) fn new(prefetch: u16) -> Self {
        Self {
            prefetch: usize::from(prefetch.max(1)),
            paused: false,
            in_line: false,
            buffer: VecDeque::new(),
            unsettled: BTreeMap::new(),
            next_number: 1,
            counts_from: 1,
            counted: 0,
            changed: Arc::default(),
        }
    }

    /// Whether it may be given a message.
    pub(super) fn has_room(&self) -> bool {
        !self.paused && self.counted < self.prefetch
    }

    /// Gives it a message.
    pub(super) fn push(&mut self, message: Message) {
        if self.buffer.is_empty() {
            self.changed.notify_one();
        }
        self.buffer.push_back((self.next_number, message));
        self.next_number += 1;
        self.counted += 1;
    }

    /// Hands out the next message.
    pub(super) fn hand_out(&mut self) -> Option<(u64, &Message)> {
        let (number, message) = self.buffer.pop_front()?;
        Some((number, self.unsettled.entry(number).or_insert(message)))
    }

    /// Lets go of a message that was handed out.
    pub(super) fn release(&mut self, number: u64) -> Option<Message> {
        let message = self.unsettled.remove(&number)?;
        self.uncount(number);
        Some(message)
    }

    /// Lets go of every message that was handed out, up to this number.
    pub(super) fn release_through(&mut self, number: u64) -> Vec<Message> {
        let later = self.unsettled.split_off(&number.saturating_add(1));
        let released = std::mem::replace(&mut self.unsettled, later);
        released
            .into_iter()
            .map(|(number, message)| {
                self.uncount(number);
                message
            })
            .collect()
    }

    fn uncount(&mut self, number: u64) {
        if number >= self.counts_from {
            self.counted -= 1;
        }
    }

    /// Takes no more; gives what it did not hand out.
    pub(super) fn pause(&mut self) -> VecDeque<(u64, Message)> {
        self.paused = true;
        self.counts_from = self.next_number;
        self.counted = 0;
        std::mem::take(&mut self.buffer)
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// Everything that it handed out, then everything that it did not.
    pub(super) fn end(self) -> (impl Iterator<Item = Message>, impl Iterator<Item = Message>) {
        self.changed.notify_one();
        (self.unsettled.into_values(), self.buffer.into_iter().map(|(_, message)| message))
    }
}
