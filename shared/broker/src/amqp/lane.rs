//! A channel for publishing: one batch after the other.

use std::{collections::HashSet, convert::Infallible, future::pending, sync::Arc, time::Duration};

use drover_service::retry::Backoff;
use lapin::options::ConfirmSelectOptions;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, message_ids},
    channel::OpenChannel,
    fault::{Fault, ask},
    link::Link,
    publisher::{BATCH_BYTES, BATCH_MESSAGES, CLOSED, Load, Outcome, Request, unconfirmed},
    session::Session,
};
use crate::Publication;

/// Publishes what its callers request: takes what is there, up to a batch, and settles it before the next.
pub(super) struct Lane {
    requests: mpsc::Receiver<Request>,
    /// Taken from the line and not served yet.
    head: Option<Request>,
    link: Arc<Link>,
    current: Option<OpenChannel>,
    timeout: Duration,
    stop: CancellationToken,
}

/// How the wait for a batch ended.
enum Wait {
    Settled,
    Over,
    Late,
}

/// A caller that waits for so many outcomes.
struct Caller {
    messages: usize,
    reply: oneshot::Sender<Vec<Outcome>>,
    load: Load,
}

impl Caller {
    fn split(request: Request) -> (Self, Vec<Publication>) {
        let Request { publications, deadline: _, reply, load } = request;
        (Self { messages: publications.len(), reply, load }, publications)
    }
}

impl Lane {
    /// A lane for these requests; `timeout` is how long a confirm may take. After `stop` it finishes what it can.
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        link: Arc<Link>,
        timeout: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self { requests, head: None, link, current: None, timeout, stop }
    }

    /// Serves until nobody can request any more.
    pub(super) async fn run(mut self) {
        while let Some(request) = self.next().await {
            match self.ready(request.deadline).await {
                Ok((session, channel)) => self.serve(request, session, channel).await,
                Err(reason) => request.fail(&reason),
            }
        }
        if let Some(channel) = self.current.take() {
            channel.close().await;
        }
    }

    async fn next(&mut self) -> Option<Request> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        tokio::select! {
            biased;
            request = self.requests.recv() => return request,
            () = self.stop.cancelled(), if !self.requests.is_closed() => {}
        }
        // What is in line is still served.
        self.requests.close();
        self.requests.recv().await
    }

    /// Waits for a channel that takes publications.
    async fn ready(&mut self, deadline: Instant) -> Result<(Arc<Session>, lapin::Channel), String> {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            ready = self.channel() => ready.ok_or_else(|| CLOSED.to_owned()),
            () = stop.cancelled() => Err(CLOSED.to_owned()),
            () = sleep_until(deadline) => Err(self.obstacle()),
        }
    }

    async fn channel(&mut self) -> Option<(Arc<Session>, lapin::Channel)> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            self.current = self.current.take().filter(OpenChannel::is_open);
            let session = match &self.current {
                Some(channel) => Arc::clone(channel.session()),
                None => self.link.up().await?,
            };
            session.unblocked().await;
            match &self.current {
                Some(channel) if channel.is_open() => return Some((session, lapin::Channel::clone(channel))),
                Some(_) => continue,
                None => {}
            }
            match confirming_channel(&session).await {
                Ok(channel) => self.current = Some(channel),
                Err(_) => sleep(backoff.next()).await,
            }
        }
    }

    /// Why nothing can be published now.
    fn obstacle(&self) -> String {
        match self.link.now() {
            None => self.link.reason(),
            Some(session) => no_confirm(&session, self.timeout),
        }
    }

    async fn serve(&mut self, first: Request, session: Arc<Session>, channel: lapin::Channel) {
        let (publications, callers) = self.collect(first);
        let missing = match missing_exchanges(&session, &publications).await {
            Ok(missing) => missing,
            Err(fault) => return answer(callers, unconfirmed(publications.len(), fault.reason())),
        };
        let ids = message_ids(&publications);
        let mut batch = Batch::send(&channel, &publications, &ids, &missing);
        let wait = tokio::select! {
            biased;
            () = batch.settle() => Wait::Settled,
            () = session.over() => Wait::Over,
            () = sleep(self.timeout) => Wait::Late,
        };
        let reason = match wait {
            Wait::Over => session.reason(),
            Wait::Settled | Wait::Late => no_confirm(&session, self.timeout),
        };
        answer(callers, batch.outcomes(&reason));
        let clean = match wait {
            Wait::Settled => batch.fault().is_none(),
            Wait::Over => false,
            Wait::Late => self.await_unblocked(&mut batch, &session).await,
        };
        if matches!(batch.fault(), Some(Fault::Refused { .. })) {
            session.forget_exchanges();
        }
        drop(batch);
        if !clean {
            // A confirm or a return of this batch must not be taken for one of the next: new batch, new channel.
            self.current = None;
        }
    }

    /// Takes what else waits, as far as it fits into one batch.
    fn collect(&mut self, first: Request) -> (Vec<Publication>, Vec<Caller>) {
        let mut bytes = body_bytes(&first);
        let (caller, mut publications) = Caller::split(first);
        let mut callers = vec![caller];
        while let Ok(next) = self.requests.try_recv() {
            bytes += body_bytes(&next);
            if publications.len() + next.publications.len() > BATCH_MESSAGES || bytes > BATCH_BYTES {
                self.head = Some(next);
                break;
            }
            let (caller, more) = Caller::split(next);
            callers.push(caller);
            publications.extend(more);
        }
        (publications, callers)
    }

    /// The callers have their answers, but the broker has blocked the connection with the batch half written. It stays,
    /// since a new connection would only be blocked as well, with a second copy on it. Whether the batch was settled in
    /// the end and the channel can go on.
    async fn await_unblocked(&mut self, batch: &mut Batch<'_>, session: &Session) -> bool {
        let (stop, timeout) = (self.stop.clone(), self.timeout);
        while let Some(reason) = session.blocked() {
            tokio::select! {
                () = batch.settle() => return batch.fault().is_none(),
                () = stop.cancelled() => return false,
                () = session.unblocked() => {}
                never = self.expire(&reason) => match never {},
            }
            let settled = tokio::time::timeout(timeout, batch.settle()).await.is_ok();
            if settled || session.is_over() {
                return settled && batch.fault().is_none();
            }
        }
        false
    }

    /// Fails the requests in line when their time is up.
    async fn expire(&mut self, reason: &str) -> Infallible {
        loop {
            let Some(head) = &self.head else {
                match self.requests.recv().await {
                    Some(request) => self.head = Some(request),
                    None => pending().await,
                }
                continue;
            };
            sleep_until(head.deadline).await;
            if let Some(head) = self.head.take() {
                head.fail(&blocked(reason));
            }
        }
    }
}

