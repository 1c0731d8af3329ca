//! One connection, from the handshake to its end.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt, future::join_all};
use lapin::{Channel, Connection, Event, options::ExchangeDeclareOptions, types::FieldTable};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    channel::{self, OpenChannel},
    fault::{Fault, NOT_FOUND, ask},
};

/// How often the state of the connection is looked at, besides listening to its events.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection and what is known about it.
pub(super) struct Session {
    number: u64,
    connection: Connection,
    limit: Duration,
    over: CancellationToken,
    reason: OnceLock<String>,
    blocked: watch::Sender<Option<String>>,
    exchanges: Mutex<HashSet<String>>,
    channels: Mutex<HashMap<u16, Channel>>,
}

impl Session {
    /// Takes a fresh connection; `limit` is how long the broker may take to answer.
    pub(super) fn new(connection: Connection, limit: Duration) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            connection,
            limit,
            over: CancellationToken::new(),
            reason: OnceLock::new(),
            blocked: watch::Sender::new(None),
            exchanges: Mutex::default(),
            channels: Mutex::default(),
        })
    }

    /// Tells it from every other connection of this process.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// How long the broker may take to answer.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Gives the connection up: everybody on it goes to the next one.
    pub(super) fn fail(&self, reason: String) {
        // The first reason is the cause, later ones follow from it.
        let _ = self.reason.set(reason);
        self.over.cancel();
    }

    /// Why the connection ended.
    pub(super) fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_else(|| "the connection ended".to_owned())
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits for its end.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Why the broker takes no publications now; `None` while it does.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// Waits until the broker takes publications (at once, if it does) or the connection ends.
    pub(super) async fn unblocked(&self) {
        let mut blocked = self.blocked.subscribe();
        tokio::select! {
            _ = blocked.wait_for(Option::is_none) => {}
            () = self.over() => {}
        }
    }

    /// Opens a channel. A broker that does not even answer this is presumed dead.
    pub(super) async fn channel(self: &Arc<Self>) -> Result<OpenChannel, Fault> {
        let action = || "open a channel".to_owned();
        match timeout(self.limit, self.connection.create_channel()).await {
            Ok(Ok(channel)) => {
                self.lock_channels().insert(channel.id(), channel.clone());
                Ok(OpenChannel::new(channel, Arc::clone(self)))
            }
            Ok(Err(error)) => Err(Fault::new(&error, action)),
            Err(_) => {
                self.fail(format!("no answer within {}s", self.limit.as_secs_f32()));
                Err(Fault::lost(self.reason()))
            }
        }
    }

    /// The channel is gone.
    pub(super) fn forget_channel(&self, id: u16) {
        self.lock_channels().remove(&id);
    }

    fn lock_channels(&self) -> MutexGuard<'_, HashMap<u16, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the exchange exists.
    pub(super) fn saw_exchange(&self, name: &str) {
        self.known_exchanges().insert(name.to_owned());
    }

    /// Forgets which exchanges exist, since one of them turned out not to.
    pub(super) fn forget_exchanges(&self) {
        self.known_exchanges().clear();
    }

    /// Whether the exchange exists; the broker is asked once per connection and exchange.
    ///
    /// A publication to a missing exchange makes the broker close the channel and with it all that is under way there.
    pub(super) async fn has_exchange(self: &Arc<Self>, name: &str) -> Result<bool, Fault> {
        if name.is_empty() || self.known_exchanges().contains(name) {
            return Ok(true);
        }
        let channel = self.channel().await?;
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        // A passive declaration compares no kind.
        let look = channel.exchange_declare(name.into(), lapin::ExchangeKind::Direct, passive, FieldTable::default());
        match ask(self.limit, || format!("look for exchange {name:?}"), look).await {
            Ok(()) => {
                self.saw_exchange(name);
                Ok(true)
            }
            Err(fault) if fault.has_code(NOT_FOUND) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn known_exchanges(&self) -> MutexGuard<'_, HashSet<String>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the broker tells about the connection as a whole.
    pub(super) fn events(&self) -> impl Stream<Item = Event> + Send + use<'_> {
        self.connection.events_listener()
    }

    /// Follows the connection until it has ended.
    pub(super) async fn watch(&self, role: &str, events: impl Stream<Item = Event> + Send) {
        let mut events = std::pin::pin!(events);
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.hear(role, event),
                    None => self.fail("the connection ended".to_owned()),
                },
                _ = check.tick() => {
                    if !self.connection.status().connected() {
                        self.fail("the connection was closed".to_owned());
                    }
                }
                () = self.over() => {}
            }
        }
    }

    fn hear(&self, role: &str, event: Event) {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(role, reason, "the broker takes no publications for now");
                self.blocked.send_replace(Some(reason));
            }
            Event::ConnectionUnblocked => {
                tracing::info!(role, "the broker takes publications again");
                self.blocked.send_replace(None);
            }
            // The end of a single channel is told here as well; that is for whoever uses the channel.
            Event::Error(error) if !self.connection.status().connected() => self.fail(error.to_string()),
            _ => {}
        }
    }

    /// Closes the channels, which gives back what is not settled, then the connection.
    pub(super) async fn close(&self) {
        // To a connection that the broker has blocked lapin writes nothing, not even this.
        if self.connection.status().connected() && self.blocked().is_none() {
            // lapin fails now and then when the connection is closed with channels open.
            let channels: Vec<Channel> = self.lock_channels().drain().map(|(_, channel)| channel).collect();
            join_all(channels.iter().map(|channel| channel::close(channel, self.limit))).await;
            // Whatever comes of it, the connection is not used any more.
            let _ = timeout(self.limit, self.connection.close(200, "OK".into())).await;
        }
        self.fail("closed by this process".to_owned());
    }

    /// Lets go of a connection that was given up.
    ///
    /// lapin stops its heartbeats when it begins to close, and then waits for a frozen peer for ever. So a silent
    /// connection is left alone until its heartbeats have found it dead; one that came back to life is closed.
    pub(super) async fn retire(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.connection.status().connected() && Instant::now() < until {
            sleep(CHECK_INTERVAL).await;
        }
        self.close().await;
    }
}
