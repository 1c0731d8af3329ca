//! What a Drover worker is built on: implement [`Job`] for each job type, hand them to [`Worker`], run it.
//!
//! The way of a job through this crate: `lane` takes its message and a permit, `table` notes that it is held,
//! `reporter` says `started` and acknowledges the message when that is confirmed, `execute` runs the handler, `ending`
//! says how it ended, and the reporter carries that to the broker. `control` hears of cancels meanwhile, and `heartbeat`
//! keeps the lease.

mod child;
mod config;
mod context;
mod control;
mod ending;
mod error;
mod execute;
mod heartbeat;
mod isolation;
mod items;
mod job;
mod lane;
mod lease;
mod logs;
mod panics;
mod pauses;
mod permits;
mod process;
mod progress;
mod registry;
mod reporter;
mod run;
mod session;
mod sink;
mod spans;
mod state;
mod table;
pub mod text;
mod tombstones;
mod worker;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;

pub mod testing;

pub use child::JobChild;
pub use config::{AmqpSection, WorkerConfig, WorkerSection};
pub use context::JobContext;
pub use drover_protocol::{JobError, LogLevel, ProgressReport};
pub use error::JobFailure;
pub use job::{Job, Outcome};
pub use logs::job_log_layer;
pub use registry::RegistryError;
pub use worker::{Worker, WorkerBuilder, WorkerError};
