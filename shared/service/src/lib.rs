//! The edge of every Drover process: configuration, telemetry, shutdown, retry.

pub mod config;
pub mod retry;
pub mod shutdown;
pub mod telemetry;
