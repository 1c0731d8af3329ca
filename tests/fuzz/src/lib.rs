//! Arbitrary and mutated bytes for everything that reads what others wrote: messages, definitions, expressions, names, files.
//!
//! A [`Target`] is a function of bytes that panics when a promise is broken. Its inputs are the files of `corpus/<target>`,
//! among them every input that ever broke one, and what [`inputs`] makes of them. `scripts/test` runs a few thousand of
//! them, always the same; `scripts/fuzz` runs new ones for as long as it is told to, and keeps what it finds in the corpus.

mod corpus;
mod mutate;
mod run;
mod targets;

pub use corpus::{corpus, corpus_folder};
pub use mutate::inputs;
pub use run::{Finding, Seed, run};
pub use targets::{TARGETS, Target};
