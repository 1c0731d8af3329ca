//! The conformance suite against RabbitMQ.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use drover_broker::{
    Broker,
    amqp::{AmqpBroker, AmqpConfig},
    conformance::Fixture,
};
use drover_tests::Vhost;

struct RabbitMq(Vhost);

#[async_trait]
impl Fixture for RabbitMq {
    async fn connect(&self) -> Arc<dyn Broker> {
        AmqpBroker::connect(AmqpConfig::new(self.0.url(), "c")).await.unwrap()
    }
}

async fn rabbitmq() -> RabbitMq {
    RabbitMq(Vhost::create().await.unwrap())
}

drover_broker::conformance_tests!(rabbitmq);
