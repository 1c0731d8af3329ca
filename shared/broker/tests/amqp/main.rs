//! What the trait promises while connections to RabbitMQ break, freeze or are blocked.

#![allow(clippy::unwrap_used, reason = "tests")]

mod blocked;
mod breaks;
mod outages;
mod proxy;
mod site;
mod tls;
