//! The orchestrator: accepts jobs, dispatches them, folds their events.

pub mod access;
pub mod app;
pub mod bulk;
pub mod changes;
pub mod config;
pub mod duty;
pub(crate) mod files;
pub mod gather;
pub mod http;
pub mod intake;
pub mod live;
mod loops;
pub mod metrics;
pub mod prune;
pub mod recover;
pub mod redrive;
pub mod relay;
pub mod retention;
pub mod run;
pub mod schedules;
pub mod store;
pub mod traces;
pub(crate) mod ui;
pub mod why;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod testing;
