//! Consuming and settling.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{Fixture, Place, counted, next, next_bodies, numbers, publish_all, soon, text, wait_for_depth};
use crate::{BrokerError, Properties, Publication, Settle, Settler};

/// What is acknowledged never comes again.
pub async fn ack_removes(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 2).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert!(first.tag < second.tag);
    assert!(deliveries.settle(first.tag, Settle::Ack).await);
    drop(deliveries);
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(text(&next(&mut deliveries).await), "1");
    wait_for_depth(&broker, &place.queue, 0).await;
    assert!(deliveries.try_next().is_none());
}

/// Over a connection apart it is the same, beside what is consumed as ever.
pub async fn what_strangers_write_is_consumed_as_all_else(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let (place, strangers) = (Place::declare(&broker).await, Place::declare(&broker).await);
    place.fill(&broker, 1).await;
    strangers.fill(&broker, 2).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let mut apart = broker.consume_apart(&strangers.queue, 10).await.unwrap();
    let first = next(&mut apart).await;
    assert!(apart.settle(first.tag, Settle::Ack).await);
    drop(apart);
    let mut apart = broker.consume_apart(&strangers.queue, 10).await.unwrap();
    assert_eq!(text(&next(&mut apart).await), "1");
    assert_eq!(text(&next(&mut deliveries).await), "0");
    let missing = broker.consume_apart(&format!("{}.missing", strangers.queue), 10).await;
    assert!(matches!(missing, Err(BrokerError::Refused { .. })));
}

/// What is given back comes again.
pub async fn give_back_redelivers(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 1).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let first = next(&mut deliveries).await;
    assert!(!first.redelivered);
    assert!(deliveries.settle(first.tag, Settle::GiveBack).await);
    let again = next(&mut deliveries).await;
    assert_eq!((text(&again), again.redelivered), ("0".to_owned(), true));
    assert_eq!(again.properties.message_id, first.properties.message_id);
}

/// What is rejected lands in the dead queue, with its body and properties.
pub async fn dead_letter_lands_in_the_dead_queue(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let properties = Properties {
        message_id: Some("the message".to_owned()),
        kind: Some("drover.event.v1".to_owned()),
        headers: [("traceparent".to_owned(), "00-1".to_owned())].into(),
        ..Properties::default()
    };
    publish_all(&broker, vec![Publication { properties: properties.clone(), ..place.message("bad") }]).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);

    let mut dead = broker.consume(&place.dead, 10).await.unwrap();
    let mut delivery = next(&mut dead).await;
    assert_eq!(text(&delivery), "bad");
    // A broker may add headers that tell where it comes from.
    delivery.properties.headers.retain(|key, _| properties.headers.contains_key(key));
    assert_eq!(delivery.properties, properties);
    wait_for_depth(&broker, &place.queue, 0).await;
}

/// What is settled side by side, in any order, is settled each by itself: what is still at work comes again.
pub async fn settling_side_by_side_settles_no_other(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 60).await;
    let mut deliveries = broker.consume(&place.queue, 60).await.unwrap();
    let mut tags = Vec::new();
    for _ in 0..60 {
        tags.push(next(&mut deliveries).await.tag);
    }
    let settler: Arc<dyn Settler> = deliveries.settler().into();
    let mut tasks = JoinSet::new();
    // The first twenty, backwards; then every third; one is given back, and one rejected, in their midst.
    let done = (0..20).rev().chain((20..60).filter(|index| index % 3 == 0));
    for index in done {
        let (settler, tag) = (Arc::clone(&settler), tags[index]);
        let how = match index {
            7 => Settle::GiveBack,
            12 => Settle::DeadLetter,
            _ => Settle::Ack,
        };
        tasks.spawn(async move { assert!(settler.settle(tag, how).await, "{index}") });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(text(&next(&mut deliveries).await), "7");
    drop(deliveries);
    let mut deliveries = broker.consume(&place.queue, 60).await.unwrap();
    let left = [7].into_iter().chain((20..60).filter(|index| index % 3 != 0));
    let left: Vec<String> = left.map(|index| index.to_string()).collect();
    assert_eq!(counted(next_bodies(&mut deliveries, left.len()).await), counted(left));
    wait_for_depth(&broker, &place.dead, 1).await;
}

