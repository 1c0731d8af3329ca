//! A connection: the streams that end when it is closed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::BrokerError;

/// What ends with its connection. Ending it a second time does nothing.
pub(super) trait Stream: Send + Sync {
    /// Gives back what it holds and wakes whoever waits for it.
    fn end(&self);
}

/// The open streams of a handle.
pub(super) struct Connection(Mutex<State>);

struct State {
    open: bool,
    streams: HashMap<u64, Arc<dyn Stream>>,
    next: u64,
}

impl Default for Connection {
    fn default() -> Self {
        Self(Mutex::new(State { open: true, streams: HashMap::new(), next: 0 }))
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was not closed yet.
    pub(super) fn is_open(&self) -> bool {
        self.state().open
    }

    /// Notes a stream, until what is returned is dropped.
    ///
    /// # Errors
    /// When the connection was closed meanwhile; then the stream has ended.
    pub(super) fn keep(self: &Arc<Self>, stream: Arc<dyn Stream>) -> Result<Kept, BrokerError> {
        let mut state = self.state();
        if !state.open {
            drop(state);
            stream.end();
            return Err(BrokerError::Closed);
        }
        let number = state.next;
        state.next += 1;
        state.streams.insert(number, stream);
        Ok(Kept { connection: Arc::clone(self), number })
    }

    /// Ends every stream, and keeps no more.
    pub(super) fn close(&self) {
        let streams = {
            let mut state = self.state();
            state.open = false;
            std::mem::take(&mut state.streams)
        };
        for stream in streams.into_values() {
            stream.end();
        }
    }
}

/// A stream's entry in its connection. Dropping it ends the stream.
pub(super) struct Kept {
    connection: Arc<Connection>,
    number: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let stream = self.connection.state().streams.remove(&self.number);
        if let Some(stream) = stream {
            stream.end();
        }
    }
}
