//! Dead letters.

use super::{Fixture, Place, next, publish_all, soon, text, to, unique, wait_for_depth};
use crate::{Delivery, Headers, Properties, Publication, Queue, Settle, Topology};

fn first_death(delivery: &Delivery) -> [&str; 3] {
    let header = |what: &str| {
        let name = format!("x-first-death-{what}");
        delivery.properties.headers.get(&name).map_or("", String::as_str)
    };
    [header("exchange"), header("queue"), header("reason")]
}

/// A dead letter says where it comes from and why, and keeps the key that it was published with.
pub async fn dead_letters_say_where_they_come_from(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    place.fill(&broker, 1).await;
    let mut deliveries = broker.consume(&place.queue, 10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::GiveBack).await);
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);

    let mut dead = broker.consume(&place.dead, 10).await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!(first_death(&letter), [place.exchange.as_str(), &place.queue, "rejected"]);
    assert_eq!((&letter.exchange, &letter.routing_key), (&place.dead, &place.queue));
    assert_eq!(letter.properties.message_id, delivery.properties.message_id);
    assert!(!letter.redelivered, "it is new in this queue");
}

/// What has died before keeps its first death.
pub async fn the_first_death_is_kept(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let (grave, exchange) = (unique("grave"), super::fanout(&broker).await);
    // The dead letters of this queue go to the queue of `place`.
    let topology = Topology {
        queues: vec![Queue { name: grave.clone(), dead_letter_exchange: Some(exchange.clone()) }],
        bindings: vec![crate::Binding { queue: place.queue.clone(), exchange, routing_key: String::new() }],
        ..Topology::default()
    };
    broker.declare(&topology).await.unwrap();
    publish_all(&broker, vec![to("", &grave, "twice dead")]).await;
    for queue in [&grave, &place.queue] {
        let mut deliveries = broker.consume(queue, 1).await.unwrap();
        let delivery = next(&mut deliveries).await;
        assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);
    }
    let mut dead = broker.consume(&place.dead, 1).await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!((text(&letter).as_str(), first_death(&letter)), ("twice dead", ["", &grave, "rejected"]));
}

/// Where there is no way for dead letters, what is rejected is gone.
pub async fn without_dead_letters_the_rejected_is_gone(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let queue = unique("queue");
    let queues = vec![Queue { name: queue.clone(), dead_letter_exchange: None }];
    broker.declare(&Topology { queues, ..Topology::default() }).await.unwrap();
    publish_all(&broker, vec![to("", &queue, "bad"), to("", &queue, "good")]).await;
    let mut deliveries = broker.consume(&queue, 1).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert!(deliveries.settle(delivery.tag, Settle::DeadLetter).await);
    let delivery = next(&mut deliveries).await;
    assert_eq!(text(&delivery), "good");
    assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    drop(deliveries);
    wait_for_depth(&broker, &queue, 0).await;
}

/// What is given back without end goes to the dead letters in the end. (RabbitMQ counts each give-back up to 4.2.)
pub async fn endless_give_backs_end_in_the_dead_letters(fixture: &dyn Fixture) {
    let broker = fixture.connect().await;
    let place = Place::declare(&broker).await;
    let headers: Headers = [("attempt".to_owned(), "1".to_owned())].into();
    let properties = Properties { headers, ..Properties::default() };
    publish_all(&broker, vec![Publication { properties, ..place.message("poison") }]).await;
    let mut deliveries = broker.consume(&place.queue, 1).await.unwrap();
    let mut dead = broker.consume(&place.dead, 1).await.unwrap();
    let bounce = async {
        let mut delivered = 0;
        loop {
            tokio::select! {
                delivery = deliveries.next() => {
                    delivered += 1;
                    let tag = delivery.expect("the stream ended").tag;
                    assert!(deliveries.settle(tag, Settle::GiveBack).await);
                }
                letter = dead.next() => return (delivered, letter.expect("the stream ended")),
            }
        }
    };
    let (delivered, letter) = soon(bounce).await;
    // The first delivery, and one for each give-back that is allowed.
    assert_eq!(delivered, crate::topology::DELIVERY_LIMIT + 1);
    assert_eq!(first_death(&letter), [place.exchange.as_str(), &place.queue, "delivery_limit"]);
    assert_eq!((text(&letter).as_str(), &letter.properties.headers["attempt"]), ("poison", &"1".to_owned()));
    wait_for_depth(&broker, &place.queue, 0).await;
}