async fn confirming_channel(session: &Arc<Session>) -> Result<OpenChannel, Fault> {
    let channel = session.channel().await?;
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    ask(session.limit(), || "confirm publications".to_owned(), select).await?;
    Ok(channel)
}

async fn missing_exchanges(session: &Arc<Session>, publications: &[Publication]) -> Result<HashSet<String>, Fault> {
    let (mut seen, mut missing) = (HashSet::new(), HashSet::new());
    for publication in publications {
        let name = publication.exchange.as_str();
        if seen.insert(name) && !session.has_exchange(name).await? {
            missing.insert(name.to_owned());
        }
    }
    Ok(missing)
}

fn body_bytes(request: &Request) -> usize {
    request.publications.iter().map(|publication| publication.body.len()).sum()
}

fn no_confirm(session: &Session, timeout: Duration) -> String {
    match session.blocked() {
        Some(reason) => blocked(&reason),
        None => format!("no confirm within {}s", timeout.as_secs_f32()),
    }
}

fn blocked(reason: &str) -> String {
    format!("the broker takes no publications for now: {reason}")
}

fn answer(callers: Vec<Caller>, outcomes: Vec<Outcome>) {
    let mut outcomes = outcomes.into_iter();
    for caller in callers {
        // Before the answer: who publishes one message after the other finds the lane free and stays on it.
        drop(caller.load);
        // A caller that gave up needs no answer.
        let _ = caller.reply.send(outcomes.by_ref().take(caller.messages).collect());
    }
}
