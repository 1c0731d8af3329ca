//! What all connections share: the names, and the ways between them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use uuid::Uuid;

use super::{
    Limits,
    broadcasts::{Listener, Station},
    content::Content,
    exchange::{Exchange, Mailbox},
    queue::{Dead, Queue},
};
use crate::{
    Binding, BrokerError, Publication, PublishError, Topology,
    fit::{MAX_SHORT_STRING_BYTES, check},
    topology,
};

/// A broker without its connections.
pub(super) struct Server {
    limits: Limits,
    epoch: String,
    directory: RwLock<Directory>,
}

#[derive(Default)]
struct Directory {
    exchanges: HashMap<String, Exchange>,
    /// By queue name: the default exchange.
    mailboxes: HashMap<String, Mailbox>,
}

impl Server {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, epoch: Uuid::now_v7().to_string(), directory: RwLock::default() }
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`crate::Broker::declare`]. What stands before a refused part is declared.
    pub(super) fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        let mut directory = self.write();
        topology.exchanges.iter().try_for_each(|exchange| directory.declare_exchange(exchange))?;
        topology.queues.iter().try_for_each(|queue| directory.declare_queue(queue, self.limits))?;
        topology.bindings.iter().try_for_each(|binding| directory.bind(binding))
    }

    /// Publishes one message.
    pub(super) fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        check(&publication)?;
        let targets = self.read().route(&publication.exchange, &publication.routing_key);
        let Some(targets) = targets.filter(|targets| !(publication.mandatory && targets.is_empty())) else {
            let Publication { exchange, routing_key, .. } = publication;
            return Err(PublishError::Unroutable { exchange, routing_key });
        };
        let content = Arc::new(Content::new(publication));
        let full = targets.iter().filter(|target| target.put(&content).is_err()).count();
        if full == 0 { Ok(()) } else { Err(PublishError::Rejected) }
    }

    /// The queue to consume.
    pub(super) fn queue(&self, name: &str) -> Result<Arc<Queue>, BrokerError> {
        let reason = match self.read().mailboxes.get(name) {
            Some(Mailbox::Queue(queue)) => return Ok(Arc::clone(queue)),
            Some(Mailbox::Listener(_)) => "it belongs to a listener",
            None => "there is no such queue",
        };
        Err(refused(format!("consume queue {name:?}"), reason))
    }

    /// See [`crate::Broker::depth`]. A listener's queue is nobody else's business.
    pub(super) fn depth(&self, name: &str) -> Option<u64> {
        match self.read().mailboxes.get(name)? {
            Mailbox::Queue(queue) => u64::try_from(queue.depth()).ok(),
            Mailbox::Listener(_) => None,
        }
    }

    /// See [`crate::Broker::listen`].
    pub(super) fn listen(self: &Arc<Self>, exchange: &str, routing_key: &str) -> Result<Arc<Station>, BrokerError> {
        let action = || format!("listen to exchange {exchange:?}");
        let listener = Arc::new(Listener::new(format!("listener.{}", Uuid::new_v4()), self.limits.queue_bytes));
        let mut directory = self.write();
        let Some(bound) = directory.exchanges.get_mut(exchange) else {
            return Err(refused(action(), "there is no such exchange"));
        };
        let mailbox = Mailbox::Listener(Arc::clone(&listener));
        bound.bind(routing_key, mailbox.clone());
        directory.mailboxes.insert(listener.queue.clone(), mailbox);
        let (exchange, routing_key) = (exchange.to_owned(), routing_key.to_owned());
        Ok(Arc::new(Station { server: Arc::clone(self), exchange, routing_key, listener }))
    }

    /// Nothing reaches this listener any more.
    pub(super) fn forget(&self, station: &Station) {
        let mut directory = self.write();
        if let Some(exchange) = directory.exchanges.get_mut(&station.exchange) {
            exchange.unbind(&station.routing_key, &Mailbox::Listener(Arc::clone(&station.listener)));
        }
        directory.mailboxes.remove(&station.listener.queue);
    }

    /// Sends what left a queue to its dead letters, with the headers that RabbitMQ would set. Without a way there it is
    /// gone, as with RabbitMQ.
    pub(super) fn bury(&self, queue: &Queue, dead: Vec<Dead>) {
        let Some(exchange) = &queue.dead_letter_exchange else { return };
        for Dead { content, reason } in dead {
            let mut headers = content.properties.headers.clone();
            let first = [("exchange", content.exchange.as_str()), ("queue", queue.name.as_str()), ("reason", reason)];
            for (what, value) in first {
                headers.entry(format!("x-first-death-{what}")).or_insert_with(|| value.to_owned());
            }
            let targets = self.read().route(exchange, &content.routing_key).unwrap_or_default();
            let letter = Arc::new(content.dead(exchange, headers));
            let kept = targets.iter().filter(|target| target.put(&letter).is_ok()).count();
            if kept < targets.len().max(1) {
                let (queue, message_id) = (&queue.name, letter.properties.message_id.as_deref());
                tracing::error!(queue, exchange, reason, message_id, "a dead letter has no place to go and is lost");
            }
        }
    }
}

