//! The wire contract, from outside: documents, examples, round trips and refusals.
#![allow(clippy::unwrap_used, reason = "tests")]

mod documents;
mod evolution;
mod examples;
mod refusals;
mod round_trips;
mod strategies;
