//! Listening to broadcasts.

use super::{Fixture, fanout, heard_body, listening, publish_all, to};
use crate::{BrokerError, Publication};

/// Every listener hears everything that is sent after it began to listen, in order, however much it is.
pub async fn every_listener_hears_broadcasts(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let exchange = fanout(&broker).await;
    publish_all(&broker, vec![to(&exchange, "", "before")]).await;
    let mut listeners = Vec::new();
    for broker in [&broker, &other, &broker] {
        let mut listener = broker.listen(&exchange, "").await.unwrap();
        listening(&mut listener).await;
        listeners.push(listener);
    }
    let bodies: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    publish_all(&broker, bodies.iter().map(|body| to(&exchange, "any", body)).collect()).await;
    for listener in &mut listeners {
        for body in &bodies {
            assert_eq!(heard_body(listener).await, *body);
        }
    }
}

/// What is published to a listener's own queue reaches it alone.
pub async fn one_listener_hears_what_is_sent_to_it(fixture: &dyn Fixture) {
    let (broker, other) = (fixture.connect().await, fixture.connect().await);
    let exchange = fanout(&broker).await;
    let (mut one, mut two) = (broker.listen(&exchange, "").await.unwrap(), other.listen(&exchange, "").await.unwrap());
    let (queue, other_queue) = (listening(&mut one).await, listening(&mut two).await);
    assert_ne!(queue, other_queue);
    let direct = Publication { mandatory: true, ..to("", &queue, "for one") };
    publish_all(&other, vec![direct]).await;
    publish_all(&other, vec![to(&exchange, "", "for all")]).await;
    assert_eq!(heard_body(&mut one).await, "for one");
    assert_eq!(heard_body(&mut one).await, "for all");
    assert_eq!(heard_body(&mut two).await, "for all");
}

/// Listening to what does not exist is refused, by name.
pub async fn a_missing_exchange_cannot_be_listened_to(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    match broker.listen("no such exchange", "").await.err() {
        Some(BrokerError::Refused { action, .. }) => assert!(action.contains("no such exchange"), "{action}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
}
