//! What only the broker in this process promises: its bounds, its epoch, its handles.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use drover_broker::{
    Binding, Broadcasts, Broker, BrokerError, Deliveries, Exchange, ExchangeKind, Heard, Properties, Publication,
    PublishError, Queue, Settle, Topology,
    memory::{Limits, MemoryBroker},
};
use tokio::time::timeout;

/// Room for three messages of [`BODY_BYTES`], with the KiB that each counts for besides.
const LIMITS: Limits = Limits { queue_bytes: 3 * (BODY_BYTES + 1024) };
const BODY_BYTES: usize = 1_000;
const FULL: Result<(), PublishError> = Err(PublishError::Rejected);

fn message(exchange: &str, routing_key: &str) -> Publication {
    Publication {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        body: vec![b'x'; BODY_BYTES].into(),
        properties: Properties::default(),
        mandatory: true,
    }
}

/// The queues `jobs` and `dead`, both bound to the fanout exchange `all`; `jobs` dead-letters to `grave`, that is to `dead`.
async fn broker() -> Arc<MemoryBroker> {
    let broker = MemoryBroker::with_limits(LIMITS);
    let fanout = |name: &str| Exchange { name: name.to_owned(), kind: ExchangeKind::Fanout };
    let binding = |exchange: &str, queue: &str| Binding {
        queue: queue.to_owned(),
        exchange: exchange.to_owned(),
        routing_key: String::new(),
    };
    let topology = Topology {
        exchanges: vec![fanout("all"), fanout("grave")],
        queues: vec![
            Queue { name: "jobs".into(), dead_letter_exchange: Some("grave".into()) },
            Queue { name: "dead".into(), dead_letter_exchange: None },
        ],
        bindings: vec![binding("all", "jobs"), binding("all", "dead"), binding("grave", "dead")],
    };
    broker.declare(&topology).await.unwrap();
    broker
}

async fn next(deliveries: &mut Box<dyn Deliveries>) -> drover_broker::Delivery {
    timeout(Duration::from_secs(10), deliveries.next()).await.expect("it comes").expect("the stream goes on")
}

async fn heard(broadcasts: &mut Box<dyn Broadcasts>) -> Heard {
    timeout(Duration::from_secs(10), broadcasts.next()).await.expect("it comes").expect("the stream goes on")
}

#[tokio::test]
async fn a_full_queue_takes_no_more_until_something_of_it_is_settled() {
    let broker = broker().await;
    assert_eq!(broker.publish(vec![message("", "jobs"); 4]).await, [Ok(()), Ok(()), Ok(()), FULL]);
    let mut deliveries = broker.consume("jobs", 10).await.unwrap();
    let first = next(&mut deliveries).await;
    assert_eq!(broker.publish(vec![message("", "jobs")]).await, [FULL], "what is unsettled is held, too");
    assert!(deliveries.settle(first.tag, Settle::GiveBack).await);
    assert_eq!(broker.publish(vec![message("", "jobs")]).await, [FULL]);
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    assert_eq!(broker.publish(vec![message("", "jobs"); 2]).await, [Ok(()), FULL]);
    let (_, last) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert!(deliveries.ack_through(last.tag).await);
    assert_eq!(broker.publish(vec![message("", "jobs"); 3]).await, [Ok(()), Ok(()), FULL]);
    assert!(broker.is_ready(), "other queues have room");
    assert_eq!(broker.publish(vec![message("", "dead")]).await, [Ok(())]);
}

#[tokio::test]
async fn one_full_queue_of_several_rejects_and_the_others_have_it() {
    let broker = broker().await;
    assert_eq!(broker.publish(vec![message("", "jobs"); 3]).await, vec![Ok(()); 3]);
    assert_eq!(broker.publish(vec![message("all", "")]).await, [FULL]);
    assert_eq!((broker.depth("jobs").await.unwrap(), broker.depth("dead").await.unwrap()), (Some(3), Some(1)));
}

#[tokio::test]
async fn headers_count_and_so_does_a_message_of_nothing() {
    let broker = broker().await;
    let headers = [("h".to_owned(), "x".repeat(2 * BODY_BYTES))].into();
    let heavy = Publication { properties: Properties { headers, ..Properties::default() }, ..message("", "jobs") };
    assert_eq!(broker.publish(vec![heavy; 2]).await, [Ok(()), FULL]);
    let empty = Publication { body: bytes::Bytes::new(), ..message("", "dead") };
    let outcomes = broker.publish(vec![empty; 100]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), LIMITS.queue_bytes / 1024);
}

