//! The broker of the system: in this process, or a real one.

use std::sync::Arc;

use drover_broker::{
    Broker, BrokerError,
    amqp::{AmqpBroker, AmqpConfig, redact},
    memory::MemoryBroker,
};
use secrecy::{ExposeSecret as _, SecretString};

/// Where connections come from.
pub(crate) enum Brokers {
    /// In this process.
    Here(Arc<MemoryBroker>),
    /// RabbitMQ, and its address without the password.
    Amqp(Box<AmqpConfig>, String),
}

impl Brokers {
    pub(crate) fn choose(amqp_url: Option<&SecretString>, prefix: &str) -> Self {
        match amqp_url {
            None => Self::Here(MemoryBroker::new()),
            Some(url) => {
                let url = url.expose_secret();
                Self::Amqp(Box::new(AmqpConfig::new(url, prefix)), redact(url))
            }
        }
    }

    pub(crate) async fn connect(&self) -> Result<Arc<dyn Broker>, BrokerError> {
        match self {
            Self::Here(broker) => Ok(broker.connect()),
            Self::Amqp(config, _) => Ok(AmqpBroker::connect((**config).clone()).await?),
        }
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Here(_) => "in this process".into(),
            Self::Amqp(_, address) => address.clone(),
        }
    }
}
