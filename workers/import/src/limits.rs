//! The limits of the import worker. Every buffer and list has one, so that no input makes a worker grow.

/// Longest record (CSV record, NDJSON line, element of a JSON array), in bytes. A longer one is a bad row, skipped
/// without being held in memory. Rows of real data sets stay far below; an unclosed quote does not.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// Size of the read buffer per open file, in bytes. Cancel is looked for at each refill.
pub const READ_BUFFER_BYTES: usize = 128 * 1024;
/// Size of the write buffer per output file, in bytes.
pub const WRITE_BUFFER_BYTES: usize = 256 * 1024;
/// Longest message of one error, in bytes: values out of the data are quoted in it.
pub const ERROR_MESSAGE_BYTES: usize = 400;
/// Most of a rejected row that is kept beside its reason, in bytes.
pub const REJECT_RAW_BYTES: usize = 64 * 1024;
/// Errors listed per bad file unless the job says otherwise.
pub const DEFAULT_ERRORS_PER_FILE: u32 = 20;
/// Most errors per bad file that a job may ask for.
pub const MAX_ERRORS_PER_FILE: u32 = 1_000;
/// How much of the list of bad files stands in the result itself, in bytes of JSON. The full list travels as items.
pub const BAD_FILES_IN_RESULT_BYTES: usize = 128 * 1024;
/// Warnings listed in an outcome.
pub const WARNINGS: usize = 20;
/// Errors listed in the result of a batch; the rest is counted.
pub const BATCH_ERRORS: usize = 100;
/// Memory of the index writer over all its threads, in MiB, unless the job says otherwise.
pub const DEFAULT_WRITER_HEAP_MIB: u32 = 128;
/// Smallest memory of the index writer, in MiB: below it tantivy refuses a thread.
pub const MIN_WRITER_HEAP_MIB: u32 = 16;
/// Largest memory of the index writer, in MiB: tantivy's own bound per thread.
pub const MAX_WRITER_HEAP_MIB: u32 = 4_000;
/// Most threads of the index writer.
pub const MAX_INDEX_THREADS: usize = 4;
