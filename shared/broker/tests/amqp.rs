//! What the trait promises while connections to RabbitMQ break, freeze or are blocked.

#![allow(clippy::unwrap_used, reason = "tests")]

mod amqp {
    pub(crate) mod proxy;
    pub(crate) mod site;
}

mod recovery;
