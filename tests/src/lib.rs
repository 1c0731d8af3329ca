//! The test harness: real servers, real processes, and nothing left behind.
//!
//! A test takes a database and a vhost of its own, runs the workspace's binaries against them and waits for what it
//! expects. Tests may run in parallel, as threads of one process (`cargo test`) or as processes (`cargo nextest`).
//!
//! ```no_run
//! use drover_tests::{Database, Process, Vhost, wait};
//! use std::time::Duration;
//!
//! # async fn a_test() -> anyhow::Result<()> {
//! let (database, vhost) = (Database::create().await?, Vhost::create().await?);
//! let mut orchestrator = Process::spawn("drover-orchestrator", |command| {
//!     command.env("DROVER__DATABASE__URL", database.url()).env("DROVER__AMQP__URL", vhost.url());
//! })?;
//! orchestrator.wait_for_line("listening", Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The servers are those that the environment names ([`servers`]), else private ones of `scripts/servers`, which the
//! first test starts.

mod binary;
pub mod browser;
mod claim;
pub mod collector;
mod database;
pub mod fleet;
pub mod ledger;
mod management;
mod peer;
pub mod plain;
mod process;
mod proxy;
mod servers;
mod spawn;
mod teardown;
mod vhost;
pub mod wait;

pub use binary::binary;
pub use browser::Browser;
pub use collector::Collector;
pub use database::Database;
pub use fleet::Fleet;
pub use management::Management;
pub use nix::sys::signal::Signal;
pub use peer::{Peer, python_with_pika};
pub use process::{Process, free_port};
pub use proxy::{Mode, Proxy};
pub use servers::{Servers, servers};
pub use vhost::Vhost;