#[tokio::test]
async fn a_dead_letter_makes_room_where_it_was_and_is_bounded_where_it_goes() {
    let broker = broker().await;
    let mut deliveries = broker.consume("jobs", 1).await.unwrap();
    for _ in 0..10 {
        assert_eq!(broker.publish(vec![message("", "jobs")]).await, [Ok(())]);
        let delivery = next(&mut deliveries).await;
        assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);
    }
    // Headers that say why make them a little larger.
    assert_eq!(broker.depth("dead").await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_listener_that_does_not_keep_up_begins_anew_and_stops_nobody() {
    let broker = broker().await;
    let mut slow = broker.listen("all", "").await.unwrap();
    let Heard::Listening { queue } = heard(&mut slow).await else { panic!("it listens first") };
    let mut keen = broker.listen("all", "").await.unwrap();
    assert!(matches!(heard(&mut keen).await, Heard::Listening { .. }));
    let drain = async |name: &str| {
        let mut deliveries = broker.consume(name, 10).await.unwrap();
        let last = next(&mut deliveries).await;
        assert!(deliveries.ack_through(last.tag).await);
    };
    for number in 0..8 {
        let numbered = Publication { body: format!("{number:01000}").into(), ..message("all", "") };
        assert_eq!(broker.publish(vec![numbered]).await, [Ok(())]);
        assert!(matches!(heard(&mut keen).await, Heard::Message(_)));
        drain("jobs").await;
        drain("dead").await;
    }
    // 0 to 2 gave way to 3 to 5, and those to 6 and 7.
    assert!(matches!(heard(&mut slow).await, Heard::Listening { queue: again } if again == queue));
    for number in 6..8 {
        let Heard::Message(message) = heard(&mut slow).await else { panic!("it listens already") };
        assert_eq!(message.body, format!("{number:01000}"));
    }
    assert_eq!(broker.publish(vec![message("", &queue)]).await, [Ok(())], "its queue is still its own");
    assert!(matches!(heard(&mut slow).await, Heard::Message(_)));
}

#[tokio::test]
async fn every_start_has_an_epoch_of_its_own() {
    let (one, two) = (MemoryBroker::new(), MemoryBroker::new());
    let epoch = one.epoch().await.unwrap();
    assert_eq!(one.connect().epoch().await.unwrap(), epoch);
    assert_ne!(two.epoch().await.unwrap(), epoch);
    one.close().await;
    assert!(matches!(one.epoch().await, Err(BrokerError::Closed)));
}

#[tokio::test]
async fn a_handle_that_is_dropped_ends_its_streams_and_the_broker_lives_on() {
    let broker = broker().await;
    let other = broker.connect();
    assert_eq!(broker.publish(vec![message("", "jobs")]).await, [Ok(())]);
    let mut deliveries = broker.consume("jobs", 1).await.unwrap();
    let held = next(&mut deliveries).await;
    drop(broker);
    assert!(deliveries.next().await.is_none());
    assert!(!deliveries.settle(held.tag, Settle::Ack).await);
    assert_eq!(other.depth("jobs").await.unwrap(), Some(1));
    assert!(matches!(deliveries.resume().await, Err(BrokerError::Closed)));
}

#[tokio::test]
async fn a_listeners_queue_is_nobody_elses() {
    let broker = broker().await;
    let mut broadcasts = broker.listen("all", "").await.unwrap();
    let Heard::Listening { queue } = heard(&mut broadcasts).await else { panic!("it listens first") };
    assert!(matches!(broker.consume(&queue, 1).await.err(), Some(BrokerError::Refused { .. })));
    let queues = vec![Queue { name: queue.clone(), dead_letter_exchange: None }];
    assert!(matches!(
        broker.declare(&Topology { queues, ..Topology::default() }).await,
        Err(BrokerError::Refused { .. })
    ));
    assert_eq!(broker.depth(&queue).await.unwrap(), None);
}

/// A task that finds work at once again and again must not keep the others of its thread from running.
#[tokio::test(flavor = "current_thread")]
async fn busy_streams_let_other_tasks_run() {
    let broker = MemoryBroker::new();
    let queues = vec![Queue { name: "jobs".into(), dead_letter_exchange: None }];
    broker.declare(&Topology { queues, ..Topology::default() }).await.unwrap();
    let other = tokio::spawn(async {});
    let mut deliveries = broker.consume("jobs", 1).await.unwrap();
    // Far more than a task may do at a stretch.
    for _ in 0..10_000 {
        assert_eq!(broker.publish(vec![message("", "jobs")]).await, [Ok(())]);
        let delivery = next(&mut deliveries).await;
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
    assert!(other.is_finished());
}
