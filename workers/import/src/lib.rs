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
