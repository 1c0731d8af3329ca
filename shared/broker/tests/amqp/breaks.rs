//! Connections that the broker closes, queues that somebody deletes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use drover_broker::{Broker, PublishError, Settle, amqp::AmqpBroker};
use drover_tests::wait::{self, Seen};
use tokio::task::JoinSet;

use crate::site::{
    EXCHANGE, PATIENCE, QUEUE, Site, config, listening, message, next, number, publish_surely, soon, topology,
};

const TASKS: usize = 8;

/// Publishes numbers, each until it is confirmed, while `going`; returns how many.
async fn publish_numbers(broker: Arc<AmqpBroker>, task: usize, going: Arc<AtomicBool>) -> BTreeSet<usize> {
    let mut confirmed = BTreeSet::new();
    let mut next = task;
    while going.load(Ordering::SeqCst) {
        let batch: Vec<usize> = (0..20).map(|step| next + step * TASKS).collect();
        next += 20 * TASKS;
        let mut open = batch;
        while !open.is_empty() {
            let outcomes = broker.publish(open.iter().map(|number| message(*number)).collect()).await;
            let mut again = Vec::new();
            for (number, outcome) in open.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => _ = confirmed.insert(number),
                    Err(PublishError::Unconfirmed { .. }) => again.push(number),
                    Err(error) => panic!("{error}"),
                }
            }
            open = again;
        }
    }
    confirmed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forced_closes_lose_no_confirmed_message() {
    let site = Site::new().await;
    let going = Arc::new(AtomicBool::new(true));
    let mut publishers = JoinSet::new();
    for task in 0..TASKS {
        publishers.spawn(publish_numbers(Arc::clone(&site.broker), task, Arc::clone(&going)));
    }
    let mut deliveries = site.broker.consume(QUEUE, 100).await.unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    let consumer = tokio::spawn(async move {
        let mut numbers = BTreeSet::new();
        while let Some(mut last) = deliveries.next().await {
            numbers.insert(number(&last));
            while let Some(delivery) = deliveries.try_next() {
                numbers.insert(number(&delivery));
                last = delivery;
            }
            // `false`: the connection is gone, and they come again.
            deliveries.ack_through(last.tag).await;
            count.store(numbers.len(), Ordering::SeqCst);
        }
        numbers
    });

    for _ in 0..3 {
        let before = received.load(Ordering::SeqCst);
        wait::until("progress", PATIENCE, async || {
            let now = received.load(Ordering::SeqCst);
            Ok(if now > before + 200 { Seen::Yes(()) } else { Seen::not_yet(format!("{now} after {before}")) })
        })
        .await
        .unwrap();
        assert!(site.force_close().await >= 2);
    }
    going.store(false, Ordering::SeqCst);
    let mut confirmed = BTreeSet::new();
    while let Some(numbers) = soon(publishers.join_next()).await {
        confirmed.extend(numbers.unwrap());
    }
    wait::until("all confirmed numbers", PATIENCE, async || {
        let now = received.load(Ordering::SeqCst);
        Ok(if now >= confirmed.len() { Seen::Yes(()) } else { Seen::not_yet(format!("{now} of {}", confirmed.len())) })
    })
    .await
    .unwrap();
    soon(site.broker.close()).await;
    let numbers = soon(consumer).await.unwrap();
    assert!(confirmed.len() > 1_000);
    assert_eq!(confirmed.difference(&numbers).count(), 0, "confirmed and lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_break_a_delivery_cannot_be_settled_and_comes_again() {
    let site = Site::new().await;
    site.fill(2).await;
    let mut deliveries = site.broker.consume(QUEUE, 1).await.unwrap();
    let held = next(&mut deliveries).await;
    let settler = deliveries.settler();
    site.force_close().await;
    let again = next(&mut deliveries).await;
    assert_eq!((number(&again), again.redelivered), (number(&held), true));
    assert!(again.tag > held.tag);
    assert!(!deliveries.settle(held.tag, Settle::Ack).await);
    assert!(!deliveries.ack_through(held.tag).await);
    assert!(!settler.settle(held.tag, Settle::Ack).await);
    assert!(settler.settle(again.tag, Settle::Ack).await);
    // The prefetch of one holds on the new connection as well: 1 comes after the settlement of 0.
    assert_eq!(number(&next(&mut deliveries).await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_fetched_over_a_dead_connection_is_not_handed_out() {
    let site = Site::new().await;
    site.fill(10).await;
    let mut deliveries = site.broker.consume(QUEUE, 10).await.unwrap();
    let held = next(&mut deliveries).await;
    let dead = site.broker.round_trip().await.unwrap();
    wait::until("all to be fetched", PATIENCE, async || {
        let depth = site.broker.depth(QUEUE).await?;
        Ok(if depth == Some(0) { Seen::Yes(()) } else { Seen::not_yet(format!("{depth:?}")) })
    })
    .await
    .unwrap();
    site.force_close().await;
    wait::until("a new connection", PATIENCE, async || {
        let number = site.broker.round_trip().await;
        Ok(if number.as_ref().is_ok_and(|number| *number != dead) {
            Seen::Yes(())
        } else {
            Seen::not_yet(format!("{number:?}"))
        })
    })
    .await
    .unwrap();
    let mut numbers = BTreeSet::new();
    for _ in 0..10 {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.redelivered && delivery.tag > held.tag, "from the dead connection: {delivery:?}");
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
        numbers.insert(number(&delivery));
    }
    assert_eq!(numbers, (0..10).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_says_that_it_listens_again() {
    let site = Site::new().await;
    let mut broadcasts = site.broker.listen(EXCHANGE, "news").await.unwrap();
    let queue = listening(&mut broadcasts).await;
    site.force_close().await;
    let new_queue = listening(&mut broadcasts).await;
    assert_ne!(queue, new_queue);
    let mut direct = message(7);
    (direct.exchange, direct.routing_key) = (String::new(), new_queue);
    publish_surely(&site.broker, direct).await;
    match soon(broadcasts.next()).await {
        Some(drover_broker::Heard::Message(message)) => assert_eq!(number(&message), 7),
        other => panic!("heard {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_declared_again_after_a_break() {
    let site = Site::new().await;
    site.delete_queue(QUEUE).await;
    assert_eq!(site.broker.depth(QUEUE).await.unwrap(), None);
    let unroutable = PublishError::Unroutable { exchange: EXCHANGE.to_owned(), routing_key: QUEUE.to_owned() };
    assert_eq!(site.broker.publish(vec![message(1)]).await, [Err(unroutable)]);
    site.force_close().await;
    publish_surely(&site.broker, message(2)).await;
    let mut deliveries = site.broker.consume(QUEUE, 1).await.unwrap();
    assert_eq!(number(&next(&mut deliveries).await), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_declares_its_deleted_queue_again_without_a_break() {
    let site = Site::new().await;
    let mut deliveries = site.broker.consume(QUEUE, 1).await.unwrap();
    site.delete_queue(QUEUE).await;
    let consumer = tokio::spawn(async move { number(&next(&mut deliveries).await) });
    publish_surely(&site.broker, message(3)).await;
    assert_eq!(soon(consumer).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_the_topology_that_is_refused_harms_itself_only() {
    let site = Site::new().await;
    site.delete_queue(QUEUE).await;
    let other = drover_broker::Queue { name: QUEUE.to_owned(), dead_letter_exchange: Some("elsewhere".to_owned()) };
    let stranger = AmqpBroker::connect(config(site.vhost.url())).await.unwrap();
    let queues = vec![other];
    stranger.declare(&drover_broker::Topology { queues, ..Default::default() }).await.unwrap();
    site.force_close().await;
    // Its queue cannot be declared as it was, but the binding that comes after it was restored.
    publish_surely(&site.broker, message(4)).await;
    let mut deliveries = site.broker.consume(QUEUE, 1).await.unwrap();
    assert_eq!(number(&next(&mut deliveries).await), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_stream_stays_paused_over_a_break() {
    let site = Site::new().await;
    let mut paused = site.broker.consume(QUEUE, 10).await.unwrap();
    paused.pause().await.unwrap();
    site.force_close().await;
    publish_surely(&site.broker, message(5)).await;
    let mut other = site.broker.consume(QUEUE, 10).await.unwrap();
    let held = next(&mut other).await;
    paused.resume().await.unwrap();
    assert!(other.settle(held.tag, Settle::GiveBack).await);
    drop(other);
    assert_eq!(number(&next(&mut paused).await), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_epoch_survives_breaks_and_many_readings_and_changes_with_the_data() {
    let site = Site::new().await;
    let epoch = site.broker.epoch().await.unwrap();
    // More readings than the delivery limit that RabbitMQ 4 has by default.
    for _ in 0..30 {
        assert_eq!(site.broker.epoch().await.unwrap(), epoch);
    }
    site.force_close().await;
    assert_eq!(soon(site.broker.epoch()).await.unwrap(), epoch);
    let sentinel = format!("queues/{}/site.epoch/contents", site.vhost.name());
    site.vhost.management().delete(&sentinel).await.unwrap();
    let new_epoch = site.broker.epoch().await.unwrap();
    assert_ne!(new_epoch, epoch);
    assert_eq!(site.broker.epoch().await.unwrap(), new_epoch);
    site.delete_queue("site.epoch").await;
    assert_ne!(site.broker.epoch().await.unwrap(), new_epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_sentinels_is_removed() {
    let site = Site::new().await;
    let epoch = site.broker.epoch().await.unwrap();
    for surplus in ["ffffffff", "00000000"] {
        let mut sentinel = message(0);
        (sentinel.exchange, sentinel.routing_key) = (String::new(), "site.epoch".to_owned());
        sentinel.body = surplus.into();
        publish_surely(&site.broker, sentinel).await;
        let expected = if surplus < epoch.as_str() { surplus } else { &epoch };
        assert_eq!(site.broker.epoch().await.unwrap(), expected);
    }
    assert_eq!(site.broker.epoch().await.unwrap(), "00000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_the_broker_forgot_comes_back() {
    let site = Site::new().await;
    let mut deliveries = site.broker.consume(QUEUE, 1).await.unwrap();
    let consumer = tokio::spawn(async move { number(&next(&mut deliveries).await) });
    // Declared again so soon, the queue keeps a consumer that RabbitMQ tells nothing.
    site.delete_queue(QUEUE).await;
    site.broker.declare(&topology()).await.unwrap();
    publish_surely(&site.broker, message(6)).await;
    assert_eq!(soon(consumer).await.unwrap(), 6);
}
