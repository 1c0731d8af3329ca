//! The topology, the epoch and the end.

use futures_util::future::join_all;

use super::{Fixture, Place, listening, next, soon, wait_for_depth};
use crate::{BrokerError, PublishError, Settle, Topology};

/// The depth is what waits, without what is delivered and unsettled; a missing queue has none.
pub async fn depth_counts_what_waits(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    assert_eq!(broker.depth("no such queue").await.unwrap(), None);
    assert_eq!(broker.depth(&place.queue).await.unwrap(), Some(0));
    place.fill(&broker, 7).await;
    wait_for_depth(&broker, &place.queue, 7).await;
    let mut deliveries = broker.consume(&place.queue, 2).await.unwrap();
    next(&mut deliveries).await;
    wait_for_depth(&broker, &place.queue, 5).await;
}

/// The same declaration may be made again, by anyone, and empties nothing.
pub async fn declaring_twice_is_fine(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let place = Place::declare(&broker).await;
    place.fill(&broker, 1).await;
    broker.declare(&place.topology()).await.unwrap();
    other.declare(&place.topology()).await.unwrap();
    other.declare(&Topology::default()).await.unwrap();
    let mut deliveries = other.consume(&place.queue, 10).await.unwrap();
    next(&mut deliveries).await;
}

/// Another declaration under the same name is refused, by name, and changes nothing.
pub async fn another_declaration_is_refused(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mut topology = place.topology();
    topology.queues[0].dead_letter_exchange = None;
    match broker.declare(&topology).await {
        Err(BrokerError::Refused { action, .. }) => assert!(action.contains(&place.queue), "{action}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    place.fill(&broker, 1).await;
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
}

/// The epoch is the same for everyone, each time.
pub async fn the_epoch_is_stable(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let epoch = broker.epoch().await.unwrap();
    assert!(!epoch.is_empty());
    for broker in [&broker, &other, &fixture.connect().await] {
        assert_eq!(broker.epoch().await.unwrap(), epoch);
    }
}

/// Many who ask at the same time, the first time, get one answer.
pub async fn readers_of_the_epoch_agree(fixture: &dyn Fixture) {
    let brokers = join_all((0..4).map(|_| fixture.connect())).await;
    let readers = brokers.iter().flat_map(|broker| (0..4).map(move |_| broker.epoch()));
    let epochs: Vec<String> = join_all(readers).await.into_iter().map(Result::unwrap).collect();
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

/// The connection answers, with the same number for as long as it lasts.
pub async fn a_round_trip_is_answered(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let number = soon(broker.round_trip()).await.unwrap();
    assert_eq!(soon(broker.round_trip()).await.unwrap(), number);
    soon(broker.close()).await;
    assert!(soon(broker.round_trip()).await.is_err());
}

/// Closing ends every stream and gives back what is unsettled; afterwards every call says so.
pub async fn close_ends_the_streams(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 2).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let mut paused = broker.consume(&place.dead, 10).await.unwrap();
    paused.pause().await.unwrap();
    let mut broadcasts = broker.listen(&place.exchange, "").await.unwrap();
    listening(&mut broadcasts).await;
    let held = next(&mut deliveries).await;
    let waiting = tokio::spawn(async move { (broadcasts.next().await.is_none(), paused.next().await.is_none()) });

    assert!(broker.is_ready());
    soon(broker.close()).await;
    assert!(!broker.is_ready());
    assert!(soon(deliveries.next()).await.is_none());
    assert!(deliveries.try_next().is_none());
    assert_eq!(soon(waiting).await.unwrap(), (true, true));
    assert!(!deliveries.settle(held.tag, Settle::Ack).await);
    assert!(matches!(soon(broker.publish(place.messages(1))).await[..], [Err(PublishError::Unconfirmed { .. })]));
    assert!(matches!(soon(broker.declare(&place.topology())).await, Err(BrokerError::Closed)));
    assert!(matches!(soon(broker.depth(&place.queue)).await, Err(BrokerError::Closed)));
    soon(broker.close()).await;

    let other = fixture.connect().await;
    wait_for_depth(&other, &place.queue, 2).await;
}
