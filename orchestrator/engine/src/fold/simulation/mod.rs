//! A small world around the fold, kept in memory: the rows, the answers to what a fold asks for, workflows of any shape, and
//! the audit of what must hold after every fold. For tests and for the simulation (feature `simulation`).
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod answers;
pub mod audit;
pub mod catalog;
mod seeded;
pub mod shapes;
pub mod store;
pub mod tape;

pub use seeded::Seeded;
