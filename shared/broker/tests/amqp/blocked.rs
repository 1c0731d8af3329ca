//! A broker with a resource alarm: it blocks the connections that publish.

use std::{sync::Arc, time::Duration};

use drover_broker::{
    Broker, PublishError, Settle,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_tests::{Mode, Proxy, Vhost};

use crate::site::{QUEUE, config, message, next, number, publish_surely, soon, topology, wait_until_ready};

/// A real broker waives the heartbeats of a client that it has blocked; the one behind the proxy knows of nothing. One
/// lane, so that its channel is open already.
fn patient(url: &str) -> AmqpConfig {
    AmqpConfig { heartbeat: Duration::from_secs(20), publish_lanes: 1, ..config(url) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_blocked_nothing_is_published_later_unasked_and_consuming_goes_on() {
    let vhost = Vhost::create().await.unwrap();
    let proxy = Proxy::amqp(vhost.url()).await.unwrap();
    let broker = AmqpBroker::connect(patient(&proxy.url(vhost.url()))).await.unwrap();
    broker.declare(&topology()).await.unwrap();
    for number in 0..10 {
        publish_surely(&broker, message(number)).await;
    }
    let mut deliveries = broker.consume(QUEUE, 1).await.unwrap();
    assert!(broker.is_ready());
    proxy.set(Mode::Blocked);
    wait_until_ready(&broker, false).await;

    let outcomes = broker.publish(vec![message(100), message(101)]).await;
    for outcome in outcomes {
        let Err(PublishError::Unconfirmed { reason }) = outcome else { panic!("it was blocked: {outcome:?}") };
        assert!(reason.contains("low"), "{reason}");
    }
    // Acknowledgements go through: with a prefetch of one, each delivery needs the one before.
    for expected in 0..10 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery), expected);
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }

    let waiting = Arc::clone(&broker);
    let waiting = tokio::spawn(async move { waiting.publish(vec![message(200)]).await });
    proxy.set(Mode::Open);
    wait_until_ready(&broker, true).await;
    assert_eq!(soon(waiting).await.unwrap(), [Ok(())]);
    publish_surely(&broker, message(201)).await;
    // What was given up while blocked was never handed over, so it does not come now.
    for expected in [200, 201] {
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery), expected);
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_under_way_arrives_once_and_the_connection_stays() {
    let vhost = Vhost::create().await.unwrap();
    let proxy = Proxy::amqp(vhost.url()).await.unwrap();
    let broker = AmqpBroker::connect(patient(&proxy.url(vhost.url()))).await.unwrap();
    broker.declare(&topology()).await.unwrap();
    publish_surely(&broker, message(0)).await;

    // Frozen first, so that the batch is on its way when the news comes that the connection is blocked.
    proxy.set(Mode::Frozen);
    let under_way = Arc::clone(&broker);
    let under_way = tokio::spawn(async move { under_way.publish((1..=50).map(message).collect()).await });
    soon(proxy.holds(1_000)).await;
    proxy.set(Mode::Blocked);
    let outcomes = soon(under_way).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(PublishError::Unconfirmed { .. }))), "{outcomes:?}");
    // More callers come while the batch hangs, and are sent away at their deadline.
    for outcome in soon(broker.publish(vec![message(100)])).await {
        assert!(matches!(outcome, Err(PublishError::Unconfirmed { .. })), "{outcome:?}");
    }

    proxy.set(Mode::Open);
    wait_until_ready(&broker, true).await;
    publish_surely(&broker, message(200)).await;
    let mut deliveries = broker.consume(QUEUE, 100).await.unwrap();
    let mut numbers = Vec::new();
    while !numbers.contains(&200) {
        numbers.push(number(&next(&mut deliveries).await));
    }
    numbers.sort_unstable();
    let expected: Vec<usize> = (0..=50).chain([200]).collect();
    assert_eq!(numbers, expected);
}
