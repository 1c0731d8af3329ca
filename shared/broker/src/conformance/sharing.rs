//! Several consumers of one queue, and several connections to one broker.

use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Fixture, Place, counted, fanout, heard_body, listening, next, next_bodies, numbers, publish_all, soon, text, to,
    wait_for_depth,
};
use crate::{Broker, Publication, PublishError, Settle};

/// Consumers that have room are served in turn: nobody is passed over.
pub async fn consumers_take_turns(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let place = Place::declare(&broker).await;
    let mut streams = Vec::new();
    for broker in [&broker, &other, &broker] {
        streams.push(broker.consume(&place.queue, 100).await.unwrap());
    }
    place.fill(&broker, 30).await;
    let mut all = Vec::new();
    for stream in &mut streams {
        let bodies = next_bodies(stream, 10).await;
        all.extend(bodies);
    }
    assert_eq!(counted(all), counted(numbers(0..30)), "ten each");
    wait_for_depth(&broker, &place.queue, 0).await;
    for stream in &mut streams {
        assert!(stream.try_next().is_none());
    }
}

/// What is given back comes before what was never delivered, in the order of giving back.
pub async fn what_is_given_back_comes_first(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 6).await;
    let mut holder = broker.consume(&place.queue, 3).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut holder).await);
    }
    holder.pause().await.unwrap();
    for index in [2, 0, 1] {
        assert!(holder.settle(held[index].tag, Settle::GiveBack).await);
    }
    wait_for_depth(&broker, &place.queue, 6).await;
    let mut deliveries = broker.consume(&place.queue, 1).await.unwrap();
    for (expected, redelivered) in [("2", true), ("0", true), ("1", true), ("3", false), ("4", false), ("5", false)] {
        let delivery = next(&mut deliveries).await;
        assert_eq!((text(&delivery).as_str(), delivery.redelivered), (expected, redelivered));
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
}

/// What was handed out before a pause does not count after it.
pub async fn a_pause_lets_off_what_was_handed_out(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 4).await;
    let mut deliveries = broker.consume(&place.queue, 1).await.unwrap();
    let first = next(&mut deliveries).await;
    deliveries.pause().await.unwrap();
    deliveries.resume().await.unwrap();
    let second = next(&mut deliveries).await;
    // The prefetch is used up by the second, and settling the first makes no room.
    assert!(deliveries.settle(first.tag, Settle::Ack).await);
    wait_for_depth(&broker, &place.queue, 2).await;
    assert!(deliveries.try_next().is_none());
    assert!(deliveries.settle(second.tag, Settle::Ack).await);
    assert_eq!(text(&next(&mut deliveries).await), "2");
}

/// Closing one connection gives back what it holds, to the others, whose streams go on.
pub async fn closing_one_connection_leaves_the_others(fixture: &dyn Fixture) {
    let (broker, leaving) = (fixture.connect().await, fixture.connect().await);
    let place = Place::declare(&broker).await;
    let exchange = fanout(&broker).await;
    let mut gone = leaving.consume(&place.queue, 4).await.unwrap();
    place.fill(&broker, 8).await;
    let held = next(&mut gone).await;
    let mut stays = broker.consume(&place.queue, 100).await.unwrap();
    assert_eq!(next_bodies(&mut stays, 4).await, numbers(4..8));
    let mut broadcasts = broker.listen(&exchange, "").await.unwrap();
    listening(&mut broadcasts).await;

    soon(leaving.close()).await;
    assert!(!leaving.is_ready() && broker.is_ready());
    assert!(!gone.settle(held.tag, Settle::Ack).await);
    let again = next(&mut stays).await;
    assert_eq!((text(&again).as_str(), again.redelivered), ("0", true));
    assert_eq!(counted(next_bodies(&mut stays, 3).await), counted(numbers(1..4)));
    publish_all(&broker, vec![to(&exchange, "", "still heard")]).await;
    assert_eq!(heard_body(&mut broadcasts).await, "still heard");
}

/// Nothing is kept for a listener that has gone, with its stream or with its connection.
pub async fn a_listener_that_is_gone_has_no_queue(fixture: &dyn Fixture) {
    let (broker, leaving) = (fixture.connect().await, fixture.connect().await);
    let exchange = fanout(&broker).await;
    let (mut dropped, mut closed) =
        (broker.listen(&exchange, "").await.unwrap(), leaving.listen(&exchange, "").await.unwrap());
    let queues = [listening(&mut dropped).await, listening(&mut closed).await];
    drop(dropped);
    leaving.close().await;
    for queue in queues {
        // The broker may need a moment to take the queue away.
        let unroutable = PublishError::Unroutable { exchange: String::new(), routing_key: queue.clone() };
        let gone = async {
            let message = Publication { mandatory: true, ..to("", &queue, "too late") };
            while broker.publish(vec![message.clone()]).await != [Err(unroutable.clone())] {
                tokio::task::yield_now().await;
            }
        };
        soon(gone).await;
    }
    let outcomes = broker.publish(vec![Publication { mandatory: true, ..to(&exchange, "", "x") }]).await;
    assert!(matches!(outcomes[..], [Err(PublishError::Unroutable { .. })]), "{outcomes:?}");
}

/// Consumers that come and go, pause, give back and drop what they hold: in the end each message is acknowledged once.
pub async fn churn_loses_and_doubles_nothing(fixture: &dyn Fixture) {
    const MESSAGES: usize = 400;
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let (acked, all) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let mut consumers = JoinSet::new();
    for first in 0..4 {
        let (broker, queue) = (fixture.connect().await, place.queue.clone());
        let (acked, all) = (Arc::clone(&acked), all.clone());
        let done = all.clone();
        let note = move |body| {
            let mut acked = acked.lock().unwrap();
            acked.push(body);
            if acked.len() == MESSAGES {
                done.cancel();
            }
        };
        consumers.spawn(churn(broker, queue, first, all, note));
    }
    place.fill(&broker, MESSAGES).await;
    soon(consumers.join_all()).await;
    let acked = std::mem::take(&mut *acked.lock().unwrap());
    assert_eq!(counted(acked), counted(numbers(0..MESSAGES)));
    wait_for_depth(&broker, &place.queue, 0).await;
    wait_for_depth(&broker, &place.dead, 0).await;
    let mut after = broker.consume(&place.queue, 10).await.unwrap();
    place.fill(&broker, 1).await;
    assert!(!next(&mut after).await.redelivered, "nothing was left unsettled");
}

async fn churn(
    broker: Arc<dyn Broker>,
    queue: String,
    first: usize,
    all: CancellationToken,
    note: impl Fn(String) + Send,
) {
    let mut turn = first;
    while !all.is_cancelled() {
        let mut deliveries = broker.consume(&queue, 7).await.unwrap();
        while let Some(Some(delivery)) = all.run_until_cancelled(deliveries.next()).await {
            turn += 1;
            match turn % 11 {
                0 => break,
                1 | 2 => assert!(deliveries.settle(delivery.tag, Settle::GiveBack).await),
                other => {
                    if other == 3 {
                        deliveries.pause().await.unwrap();
                        deliveries.resume().await.unwrap();
                    }
                    assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
                    note(text(&delivery));
                }
            }
        }
    }
}
