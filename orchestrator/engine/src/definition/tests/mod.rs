//! Definitions as people write them, right and wrong.

#![allow(clippy::unwrap_used, reason = "tests")]

mod examples;
mod golden;
mod input;
mod schedule;
mod stored;

pub(super) const DATA_IMPORT: &str = include_str!("data_import.yaml");
pub(super) const PROCESS_NEW_SCENES: &str = include_str!("process_new_scenes.yaml");
