//! Pausing and going on.

use super::{Fixture, Place, counted, next, next_bodies, numbers, text, wait_for_depth};
use crate::Settle;

/// A pause gives back what is not handed out, and what is handed out can still be settled.
pub async fn pause_gives_the_buffer_back(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 50).await;
    let mut saturated = broker.consume(&place.queue, 50).await.unwrap();
    let (first, second) = (next(&mut saturated).await, next(&mut saturated).await);
    wait_for_depth(&broker, &place.queue, 0).await;
    saturated.pause().await.unwrap();
    assert!(saturated.try_next().is_none(), "paused");

    let mut idle = broker.consume(&place.queue, 100).await.unwrap();
    assert_eq!(counted(next_bodies(&mut idle, 48).await), counted(numbers(2..50)));
    assert!(saturated.settle(first.tag, Settle::Ack).await);
    assert!(saturated.settle(second.tag, Settle::GiveBack).await);
    assert_eq!(text(&next(&mut idle).await), text(&second));
    saturated.pause().await.unwrap();
}

/// After a pause the stream goes on, with what was handed out before still to be settled.
pub async fn resume_goes_on(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 5).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let held = next(&mut deliveries).await;
    for _ in 0..3 {
        deliveries.pause().await.unwrap();
        deliveries.resume().await.unwrap();
    }
    deliveries.resume().await.unwrap();
    let mut bodies = Vec::new();
    let mut last = held.tag;
    for _ in 0..4 {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.tag > last);
        last = delivery.tag;
        bodies.push(text(&delivery));
    }
    assert_eq!(counted(bodies), counted(numbers(1..5)));
    assert!(deliveries.settle(held.tag, Settle::Ack).await);
    assert!(deliveries.ack_through(last).await);
    drop(deliveries);
    wait_for_depth(&broker, &place.queue, 0).await;
    let mut after = broker.consume(&place.queue, 10).await.unwrap();
    place.fill(&broker, 1).await;
    let delivery = next(&mut after).await;
    assert_eq!((text(&delivery), delivery.redelivered), ("0".to_owned(), false), "nothing was left unsettled");
}
