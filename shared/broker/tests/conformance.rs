//! The conformance suite against each broker.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use drover_broker::{Broker, conformance::Fixture};

mod amqp {
    use drover_broker::amqp::{AmqpBroker, AmqpConfig};
    use drover_tests::Vhost;

    use super::{Arc, Broker, Fixture, async_trait};

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
}

mod memory {
    use drover_broker::memory::MemoryBroker;

    use super::{Arc, Broker, Fixture, async_trait};

    struct InProcess(Arc<MemoryBroker>);

    #[async_trait]
    impl Fixture for InProcess {
        async fn connect(&self) -> Arc<dyn Broker> {
            self.0.connect()
        }
    }

    async fn in_process() -> InProcess {
        InProcess(MemoryBroker::new())
    }

    drover_broker::conformance_tests!(in_process);
}