/// One acknowledgement for all up to a delivery, and none beyond it.
pub async fn ack_through_acknowledges_all_before(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 10).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let mut tags = Vec::new();
    for _ in 0..10 {
        tags.push(next(&mut deliveries).await.tag);
    }
    assert!(deliveries.settle(tags[2], Settle::Ack).await);
    assert!(deliveries.ack_through(tags[6]).await);
    assert!(!deliveries.settle(tags[6], Settle::Ack).await, "it is settled already");
    drop(deliveries);
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(counted(next_bodies(&mut deliveries, 3).await), counted(numbers(7..10)));
    wait_for_depth(&broker, &place.queue, 0).await;
    assert!(deliveries.try_next().is_none());
}

/// A second settlement is refused and does no harm.
pub async fn settling_twice_is_refused(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 2).await;
    let mut deliveries = broker.consume(&place.queue, 1).await.unwrap();
    let first = next(&mut deliveries).await;
    assert!(deliveries.settle(first.tag, Settle::Ack).await);
    assert!(!deliveries.settle(first.tag, Settle::GiveBack).await);
    assert!(!deliveries.ack_through(first.tag).await);
    let second = next(&mut deliveries).await;
    assert_eq!(text(&second), "1");
    assert!(deliveries.settle(second.tag, Settle::Ack).await);
}

/// No more deliveries are unsettled at a time than asked for.
pub async fn prefetch_bounds_the_unsettled(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 10).await;
    let mut few = broker.consume(&place.queue, 3).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut few).await);
    }
    // Everything else is free for others: exactly seven.
    let mut rest = broker.consume(&place.queue, 10).await.unwrap();
    let others = next_bodies(&mut rest, 7).await;
    assert_eq!(counted(others.into_iter().chain(held.iter().map(text))), counted(numbers(0..10)));
    assert!(few.try_next().is_none());

    drop(rest);
    wait_for_depth(&broker, &place.queue, 7).await;
    assert!(few.settle(held[0].tag, Settle::Ack).await);
    next(&mut few).await;
    wait_for_depth(&broker, &place.queue, 6).await;
}

/// Two consumers of one queue get different messages, and all of them.
pub async fn two_consumers_share(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let place = Place::declare(&broker).await;
    let mut one = broker.consume(&place.queue, 1).await.unwrap();
    let mut two = other.consume(&place.queue, 1).await.unwrap();
    place.fill(&broker, 20).await;
    let mut bodies = Vec::new();
    for _ in 0..10 {
        // With a prefetch of one both hold a message at the same time.
        let (left, right) = (next(&mut one).await, next(&mut two).await);
        bodies.extend([text(&left), text(&right)]);
        assert!(one.settle(left.tag, Settle::Ack).await);
        assert!(two.settle(right.tag, Settle::Ack).await);
    }
    assert_eq!(counted(bodies), counted(numbers(0..20)));
}

/// A stream that is dropped gives back what was handed out and what was not, and consumes no more.
pub async fn dropped_deliveries_go_back(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 10).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let held = next(&mut deliveries).await;
    let settler = deliveries.settler();
    drop(deliveries);
    assert!(!settler.settle(held.tag, Settle::Ack).await, "its stream is gone");
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(counted(next_bodies(&mut deliveries, 10).await), counted(numbers(0..10)));
}

/// `next` may be dropped at any time.
pub async fn a_dropped_next_loses_nothing(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mut deliveries = broker.consume(&place.queue, 4).await.unwrap();
    place.fill(&broker, 100).await;
    let mut bodies = BTreeSet::new();
    let all = async {
        while bodies.len() < 100 {
            match deliveries.next().now_or_never() {
                Some(delivery) => {
                    let delivery = delivery.expect("the stream ended");
                    assert!(bodies.insert(text(&delivery)), "delivered twice");
                    assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
                }
                None => tokio::task::yield_now().await,
            }
        }
    };
    soon(all).await;
}

/// Deliveries can be settled where they are worked on.
pub async fn a_settler_settles_from_another_task(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 100).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let settler: Arc<dyn Settler> = deliveries.settler().into();
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), number.to_string());
        let settler = Arc::clone(&settler);
        tasks.spawn(async move { settler.settle(delivery.tag, Settle::Ack).await });
    }
    assert!(soon(tasks.join_all()).await.into_iter().all(|settled| settled));
    drop(deliveries);
    wait_for_depth(&broker, &place.queue, 0).await;
}

/// Consuming what does not exist is refused, by name.
pub async fn a_missing_queue_cannot_be_consumed(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    match broker.consume("no such queue", 1).await.err() {
        Some(BrokerError::Refused { action, .. }) => assert!(action.contains("no such queue"), "{action}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
}
