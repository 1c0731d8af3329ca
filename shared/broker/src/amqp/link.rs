//! A connection that is made again whenever it breaks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use drover_service::retry::Backoff;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{AmqpConfig, address::Address, declare::Declared, dial::Dialer, fault::Fault, session::Session};
use crate::BrokerError;

/// A connection that outlives its breaks.
pub(super) struct Link {
    address: String,
    limit: Duration,
    state: watch::Receiver<State>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

enum State {
    Down { reason: String },
    Up(Arc<Session>),
    Closed,
}

impl Link {
    /// Starts to connect. `role` tells our connections apart in logs and on the broker's pages.
    pub(super) fn start(
        role: &'static str,
        address: &Address,
        config: &AmqpConfig,
        declared: Arc<Declared>,
    ) -> Arc<Self> {
        let (sender, state) = watch::channel(State::Down { reason: "not connected yet".to_owned() });
        let stop = CancellationToken::new();
        let keeper = Keeper {
            role,
            shown: address.shown.clone(),
            dialer: Dialer::new(address.clone(), config.clone(), role),
            config: config.clone(),
            declared,
            state: sender,
            stop: stop.clone(),
        };
        let task = Mutex::new(Some(tokio::spawn(keeper.run())));
        Arc::new(Self { address: address.shown.clone(), limit: config.operation_timeout, state, stop, task })
    }

    /// How long a call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The connection, if there is one now.
    pub(super) fn now(&self) -> Option<Arc<Session>> {
        match &*self.state.borrow() {
            State::Up(session) if !session.is_over() => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Why there is no connection.
    pub(super) fn reason(&self) -> String {
        match &*self.state.borrow() {
            State::Down { reason } => format!("not connected: {reason}"),
            State::Up(session) => session.reason(),
            State::Closed => BrokerError::Closed.to_string(),
        }
    }

    /// Waits for a connection as long as it takes. `None`: closed.
    pub(super) async fn up(&self) -> Option<Arc<Session>> {
        let mut state = self.state.clone();
        let decided = |state: &State| match state {
            State::Up(session) => !session.is_over(),
            State::Closed => true,
            State::Down { .. } => false,
        };
        match &*state.wait_for(decided).await.ok()? {
            State::Up(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Waits for a connection until `deadline`.
    pub(super) async fn up_by(&self, deadline: Instant, waited: Duration) -> Result<Arc<Session>, BrokerError> {
        match timeout_at(deadline, self.up()).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => Err(BrokerError::Closed),
            Err(_) => Err(self.unreachable(waited, self.reason())),
        }
    }

    /// Does `work` on a connection, again on the next one when it breaks, until it succeeds, is refused or the time
    /// for a call is up.
    pub(super) async fn run<T, F, W>(&self, work: F) -> Result<T, BrokerError>
    where
        F: Fn(Arc<Session>) -> W,
        W: Future<Output = Result<T, Fault>>,
    {
        let deadline = Instant::now() + self.limit;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let mut last = "it does not answer".to_owned();
        loop {
            let session = self.up_by(deadline, self.limit).await?;
            last = match timeout_at(deadline, work(session)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(Fault::Refused { action, reason, .. })) => return Err(BrokerError::Refused { action, reason }),
                Ok(Err(Fault::Lost { reason })) => reason,
                Err(_) => return Err(self.unreachable(self.limit, last)),
            };
            if timeout_at(deadline, tokio::time::sleep(backoff.next())).await.is_err() {
                return Err(self.unreachable(self.limit, last));
            }
        }
    }

    /// No connection in time.
    pub(super) fn unreachable(&self, waited: Duration, reason: String) -> BrokerError {
        BrokerError::Unreachable { address: self.address.clone(), waited, reason }
    }

    /// Closes the connection for good.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends by itself; a panic in it was reported by the runtime.
            let _ = task.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The task behind a link.
struct Keeper {
    role: &'static str,
    shown: String,
    dialer: Dialer,
    config: AmqpConfig,
    declared: Arc<Declared>,
    state: watch::Sender<State>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.config.reconnect_initial, self.config.reconnect_max);
        while !stop.is_cancelled() {
            let connecting = stop.run_until_cancelled(self.connect());
            let Some(attempt) = connecting.await else { break };
            let reason = match attempt {
                Ok(session) => {
                    let since = Instant::now();
                    let reason = self.keep(session).await;
                    // A connection that breaks as soon as it is made is no success.
                    if since.elapsed() >= self.config.reconnect_max {
                        backoff.reset();
                    }
                    reason
                }
                Err(reason) => self.failed(reason),
            };
            self.state.send_replace(State::Down { reason });
            if !backoff.wait(&stop).await {
                break;
            }
        }
        self.state.send_replace(State::Closed);
    }

    /// Connects and declares what was declared before.
    async fn connect(&mut self) -> Result<Arc<Session>, String> {
        let connection = self.dialer.dial().await?;
        let session = Session::new(connection, self.config.operation_timeout);
        match self.declared.restore(&session).await {
            Ok(()) => Ok(session),
            Err(fault) => {
                session.close().await;
                Err(fault.reason().to_owned())
            }
        }
    }

    /// Follows the connection to its end; says why it ended.
    async fn keep(&self, session: Arc<Session>) -> String {
        let role = self.role;
        tracing::info!(role, address = %self.shown, "connected to the broker");
        let events = session.events();
        self.state.send_replace(State::Up(Arc::clone(&session)));
        tokio::select! {
            () = session.watch(role, events) => {
                let reason = session.reason();
                tracing::warn!(role, address = %self.shown, reason, "the connection to the broker is lost");
                let patience = self.config.heartbeat * 3;
                let retiring = Arc::clone(&session);
                tokio::spawn(async move { retiring.retire(patience).await });
                reason
            }
            () = self.stop.cancelled() => {
                session.close().await;
                tracing::info!(role, address = %self.shown, "the connection to the broker is closed");
                session.reason()
            }
        }
    }

    /// One line for each new reason, not for each attempt.
    fn failed(&self, reason: String) -> String {
        let known = matches!(&*self.state.borrow(), State::Down { reason: last } if *last == reason);
        if known {
            tracing::debug!(role = self.role, address = %self.shown, reason, "the broker is still not reachable");
        } else {
            tracing::warn!(role = self.role, address = %self.shown, reason, "the broker is not reachable");
        }
        reason
    }
}
