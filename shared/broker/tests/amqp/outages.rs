//! A broker that is not there, or does not answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drover_broker::{
    Broker, BrokerError, PublishError, Settle,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_tests::{Mode, Proxy, Vhost};

use crate::site::{QUEUE, config, listening, message, next, number, publish_surely, soon, topology, wait_until_ready};

struct Far {
    proxy: Proxy,
    broker: Arc<AmqpBroker>,
    _vhost: Vhost,
}

async fn far() -> Far {
    let vhost = Vhost::create().await.unwrap();
    let proxy = Proxy::amqp(vhost.url()).await.unwrap();
    let broker = AmqpBroker::connect(config(&proxy.url(vhost.url()))).await.unwrap();
    broker.declare(&topology()).await.unwrap();
    Far { proxy, broker, _vhost: vhost }
}

fn reason(outcomes: &[Result<(), PublishError>]) -> &str {
    match outcomes {
        [Err(PublishError::Unconfirmed { reason })] => reason,
        other => panic!("expected one unconfirmed message, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_noticed_and_everything_goes_on_afterwards() {
    let Far { proxy, broker, _vhost } = far().await;
    let mut deliveries = broker.consume(QUEUE, 1).await.unwrap();
    let mut broadcasts = broker.listen("amq.fanout", "").await.unwrap();
    listening(&mut broadcasts).await;
    publish_surely(&broker, message(1)).await;
    let held = next(&mut deliveries).await;

    proxy.set(Mode::Frozen);
    let start = Instant::now();
    let outcomes = broker.publish(vec![message(2)]).await;
    // A deadline to find a connection, another one for the confirm.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    reason(&outcomes);
    wait_until_ready(&broker, false).await;
    let reason = match broker.depth(QUEUE).await {
        Err(BrokerError::Unreachable { reason, .. }) => reason,
        other => panic!("the broker is frozen, and the depth is {other:?}"),
    };
    assert!(!reason.is_empty());

    proxy.set(Mode::Open);
    wait_until_ready(&broker, true).await;
    listening(&mut broadcasts).await;
    assert!(!deliveries.settle(held.tag, Settle::Ack).await);
    publish_surely(&broker, message(3)).await;
    let mut numbers = Vec::new();
    while !numbers.contains(&3) {
        let delivery = next(&mut deliveries).await;
        numbers.push(number(&delivery));
        assert!(deliveries.settle(delivery.tag, Settle::Ack).await);
    }
    assert!(numbers.contains(&1), "1 was not settled: {numbers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_waits_for_the_connection_as_long_as_its_deadline() {
    let Far { proxy, broker, _vhost } = far().await;
    proxy.set(Mode::Severed);
    wait_until_ready(&broker, false).await;
    let start = Instant::now();
    let outcomes = broker.publish(vec![message(1)]).await;
    assert!(reason(&outcomes).starts_with("not connected: "), "{outcomes:?}");
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(3), "{waited:?}");

    let late = Arc::clone(&broker);
    let waiting = tokio::spawn(async move { late.publish(vec![message(2)]).await });
    proxy.set(Mode::Open);
    assert_eq!(soon(waiting).await.unwrap(), [Ok(())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_an_outage_say_what_is_the_matter() {
    let Far { proxy, broker, _vhost } = far().await;
    proxy.set(Mode::Severed);
    wait_until_ready(&broker, false).await;
    let topology = topology();
    let errors = tokio::join!(
        broker.declare(&topology),
        async { broker.consume(QUEUE, 1).await.map(|_| ()) },
        async { broker.listen("amq.fanout", "").await.map(|_| ()) },
        async { broker.epoch().await.map(|_| ()) },
    );
    for error in [errors.0, errors.1, errors.2, errors.3] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("could not be reached within 5s") && text.contains(":***@127.0.0.1"), "{text}");
    }
    soon(broker.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_nobody_waits_for_still_gives_back() {
    let Far { proxy: _proxy, broker, _vhost } = far().await;
    for number in 0..10 {
        publish_surely(&broker, message(number)).await;
    }
    let mut saturated = broker.consume(QUEUE, 10).await.unwrap();
    let held = next(&mut saturated).await;
    {
        let mut pause = std::pin::pin!(saturated.pause());
        assert!(futures_util::poll!(&mut pause).is_pending());
    }
    let mut idle = broker.consume(QUEUE, 10).await.unwrap();
    for _ in 0..9 {
        let delivery = next(&mut idle).await;
        assert!(idle.settle(delivery.tag, Settle::Ack).await);
    }
    {
        let mut resume = std::pin::pin!(saturated.resume());
        assert!(futures_util::poll!(&mut resume).is_pending());
    }
    drop(idle);
    publish_surely(&broker, message(10)).await;
    let delivery = next(&mut saturated).await;
    assert_eq!(number(&delivery), 10);
    assert!(saturated.settle(held.tag, Settle::Ack).await);
    assert!(saturated.settle(delivery.tag, Settle::Ack).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_to_nobody_is_given_up_with_the_reason() {
    let vhost = Vhost::create().await.unwrap();
    let with = |url: String| AmqpConfig { startup_timeout: Duration::from_secs(1), ..config(&url) };

    let nobody = with("amqp://drover:s3cret@127.0.0.1:1/x".to_owned());
    let error = soon(AmqpBroker::connect(nobody)).await.err().unwrap().to_string();
    assert!(error.contains("refused") && error.contains("drover:***@127.0.0.1:1"), "{error}");

    let (before, after) = vhost.url().rsplit_once('@').unwrap();
    let stranger = format!("amqp://{}:s3cret@{after}", before.trim_start_matches("amqp://").split(':').next().unwrap());
    let error = soon(AmqpBroker::connect(with(stranger))).await.err().unwrap().to_string();
    assert!(error.contains("ACCESS") && !error.contains("s3cret"), "{error}");

    let no_vhost = with(format!("{before}@{}/no%20such%20vhost", after.split('/').next().unwrap()));
    let error = soon(AmqpBroker::connect(no_vhost)).await.err().unwrap().to_string();
    assert!(error.contains("no such vhost"), "{error}");
}
