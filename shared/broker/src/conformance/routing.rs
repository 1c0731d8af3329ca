//! Who gets what is published.

use std::sync::Arc;

use super::{Fixture, Place, fanout, heard_body, listening, next, next_bodies, publish_all, to, unique};
use crate::{
    Binding, Broker, BrokerError, Deliveries, Exchange, ExchangeKind, Publication, PublishError, Queue, Settle,
    Topology,
};

/// Declares a queue for each list of keys, bound by all of them, and consumes them.
async fn bound(broker: &Arc<dyn Broker>, exchange: &str, keys: &[&[&str]]) -> Vec<Box<dyn Deliveries>> {
    let mut streams = Vec::new();
    for keys in keys {
        let queue = unique("queue");
        let binding = |key: &&str| Binding {
            queue: queue.clone(),
            exchange: exchange.to_owned(),
            routing_key: (*key).to_owned(),
        };
        let topology = Topology {
            queues: vec![Queue { name: queue.clone(), dead_letter_exchange: None }],
            bindings: keys.iter().map(binding).collect(),
            ..Topology::default()
        };
        broker.declare(&topology).await.unwrap();
        streams.push(broker.consume(&queue, 100).await.unwrap());
    }
    streams
}

/// Publishes each key as a message's key and body, then a last message to every queue.
async fn publish_keys(broker: &Arc<dyn Broker>, exchange: &str, keys: &[&str], last: &str) {
    publish_all(broker, keys.iter().map(|key| to(exchange, key, key)).collect()).await;
    publish_all(broker, vec![to(exchange, last, "last")]).await;
}

async fn bodies_until_last(deliveries: &mut Box<dyn Deliveries>) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.last().is_none_or(|body| body != "last") {
        bodies.extend(next_bodies(deliveries, 1).await);
    }
    bodies.pop();
    bodies
}

/// A topic exchange routes by patterns: `*` is one word, `#` any number, and two that match bring one copy.
pub async fn topic_patterns_route(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let exchange = unique("topic");
    let exchanges = vec![Exchange { name: exchange.clone(), kind: ExchangeKind::Topic }];
    broker.declare(&Topology { exchanges, ..Topology::default() }).await.unwrap();
    // Every queue is bound by `last` as well.
    let patterns: [&[&str]; 7] = [
        &["last", "job.*.import"],
        &["last", "job.#"],
        &["last", "#"],
        &["last", "#.import"],
        &["last", "*", "*.#.import"],
        &["last", "job.#.a.#"],
        &["last", ""],
    ];
    let mut streams = bound(&broker, &exchange, &patterns).await;
    let mut heard = broker.listen(&exchange, "job.failed.*").await.unwrap();
    listening(&mut heard).await;
    let keys = ["job", "job.failed.import", "job.a.b.import", "import", "jobs.import", "", "job.failed.x"];
    publish_keys(&broker, &exchange, &keys, "last").await;
    let expected: [&[&str]; 7] = [
        &["job.failed.import"],
        &["job", "job.failed.import", "job.a.b.import", "job.failed.x"],
        &keys,
        &["job.failed.import", "job.a.b.import", "import", "jobs.import"],
        &["job", "job.failed.import", "job.a.b.import", "import", "jobs.import"],
        &["job.a.b.import"],
        &[""],
    ];
    for ((stream, expected), patterns) in streams.iter_mut().zip(expected).zip(patterns) {
        assert_eq!(bodies_until_last(stream).await, expected, "{patterns:?}");
    }
    assert_eq!(heard_body(&mut heard).await, "job.failed.import");
    assert_eq!(heard_body(&mut heard).await, "job.failed.x");
}

/// A direct exchange routes by the whole key: one queue by several keys, several queues by one.
pub async fn direct_keys_route(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let keys: [&[&str]; 3] = [&["a", "last"], &["a", "b", "last"], &["a.*", "last"]];
    let mut streams = bound(&broker, &place.exchange, &keys).await;
    publish_keys(&broker, &place.exchange, &["a", "b", "a.b", "#"], "last").await;
    let expected: [&[&str]; 3] = [&["a"], &["a", "b"], &[]];
    for (stream, expected) in streams.iter_mut().zip(expected) {
        assert_eq!(bodies_until_last(stream).await, expected);
    }
}

/// A fanout exchange reaches every queue, whatever the key; each settles its own copy.
pub async fn fanout_reaches_every_queue(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let exchange = fanout(&broker).await;
    let mut streams = bound(&broker, &exchange, &[&[""], &["some key"], &["a", "b"]]).await;
    publish_all(&broker, vec![Publication { mandatory: true, ..to(&exchange, "a", "1") }]).await;
    publish_all(&broker, vec![to(&exchange, "else", "2")]).await;
    let first = next(&mut streams[0]).await;
    assert!(streams[0].settle(first.tag, Settle::GiveBack).await);
    for stream in &mut streams[1..] {
        assert_eq!(next_bodies(stream, 2).await, ["1", "2"]);
    }
    let mut rest = next_bodies(&mut streams[0], 2).await;
    rest.sort_unstable();
    assert_eq!(rest, ["1", "2"]);
}

/// The default exchange reaches every queue by its name, bound or not.
pub async fn the_default_exchange_knows_queues_by_name(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mandatory = |queue: &str| Publication { mandatory: true, ..to("", queue, "x") };
    let outcomes = broker.publish(vec![mandatory(&place.dead), mandatory("no such queue"), to("", "none", "x")]).await;
    let unroutable = PublishError::Unroutable { exchange: String::new(), routing_key: "no such queue".to_owned() };
    assert_eq!(outcomes, [Ok(()), Err(unroutable), Ok(())]);
    let mut dead = broker.consume(&place.dead, 1).await.unwrap();
    let delivery = next(&mut dead).await;
    assert_eq!((delivery.exchange.as_str(), delivery.routing_key), ("", place.dead));
}

/// An exchange of another kind, and a binding of what is not there, are refused, by name.
pub async fn what_cannot_be_declared_is_refused(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let kind = vec![Exchange { name: place.exchange.clone(), kind: ExchangeKind::Topic }];
    let binding = |queue: &str, exchange: &str| {
        vec![Binding { queue: queue.to_owned(), exchange: exchange.to_owned(), routing_key: String::new() }]
    };
    let long = vec![Queue { name: "q".repeat(256), dead_letter_exchange: None }];
    let base = Topology::default;
    for (topology, name) in [
        (Topology { exchanges: kind, ..base() }, place.exchange.as_str()),
        (Topology { bindings: binding("no such queue", &place.exchange), ..base() }, "no such queue"),
        (Topology { bindings: binding(&place.queue, "no such exchange"), ..base() }, "no such exchange"),
        (Topology { queues: long, ..base() }, "qqqqqqqq"),
    ] {
        match broker.declare(&topology).await {
            Err(BrokerError::Refused { action, .. }) => assert!(action.contains(name), "{action}"),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    place.fill(&broker, 1).await;
}
