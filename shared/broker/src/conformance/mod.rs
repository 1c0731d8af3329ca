//! What every implementation of [`Broker`] must do, as tests.
//!
//! An implementation provides a [`Fixture`] and gets one `#[tokio::test]` per case by [`conformance_tests!`]. A case
//! makes its own exchanges and queues under names of its own, so cases may share a broker.
//!
//! [`conformance_tests!`]: crate::conformance_tests

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod consuming;
mod dying;
mod listening;
mod pausing;
mod publishing;
mod routing;
mod sharing;
mod whole;

pub use consuming::*;
pub use dying::*;
pub use listening::*;
pub use pausing::*;
pub use publishing::*;
pub use routing::*;
pub use sharing::*;
pub use whole::*;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Binding, Broadcasts, Broker, Deliveries, Delivery, Exchange, ExchangeKind, Heard, Properties, Publication, Queue,
    Topology,
};

/// How long a case waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a case gets its brokers from.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Another connection to the same broker.
    async fn connect(&self) -> Arc<dyn Broker>;
}

/// Makes a `#[tokio::test]` of each case. `$fixture` is an async function without arguments that returns a [`Fixture`].
///
/// [`Fixture`]: crate::conformance::Fixture
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:path) => {
        $crate::conformance_tests!(@each $fixture;
            published_in_order
            each_message_has_its_outcome
            optional_to_nobody_is_ok
            a_missing_exchange_harms_nobody_else
            an_unfit_message_harms_nobody_else
            nothing_to_publish
            properties_round_trip
            timestamps_are_whole_seconds
            many_publish_at_once
            ack_removes
            what_strangers_write_is_consumed_as_all_else
            give_back_redelivers
            dead_letter_lands_in_the_dead_queue
            settling_side_by_side_settles_no_other
            ack_through_acknowledges_all_before
            settling_twice_is_refused
            prefetch_bounds_the_unsettled
            two_consumers_share
            dropped_deliveries_go_back
            a_dropped_next_loses_nothing
            a_settler_settles_from_another_task
            a_missing_queue_cannot_be_consumed
            pause_gives_the_buffer_back
            resume_goes_on
            a_pause_lets_off_what_was_handed_out
            consumers_take_turns
            what_is_given_back_comes_first
            closing_one_connection_leaves_the_others
            churn_loses_and_doubles_nothing
            dead_letters_say_where_they_come_from
            the_first_death_is_kept
            without_dead_letters_the_rejected_is_gone
            endless_give_backs_end_in_the_dead_letters
            topic_patterns_route
            direct_keys_route
            fanout_reaches_every_queue
            the_default_exchange_knows_queues_by_name
            every_listener_hears_broadcasts
            one_listener_hears_what_is_sent_to_it
            a_listener_that_is_gone_has_no_queue
            a_missing_exchange_cannot_be_listened_to
            depth_counts_what_waits
            declaring_twice_is_fine
            another_declaration_is_refused
            what_cannot_be_declared_is_refused
            the_epoch_is_stable
            readers_of_the_epoch_agree
            a_round_trip_is_answered
            close_ends_the_streams
        );
    };
    (@each $fixture:path; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $fixture().await;
            $crate::conformance::$case(&fixture).await;
        }
    )*};
}

/// A queue of a case: bound to a direct exchange by its own name, with dead letters.
struct Place {
    queue: String,
    exchange: String,
    dead: String,
}

impl Place {
    /// Declares everything anew.
    async fn declare(broker: &Arc<dyn Broker>) -> Self {
        let place = Self::unique();
        broker.declare(&place.topology()).await.unwrap();
        place
    }

    fn unique() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self { queue: format!("c.{id}"), exchange: format!("c.{id}.exchange"), dead: format!("c.{id}.dead") }
    }

    fn topology(&self) -> Topology {
        let Self { queue, exchange, dead } = self;
        let bound = |queue: &String, exchange: &String, routing_key: &str| Binding {
            queue: queue.clone(),
            exchange: exchange.clone(),
            routing_key: routing_key.to_owned(),
        };
        Topology {
            exchanges: vec![
                Exchange { name: exchange.clone(), kind: ExchangeKind::Direct },
                Exchange { name: dead.clone(), kind: ExchangeKind::Fanout },
            ],
            queues: vec![
                Queue { name: queue.clone(), dead_letter_exchange: Some(dead.clone()) },
                Queue { name: dead.clone(), dead_letter_exchange: None },
            ],
            bindings: vec![bound(queue, exchange, queue), bound(dead, dead, "")],
        }
    }

    /// A publication to the queue, by the exchange.
    fn message(&self, body: impl ToString) -> Publication {
        Publication {
            exchange: self.exchange.clone(),
            routing_key: self.queue.clone(),
            body: body.to_string().into(),
            properties: Properties { message_id: Some(Uuid::new_v4().to_string()), ..Properties::default() },
            mandatory: true,
        }
    }

    fn messages(&self, count: usize) -> Vec<Publication> {
        (0..count).map(|number| self.message(number)).collect()
    }

    /// Publishes that many messages, whose bodies are their numbers.
    async fn fill(&self, broker: &Arc<dyn Broker>, count: usize) {
        publish_all(broker, self.messages(count)).await;
    }
}

/// A name of its own for each call.
fn unique(what: &str) -> String {
    format!("c.{}.{what}", Uuid::new_v4().simple())
}

/// Declares a fanout exchange; its name.
async fn fanout(broker: &Arc<dyn Broker>) -> String {
    let name = unique("fanout");
    let exchanges = vec![Exchange { name: name.clone(), kind: ExchangeKind::Fanout }];
    broker.declare(&Topology { exchanges, ..Topology::default() }).await.unwrap();
    name
}

/// A message that need not arrive.
fn to(exchange: &str, routing_key: &str, body: &str) -> Publication {
    Publication {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        body: body.to_owned().into(),
        properties: Properties::default(),
        mandatory: false,
    }
}

async fn publish_all(broker: &Arc<dyn Broker>, publications: Vec<Publication>) {
    for outcome in broker.publish(publications).await {
        outcome.unwrap();
    }
}

/// What must happen, or the case fails.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen in time")
}

async fn next(deliveries: &mut Box<dyn Deliveries>) -> Delivery {
    soon(deliveries.next()).await.expect("the stream ended")
}

async fn next_bodies(deliveries: &mut Box<dyn Deliveries>, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(text(&next(deliveries).await));
    }
    bodies
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.body.to_vec()).unwrap()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn counted(bodies: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for body in bodies {
        *counts.entry(body).or_default() += 1;
    }
    counts
}

/// Waits until so many messages wait in the queue. Brokers count with a delay.
async fn wait_for_depth(broker: &Arc<dyn Broker>, queue: &str, expected: u64) {
    let mut last = None;
    let reached = async {
        while last != Some(expected) {
            last = broker.depth(queue).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        panic!("the depth of {queue} is {last:?}, not {expected}");
    }
}

async fn heard(broadcasts: &mut Box<dyn Broadcasts>) -> Heard {
    soon(broadcasts.next()).await.expect("the stream ended")
}

/// The queue of a listener that has just begun.
async fn listening(broadcasts: &mut Box<dyn Broadcasts>) -> String {
    match heard(broadcasts).await {
        Heard::Listening { queue } => queue,
        Heard::Message(message) => panic!("heard {message:?} before it listens"),
    }
}

async fn heard_body(broadcasts: &mut Box<dyn Broadcasts>) -> String {
    match heard(broadcasts).await {
        Heard::Message(message) => text(&message),
        Heard::Listening { .. } => panic!("listens again without a break"),
    }
}
