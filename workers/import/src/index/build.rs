//! Builds the index of a run beside its place, then swaps it in.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tantivy::{Index, IndexWriter, TantivyDocument, TantivyError};

use super::{Fields, row_text, swap};
use crate::{
    layout::{ROWS_ENDING, RunFolders, RunId, TEMP_PREFIX, index_folder, index_temp_folder},
    limits::{MAX_INDEX_THREADS, MIN_WRITER_HEAP_MIB, READ_BUFFER_BYTES},
    meter::{Cancelled, Meter},
    text,
};

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexResult {
    /// Rows in the index.
    pub indexed_rows: u64,
    /// Segments of the index.
    pub segments: u64,
    /// Size of the index on disk, in bytes.
    pub index_bytes: u64,
    /// The folder of this run's index; `current` beside it leads here.
    pub index_path: String,
}

/// Why no index was built. The index that stood there before is still in its place.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The job was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There are no rows.
    #[error("output_path: no rows of this run at {path} ({source}); run process_import for it first")]
    NoRows {
        /// Where they should be.
        path: String,
        /// Why they are not.
        source: io::Error,
    },
    /// A file of rows holds something else.
    #[error("row {row} of {path} is damaged ({reason}); run process_import again to write the file anew")]
    Damaged {
        /// The file.
        path: String,
        /// The row, from 1.
        row: u64,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The index could not be written.
    #[error("cannot write the index: {0}")]
    Index(#[from] TantivyError),
}

/// What is to be indexed, and where to.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// Where the run's rows are.
    pub output_path: &'r Path,
    /// Where the indexes of all runs are.
    pub index_path: &'r Path,
    /// The run.
    pub run: &'r RunId,
    /// Memory of the writer over all its threads, in MiB; full buffers become segments.
    pub writer_heap_mib: u32,
}

/// Indexes all rows of a run. The finished index takes its place at once; a run indexed again replaces its index.
///
/// # Errors
/// [`BuildError`].
pub fn build_index(request: &Request<'_>, meter: &Meter) -> Result<IndexResult, BuildError> {
    let files = rows_files(&RunFolders::of(request.output_path, request.run).rows)?;
    meter.say("Counting rows");
    let (bytes, rows) = count_rows(&files, meter)?;
    meter.expect(bytes, rows);

    let temp_root = index_temp_folder(request.index_path, request.run);
    let in_temp = io_error("make a folder in", &temp_root);
    std::fs::create_dir_all(&temp_root).map_err(&in_temp)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix("build-");
    // A finished index is as readable as the umask lets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let temp = builder.tempdir_in(&temp_root).map_err(&in_temp)?;

    meter.say("Indexing rows");
    let (indexed_rows, segments) = write_index(request.writer_heap_mib, &files, temp.path(), meter)?;
    meter.check()?;
    meter.say("Putting the index in its place");
    let index_bytes = folder_bytes(temp.path());
    let place = index_folder(request.index_path, request.run);
    swap::put_in_place(temp, &place).map_err(io_error("put the index at", &place))?;
    swap::point_current(request.index_path, request.run).map_err(io_error("point `current` to", &place))?;
    // Empty unless another attempt is at work there.
    let _ = std::fs::remove_dir(&temp_root);
    Ok(IndexResult { indexed_rows, segments, index_bytes, index_path: text::path(&place) })
}

/// The finished files of rows, sorted, so that two runs index in the same order.
fn rows_files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let no_rows = |source| BuildError::NoRows { path: text::path(folder), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(no_rows)? {
        let path = entry.map_err(no_rows)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(ROWS_ENDING) && !name.starts_with(TEMP_PREFIX) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Bytes and rows of the files: what the progress is measured by. A row is a line.
fn count_rows(files: &[PathBuf], meter: &Meter) -> Result<(u64, u64), BuildError> {
    let (mut bytes, mut rows) = (0, 0);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    for path in files {
        let read_error = io_error("read", path);
        let mut file = File::open(path).map_err(&read_error)?;
        loop {
            meter.check()?;
            let count = file.read(&mut buffer).map_err(&read_error)?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            rows += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
        }
    }
    Ok((bytes, rows))
}

/// Writes the whole index into an empty folder: one commit at the end, then all merges.
fn write_index(heap_mib: u32, files: &[PathBuf], folder: &Path, meter: &Meter) -> Result<(u64, u64), BuildError> {
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_dir(folder, schema)?;
    let heap_mib = heap_mib.max(MIN_WRITER_HEAP_MIB) as usize;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(MAX_INDEX_THREADS).min(heap_mib / MIN_WRITER_HEAP_MIB as usize).max(1);
    let mut writer: IndexWriter = index.writer_with_num_threads(threads, heap_mib * 1024 * 1024)?;
    let mut rows = 0;
    for path in files {
        rows += add_file(path, &writer, fields, meter)?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    Ok((rows, index.searchable_segment_ids()?.len() as u64))
}

fn add_file(path: &Path, writer: &IndexWriter, fields: Fields, meter: &Meter) -> Result<u64, BuildError> {
    let read_error = io_error("read", path);
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(path).map_err(&read_error)?);
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (mut line, mut body, mut rows) = (Vec::new(), String::new(), 0);
    loop {
        meter.check()?;
        line.clear();
        let count = reader.read_until(b'\n', &mut line).map_err(&read_error)?;
        if count == 0 {
            return Ok(rows);
        }
        rows += 1;
        let damaged = |reason: String| BuildError::Damaged { path: text::path(path), row: rows, reason };
        let row = std::str::from_utf8(&line).map_err(|error| damaged(error.to_string()))?.trim_end();
        body.clear();
        let source = row_text::read_row(row, &mut body).map_err(|error| damaged(error.to_string()))?;
        let mut document = TantivyDocument::new();
        document.add_text(fields.id, format!("{name}:{rows}"));
        document.add_text(fields.file, &source.file);
        document.add_u64(fields.line, source.line);
        document.add_text(fields.body, &body);
        document.add_text(fields.row, row);
        writer.add_document(document)?;
        meter.add_bytes(count as u64);
        meter.add_units(1);
    }
}

/// The size of the files in a folder, without locks and other hidden files.
fn folder_bytes(folder: &Path) -> u64 {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file() && !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> BuildError {
    let path = text::path(path);
    move |source| BuildError::Io { doing, path: path.clone(), source }
}
