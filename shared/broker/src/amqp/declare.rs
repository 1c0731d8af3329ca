//! Declaring the topology, and again after each reconnect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    fault::{Fault, ask, short},
    session::Session,
};
use crate::{Binding, Exchange, ExchangeKind, Queue, Topology, topology::DELIVERY_LIMIT};

/// What was declared on this broker; a connection begins with declaring it again.
#[derive(Default)]
pub(super) struct Declared(Mutex<Topology>);

impl Declared {
    fn lock(&self) -> MutexGuard<'_, Topology> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what has been declared.
    pub(super) fn remember(&self, topology: &Topology) {
        let mut all = self.lock();
        add_missing(&mut all.exchanges, &topology.exchanges);
        add_missing(&mut all.queues, &topology.queues);
        add_missing(&mut all.bindings, &topology.bindings);
    }

    /// Declares everything again. What the broker refuses is reported and left out: it harms itself only.
    pub(super) async fn restore(&self, session: &Arc<Session>) -> Result<(), Fault> {
        let all = self.lock().clone();
        restore(session, all).await
    }

    /// Declares one queue again, with what it is bound to. Whether it was declared here before.
    pub(super) async fn restore_queue(&self, session: &Arc<Session>, name: &str) -> Result<bool, Fault> {
        let part = {
            let all = self.lock();
            let bindings: Vec<Binding> = all.bindings.iter().filter(|binding| binding.queue == name).cloned().collect();
            let bound = |exchange: &&Exchange| bindings.iter().any(|binding| binding.exchange == exchange.name);
            Topology {
                exchanges: all.exchanges.iter().filter(bound).cloned().collect(),
                queues: all.queues.iter().filter(|queue| queue.name == name).cloned().collect(),
                bindings,
            }
        };
        let known = !part.queues.is_empty();
        restore(session, part).await.map(|()| known)
    }
}

async fn restore(session: &Arc<Session>, topology: Topology) -> Result<(), Fault> {
    let mut step = 0;
    loop {
        match declare_from(session, &topology, &mut step).await {
            Err(Fault::Refused { action, reason, .. }) => {
                tracing::warn!(action, reason, "the broker refused a part of the topology");
                step += 1;
            }
            outcome => return outcome,
        }
    }
}

fn add_missing<T: Clone + PartialEq>(all: &mut Vec<T>, new: &[T]) {
    for item in new {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
}

/// Declares exchanges, queues and bindings, in this order.
pub(super) async fn declare(session: &Arc<Session>, topology: &Topology) -> Result<(), Fault> {
    declare_from(session, topology, &mut 0).await
}

/// Declares all from the given step on; on a refusal `step` is the one that was refused.
async fn declare_from(session: &Arc<Session>, topology: &Topology, step: &mut usize) -> Result<(), Fault> {
    let Topology { exchanges, queues, bindings } = topology;
    if *step >= exchanges.len() + queues.len() + bindings.len() {
        return Ok(());
    }
    let channel = session.channel().await?;
    for exchange in exchanges.iter().skip(*step) {
        declare_exchange(session, &channel, exchange).await?;
        *step += 1;
    }
    for queue in queues.iter().skip(*step - exchanges.len()) {
        declare_queue(session, &channel, queue).await?;
        *step += 1;
    }
    for binding in bindings.iter().skip(*step - exchanges.len() - queues.len()) {
        declare_binding(session, &channel, binding).await?;
        *step += 1;
    }
    channel.close().await;
    Ok(())
}

async fn declare_exchange(session: &Arc<Session>, channel: &Channel, exchange: &Exchange) -> Result<(), Fault> {
    let kind = match exchange.kind {
        ExchangeKind::Direct => lapin::ExchangeKind::Direct,
        ExchangeKind::Fanout => lapin::ExchangeKind::Fanout,
        ExchangeKind::Topic => lapin::ExchangeKind::Topic,
    };
    // Durable: it outlives the broker's restart, as the queues do.
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let name = &exchange.name;
    let declaration = channel.exchange_declare(short(name)?, kind, options, FieldTable::default());
    ask(session.limit(), || format!("declare exchange {name:?}"), declaration).await?;
    session.saw_exchange(name);
    Ok(())
}

async fn declare_queue(session: &Arc<Session>, channel: &Channel, queue: &Queue) -> Result<(), Fault> {
    declare_quorum_queue(session, channel, &queue.name, DELIVERY_LIMIT, queue.dead_letter_exchange.as_deref()).await
}

/// Declares a durable quorum queue with the arguments that every RabbitMQ from 3.10 to 4.x knows; what else a
/// deployment wants (lengths, expiry, group sizes) is set by policy.
pub(super) async fn declare_quorum_queue(
    session: &Arc<Session>,
    channel: &Channel,
    name: &str,
    delivery_limit: i32,
    dead_letter_exchange: Option<&str>,
) -> Result<(), Fault> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(delivery_limit));
    if let Some(exchange) = dead_letter_exchange {
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(exchange.into()));
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declaration = channel.queue_declare(short(name)?, options, arguments);
    ask(session.limit(), || format!("declare queue {name:?}"), declaration).await.map(|_| ())
}

async fn declare_binding(session: &Arc<Session>, channel: &Channel, binding: &Binding) -> Result<(), Fault> {
    let Binding { queue, exchange, routing_key } = binding;
    let bind = channel.queue_bind(
        short(queue)?,
        short(exchange)?,
        short(routing_key)?,
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    ask(session.limit(), || format!("bind queue {queue:?} to exchange {exchange:?}"), bind).await
}
