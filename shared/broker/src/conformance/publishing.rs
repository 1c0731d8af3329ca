//! Publishing and its outcomes.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;

use super::{Fixture, Place, counted, next, next_bodies, numbers, publish_all, soon};
use crate::{Broker, Properties, Publication, PublishError, Settle};

/// Confirmed messages arrive in the order of the call, also of one far longer than a batch.
pub async fn published_in_order(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 2_000).await;
    let mut deliveries = broker.consume(&place.queue, 256).await.unwrap();
    for number in 0..2_000 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(super::text(&delivery), number.to_string());
        assert_eq!(delivery.routing_key, place.queue);
        assert_eq!(delivery.exchange, place.exchange);
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
}

/// Of a thousand messages exactly those fail that no queue takes.
pub async fn each_message_has_its_outcome(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let astray = BTreeSet::from([0, 1, 500, 511, 512, 999]);
    let mut publications = place.messages(1_000);
    for number in &astray {
        publications[*number].routing_key = "nowhere".into();
    }
    let outcomes = broker.publish(publications).await;
    assert_eq!(outcomes.len(), 1_000);
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let unroutable =
            PublishError::Unroutable { exchange: place.exchange.clone(), routing_key: "nowhere".to_owned() };
        let expected = if astray.contains(&number) { Err(unroutable) } else { Ok(()) };
        assert_eq!(outcome, expected, "message {number}");
    }
    let mut deliveries = broker.consume(&place.queue, 1_000).await.unwrap();
    let expected: Vec<String> =
        (0..1_000).filter(|number| !astray.contains(number)).map(|number| number.to_string()).collect();
    assert_eq!(next_bodies(&mut deliveries, expected.len()).await, expected);
}

/// A message that need not arrive may find no queue.
pub async fn optional_to_nobody_is_ok(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mut publication = place.message("x");
    publication.mandatory = false;
    publication.routing_key = "nowhere".into();
    assert_eq!(broker.publish(vec![publication]).await, [Ok(())]);
}

/// A message to an exchange that does not exist fails alone.
pub async fn a_missing_exchange_harms_nobody_else(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mut publications = place.messages(3);
    publications[1].exchange = "no such exchange".into();
    let outcomes = broker.publish(publications).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert!(matches!(&outcomes[1], Err(PublishError::Unroutable { exchange, .. }) if exchange == "no such exchange"));
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(next_bodies(&mut deliveries, 2).await, ["0", "2"]);
}

/// A message that cannot be sent at all fails alone.
pub async fn an_unfit_message_harms_nobody_else(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let mut publications = place.messages(3);
    publications[1].properties.reply_to = Some("x".repeat(256));
    let outcomes = broker.publish(publications).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert!(matches!(&outcomes[1], Err(PublishError::Unfit { reason }) if reason.contains("reply_to")));
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(next_bodies(&mut deliveries, 2).await, ["0", "2"]);
}

/// Publishing nothing has no outcome, and comes to an end.
pub async fn nothing_to_publish(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    assert_eq!(soon(broker.publish(Vec::new())).await, []);
}

/// What is published is what is delivered: body, properties and headers; an absent message id is filled in.
pub async fn properties_round_trip(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let text = |text: &str| Some(text.to_owned());
    let properties = Properties {
        message_id: text("an id"),
        correlation_id: text("a root"),
        kind: text("drover.job.v1"),
        content_type: text("application/json"),
        reply_to: text("drover.events"),
        app_id: text("drover"),
        timestamp: DateTime::<Utc>::from_timestamp(1_700_000_000, 0),
        headers: [("traceparent".to_owned(), "00-ä-01".to_owned()), ("attempt".to_owned(), "7".to_owned())].into(),
    };
    let full = Publication { properties: properties.clone(), ..place.message("{\"ä\": \u{1F600}}") };
    let bare = Publication { properties: Properties::default(), body: bytes::Bytes::new(), ..place.message("") };
    let large = Publication { body: vec![b'x'; 1_000_000].into(), ..place.message("") };
    publish_all(&broker, vec![full.clone(), bare, large.clone()]).await;

    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert_eq!((delivery.properties, delivery.body), (properties, full.body));
    assert!(!delivery.redelivered);
    let delivery = next(&mut deliveries).await;
    assert!(delivery.body.is_empty());
    let id = delivery.properties.message_id.clone().expect("an id was made");
    assert_eq!(delivery.properties, Properties { message_id: Some(id), ..Properties::default() });
    assert_eq!(next(&mut deliveries).await.body, large.body);
}

/// AMQP has whole seconds, from 1970 on.
pub async fn timestamps_are_whole_seconds(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let at = |seconds, nanos| DateTime::<Utc>::from_timestamp(seconds, nanos);
    for timestamp in [at(1_700_000_000, 999_999_999), at(-1, 0)] {
        let properties = Properties { timestamp, ..Properties::default() };
        publish_all(&broker, vec![Publication { properties, ..place.message("") }]).await;
    }
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    assert_eq!(next(&mut deliveries).await.properties.timestamp, at(1_700_000_000, 0));
    assert_eq!(next(&mut deliveries).await.properties.timestamp, None);
}

/// Sixteen tasks publish two hundred messages each, one by one and many together; every tenth finds no queue.
pub async fn many_publish_at_once(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Arc::new(Place::declare(&broker).await);
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let (broker, place) = (Arc::clone(&broker), Arc::clone(&place));
        tasks.spawn(async move { publish_two_hundred(&broker, &place, task * 200).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    let mut deliveries = broker.consume(&place.queue, 500).await.unwrap();
    let expected: Vec<String> = numbers(0..3_200).into_iter().filter(|number| !number.ends_with('9')).collect();
    let mut arrived = Vec::new();
    for _ in 0..expected.len() {
        let delivery = next(&mut deliveries).await;
        arrived.push(super::text(&delivery));
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
    assert_eq!(counted(arrived), counted(expected));
    super::wait_for_depth(&broker, &place.queue, 0).await;
}

async fn publish_two_hundred(broker: &Arc<dyn Broker>, place: &Place, from: usize) {
    let message = |number: usize| {
        let mut publication = place.message(number);
        if number % 10 == 9 {
            publication.routing_key = "nowhere".into();
        }
        publication
    };
    let check = |number: usize, outcome: &Result<(), PublishError>| match outcome {
        Ok(()) => assert!(number % 10 != 9, "message {number} found no queue and is confirmed"),
        Err(PublishError::Unroutable { .. }) => assert!(number % 10 == 9, "message {number} was returned"),
        Err(error) => panic!("message {number}: {error}"),
    };
    for number in from..from + 100 {
        check(number, &broker.publish(vec![message(number)]).await[0]);
    }
    let together = from + 100..from + 200;
    let outcomes = broker.publish(together.clone().map(message).collect()).await;
    for (number, outcome) in together.zip(&outcomes) {
        check(number, outcome);
    }
}
