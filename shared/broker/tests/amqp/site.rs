//! A vhost, a connection to it, and a queue.

use std::{future::Future, sync::Arc, time::Duration};

use drover_broker::{
    Binding, Broadcasts, Broker, Deliveries, Delivery, Exchange, ExchangeKind, Heard, Properties, Publication, Queue,
    Topology,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_tests::{
    Vhost,
    wait::{self, Seen},
};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The queue that every site declares, and its exchange.
pub(crate) const QUEUE: &str = "numbers";
pub(crate) const EXCHANGE: &str = "numbers.exchange";

pub(crate) struct Site {
    pub(crate) vhost: Vhost,
    pub(crate) broker: Arc<AmqpBroker>,
}

/// Settings under which trouble is noticed soon.
pub(crate) fn config(url: &str) -> AmqpConfig {
    let mut config = AmqpConfig::new(url, "site");
    config.publish_timeout = Duration::from_secs(2);
    config.operation_timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(2);
    config.heartbeat = Duration::from_secs(1);
    config.reconnect_max = Duration::from_secs(1);
    config.idle_renewal = Duration::from_secs(3);
    config
}

impl Site {
    pub(crate) async fn new() -> Self {
        let vhost = Vhost::create().await.unwrap();
        let broker = AmqpBroker::connect(config(vhost.url())).await.unwrap();
        broker.declare(&topology()).await.unwrap();
        Self { vhost, broker }
    }

    /// Closes every connection to the vhost from the broker's side, and says how many there were.
    pub(crate) async fn force_close(&self) -> usize {
        let management = self.vhost.management();
        let list = format!("vhosts/{}/connections", self.vhost.name());
        // The management's lists follow with a delay.
        let names = wait::until("connections to close", PATIENCE, async || {
            let connections = management.get(&list).await?;
            let name = |connection: &serde_json::Value| connection["name"].as_str().map(str::to_owned);
            let names: Vec<String> = connections.as_array().into_iter().flatten().filter_map(name).collect();
            Ok(if names.len() >= 2 { Seen::Yes(names) } else { Seen::not_yet(format!("{} of 2", names.len())) })
        });
        let names = names.await.unwrap();
        for name in &names {
            let path = format!("connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
            management.delete(&path).await.unwrap();
        }
        names.len()
    }

    pub(crate) async fn fill(&self, count: usize) {
        for outcome in self.broker.publish((0..count).map(message).collect()).await {
            outcome.unwrap();
        }
    }

    /// A queue's number of messages, unsettled ones included, as the management knows it.
    pub(crate) async fn delete_queue(&self, queue: &str) {
        self.vhost.management().delete(&format!("queues/{}/{queue}", self.vhost.name())).await.unwrap();
    }
}

pub(crate) fn topology() -> Topology {
    Topology {
        exchanges: vec![Exchange { name: EXCHANGE.to_owned(), kind: ExchangeKind::Direct }],
        queues: vec![Queue { name: QUEUE.to_owned(), dead_letter_exchange: None }],
        bindings: vec![Binding {
            queue: QUEUE.to_owned(),
            exchange: EXCHANGE.to_owned(),
            routing_key: QUEUE.to_owned(),
        }],
    }
}

/// A message to the queue whose body is the number.
pub(crate) fn message(number: usize) -> Publication {
    Publication {
        exchange: EXCHANGE.to_owned(),
        routing_key: QUEUE.to_owned(),
        body: number.to_string().into(),
        properties: Properties::default(),
        mandatory: true,
    }
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen in time")
}

pub(crate) async fn next(deliveries: &mut Box<dyn Deliveries>) -> Delivery {
    soon(deliveries.next()).await.expect("the stream ended")
}

pub(crate) fn number(delivery: &Delivery) -> usize {
    std::str::from_utf8(&delivery.body).unwrap().parse().unwrap()
}

pub(crate) async fn listening(broadcasts: &mut Box<dyn Broadcasts>) -> String {
    match soon(broadcasts.next()).await.expect("the stream ended") {
        Heard::Listening { queue } => queue,
        Heard::Message(message) => panic!("heard {message:?} before it listens"),
    }
}

/// Publishes until the broker has it.
pub(crate) async fn publish_surely(broker: &Arc<AmqpBroker>, publication: Publication) {
    soon(async { while broker.publish(vec![publication.clone()]).await != [Ok(())] {} }).await;
}

pub(crate) async fn wait_until_ready(broker: &Arc<AmqpBroker>, ready: bool) {
    wait::until("readiness", PATIENCE, async || {
        Ok(if broker.is_ready() == ready { Seen::Yes(()) } else { Seen::not_yet(broker.is_ready()) })
    })
    .await
    .unwrap();
}
