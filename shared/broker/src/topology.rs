//! The topology as data: what is declared stands here and nowhere else.

use drover_protocol::{JobType, Names};

/// Exchanges, queues and bindings to declare, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The bindings.
    pub bindings: Vec<Binding>,
}

/// A durable exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeKind,
}

/// How an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By the exact routing key.
    Direct,
    /// To every bound queue.
    Fanout,
    /// By patterns of the routing key.
    Topic,
}

/// A quorum queue: replicated and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Where rejected messages go.
    pub dead_letter_exchange: Option<String>,
}

/// How often a message of a queue is given back before it goes to the dead letters instead.
///
/// Only a back-stop: attempts are counted by the orchestrator. Up to RabbitMQ 4.2 each give-back counts, and a busy
/// fleet gives a message back a few times per change of hands, so it must be high. It must not be endless, because a
/// message that no client can decode breaks the connection at each delivery (see [`crate::Broker::consume_apart`]). The broker's own default is 20 from 4.0
/// on and none before; one number makes them alike.
pub(crate) const DELIVERY_LIMIT: i32 = 1_000;

/// A queue bound to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The queue.
    pub queue: String,
    /// The exchange.
    pub exchange: String,
    /// The routing key or pattern.
    pub routing_key: String,
}

impl Topology {
    /// What the orchestrator declares at its start: all but the queues of the job types.
    #[must_use]
    pub fn base(names: &Names) -> Self {
        let exchange = |name: String, kind| Exchange { name, kind };
        let dead = Some(names.dead());
        let inbox = |name: String| Queue { name, dead_letter_exchange: dead.clone() };
        let by_name = |queue: String| Binding { exchange: names.events_exchange(), routing_key: queue.clone(), queue };
        Self {
            exchanges: vec![
                exchange(names.dead(), ExchangeKind::Fanout),
                exchange(names.jobs_exchange(), ExchangeKind::Direct),
                exchange(names.events_exchange(), ExchangeKind::Direct),
                exchange(names.control_exchange(), ExchangeKind::Fanout),
                exchange(names.notifications_exchange(), ExchangeKind::Topic),
                exchange(names.submit_exchange(), ExchangeKind::Fanout),
            ],
            queues: vec![
                Queue { name: names.dead(), dead_letter_exchange: None },
                inbox(names.events_queue()),
                inbox(names.heartbeats_queue()),
                inbox(names.logs_queue()),
                inbox(names.submit_queue()),
            ],
            bindings: vec![
                Binding { queue: names.dead(), exchange: names.dead(), routing_key: String::new() },
                by_name(names.events_queue()),
                by_name(names.heartbeats_queue()),
                by_name(names.logs_queue()),
                Binding { queue: names.submit_queue(), exchange: names.submit_exchange(), routing_key: String::new() },
            ],
        }
    }

    /// The queues of job types.
    #[must_use]
    pub fn job_queues<'a>(names: &Names, types: impl IntoIterator<Item = &'a JobType>) -> Self {
        let types: Vec<&JobType> = types.into_iter().collect();
        let queue =
            |job_type: &&JobType| Queue { name: names.jobs_queue(job_type), dead_letter_exchange: Some(names.dead()) };
        let binding = |job_type: &&JobType| Binding {
            queue: names.jobs_queue(job_type),
            exchange: names.jobs_exchange(),
            routing_key: job_type.to_string(),
        };
        Self {
            exchanges: Vec::new(),
            queues: types.iter().map(queue).collect(),
            bindings: types.iter().map(binding).collect(),
        }
    }
}
