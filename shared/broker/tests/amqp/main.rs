//! What the trait promises while connections to RabbitMQ break, freeze or are blocked.

#![allow(clippy::unwrap_used, reason = "tests")]

mod blocked;
mod breaks;
mod outages;
mod site;
mod tls;
