//! The fold against a small world that keeps rows, runs timers and plays workers; every fold is audited.
#![allow(clippy::unwrap_used, reason = "tests")]

mod abandoned;
mod batch_sizes;
mod cancels;
mod chaos;
mod data_import;
mod deferred;
mod ends;
mod events;
mod fanout;
mod faults;
mod golden;
mod milestones;
mod nested;
mod order;
mod pauses;
mod play;
mod process_new_scenes;
mod repeats;
mod replays;
mod retries;
mod shapes;
mod signals;
mod skips;
mod tape;
mod world;

use super::simulation::{archive, audit, store};
