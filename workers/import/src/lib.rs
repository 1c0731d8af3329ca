//! The import worker: validates, processes and indexes folders of CSV, TSV, JSON and NDJSON files.

pub mod cleanup;
pub mod cli;
pub mod fault;
pub mod generate;
pub mod index;
pub mod jobs;
pub mod layout;
pub mod limits;
pub mod meter;
pub mod process;
pub mod roots;
pub mod row_schema;
pub mod rows;
pub mod source;
pub mod text;
pub mod validate;

use drover_worker::{Worker, WorkerBuilder};

use crate::{
    jobs::{CleanupTemp, IndexData, ProcessImport, ValidateImport},
    roots::Roots,
};

/// The worker with all of its jobs, which touch nothing outside of `roots`.
#[must_use]
pub fn worker(roots: &Roots) -> WorkerBuilder {
    Worker::builder("drover-import-worker")
        .version(env!("CARGO_PKG_VERSION"))
        .job(ValidateImport { roots: roots.clone() })
        .job(ProcessImport { roots: roots.clone() })
        .job(IndexData { roots: roots.clone() })
        .job(CleanupTemp { roots: roots.clone() })
}