impl Directory {
    /// Who gets the message; `None`: there is no such exchange.
    fn route(&self, exchange: &str, routing_key: &str) -> Option<Vec<Mailbox>> {
        if exchange.is_empty() {
            return Some(self.mailboxes.get(routing_key).cloned().into_iter().collect());
        }
        Some(self.exchanges.get(exchange)?.route(routing_key))
    }

    fn declare_exchange(&mut self, exchange: &topology::Exchange) -> Result<(), BrokerError> {
        let topology::Exchange { name, kind } = exchange;
        let action = || format!("declare exchange {name:?}");
        check_name(name, action)?;
        match self.exchanges.entry(name.clone()) {
            Entry::Occupied(other) if other.get().kind != *kind => {
                Err(refused(action(), &format!("it is there and is {:?}, not {kind:?}", other.get().kind)))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(place) => {
                place.insert(Exchange::new(*kind));
                Ok(())
            }
        }
    }

    fn declare_queue(&mut self, queue: &topology::Queue, limits: Limits) -> Result<(), BrokerError> {
        let topology::Queue { name, dead_letter_exchange } = queue;
        let action = || format!("declare queue {name:?}");
        check_name(name, action)?;
        match self.mailboxes.entry(name.clone()) {
            Entry::Occupied(other) => match other.get() {
                Mailbox::Queue(other) if other.dead_letter_exchange == *dead_letter_exchange => Ok(()),
                Mailbox::Queue(_) => Err(refused(action(), "it is there, with another dead-letter exchange")),
                Mailbox::Listener(_) => Err(refused(action(), "it belongs to a listener")),
            },
            Entry::Vacant(place) => {
                let queue = Queue::new(name.clone(), dead_letter_exchange.clone(), limits.queue_bytes);
                place.insert(Mailbox::Queue(Arc::new(queue)));
                Ok(())
            }
        }
    }

    fn bind(&mut self, binding: &Binding) -> Result<(), BrokerError> {
        let Binding { queue, exchange, routing_key } = binding;
        let action = || format!("bind queue {queue:?} to exchange {exchange:?}");
        let Some(mailbox) = self.mailboxes.get(queue).cloned() else {
            return Err(refused(action(), "there is no such queue"));
        };
        let Some(exchange) = self.exchanges.get_mut(exchange) else {
            return Err(refused(action(), "there is no such exchange"));
        };
        exchange.bind(routing_key, mailbox);
        Ok(())
    }
}

fn check_name(name: &str, action: impl Fn() -> String) -> Result<(), BrokerError> {
    match name.len() {
        0 => Err(refused(action(), "it has no name")),
        1..=MAX_SHORT_STRING_BYTES => Ok(()),
        length => Err(refused(action(), &format!("its name has {length} bytes, and at most 255 are possible"))),
    }
}

fn refused(action: String, reason: &str) -> BrokerError {
    BrokerError::Refused { action, reason: reason.to_owned() }
}
