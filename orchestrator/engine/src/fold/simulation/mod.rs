//! A small world around the fold: rows in memory, workflows of any shape, the audit of what must hold after every fold, and
//! the replay of what was kept. For tests and for the simulation (feature `simulation`).
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

pub mod archive;
pub mod audit;
pub mod catalog;
mod seeded;
pub mod shapes;
pub mod store;
pub mod tape;

pub use seeded::Seeded;
