//! A channel that is closed when it is dropped.

use std::{ops::Deref, sync::Arc, time::Duration};

use lapin::Channel;
use tokio::{runtime::Handle, time::timeout};

use super::session::Session;

/// An open channel. lapin closes a channel when its last clone goes, and consumers hold clones; this one is closed at
/// once, so that the broker gives back what was not settled on it.
pub(super) struct OpenChannel {
    channel: Channel,
    session: Arc<Session>,
}

impl OpenChannel {
    /// Takes charge of a channel of this session.
    pub(super) fn new(channel: Channel, session: Arc<Session>) -> Self {
        Self { channel, session }
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && !self.session.is_over()
    }

    /// The connection it is on.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Closes it and waits for the broker's answer.
    pub(super) async fn close(&self) {
        close(&self.channel, self.session.limit()).await;
    }
}

/// Closes a channel, if it is open. Whatever comes of it, the channel is not used any more.
pub(super) async fn close(channel: &Channel, limit: Duration) {
    if channel.status().connected() {
        let _ = timeout(limit, channel.close(200, "OK".into())).await;
    }
}

impl Deref for OpenChannel {
    type Target = Channel;
    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        self.session.forget_channel(self.channel.id());
        if !self.channel.status().connected() {
            return;
        }
        // Outside a runtime lapin's own closing has to do.
        if let Ok(runtime) = Handle::try_current() {
            let (channel, limit) = (self.channel.clone(), self.session.limit());
            runtime.spawn(async move { close(&channel, limit).await });
        }
    }
}
