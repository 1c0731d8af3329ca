//! Tests of the media worker: jobs as a worker calls them, on real videos, with real ffmpeg and a real database.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod cancels;
mod cleanup;
mod cli;
mod database;
mod definition;
mod downloads;
mod links;
mod plans;
mod previews;
mod replans;
mod scan;
mod support;
mod whole;
