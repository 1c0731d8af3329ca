//! Tests of the import worker: jobs as a worker calls them, on real files.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "tests")]

mod cleanup;
mod cli;
mod definition;
mod formats;
mod index;
mod process;
mod repeat;
mod support;
mod validate;
mod whole;
