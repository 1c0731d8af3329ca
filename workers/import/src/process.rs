//! Turns source files into files of typed rows, one for one, so that a crash or a repeat at any moment does no harm: an
//! output is written under a temporary name of its own, synced, and then renamed.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::{
    fault::{Fault, FaultKind, ReadError},
    layout::{RunFolders, TEMP_PREFIX, output_name},
    limits::{BATCH_ERRORS, REJECT_RAW_BYTES, WRITE_BUFFER_BYTES},
    meter::Meter,
    row_schema::RowSchema,
    rows::{BadRow, Record, Row, RowReader, SOURCE_FIELD},
    source::{KNOWN_ENDINGS, SourceFile},
    text,
};

/// What became of a batch of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchResult {
    /// Files whose rows are written.
    pub files: u64,
    /// Files that could not be read.
    pub failed_files: u64,
    /// Rows written.
    pub rows: u64,
    /// Rows rejected, with their reasons in the rejects files.
    pub rejected: u64,
    /// Bytes of rows and rejects written.
    pub bytes_written: u64,
    /// Why files failed: the first of them.
    pub errors: Vec<FileError>,
}

/// Why a file failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileError {
    /// Absolute path of the source file.
    pub file: String,
    /// `io`, or what else kept the file from being read to its end.
    pub kind: FaultKind,
    /// A sentence for people.
    pub message: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// Why a batch stopped. What it had finished by then stays, and is counted in the result beside this.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The output cannot be written.
    #[error("cannot write {path}: {source}")]
    Output {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A rejected row as it stands in the rejects file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reject {
    /// Absolute path of the source file.
    pub file: String,
    /// The line the row begins on.
    pub line: u64,
    /// What kind of fault.
    pub kind: FaultKind,
    /// What is wrong with it.
    pub reason: String,
    /// The row as it was, at most [`REJECT_RAW_BYTES`] of it; NUL is shown as `␀`, and what is no UTF-8 as `�`.
    pub raw: String,
}

/// Processes the files one after the other. The second value is `Some` if it stopped before the end.
pub fn process_batch(
    files: &[SourceFile],
    folders: &RunFolders,
    schema: Option<&RowSchema>,
    meter: &Meter,
) -> (BatchResult, Option<Stopped>) {
    let mut result = BatchResult::default();
    let stopped = run_batch(files, folders, schema, meter, &mut result).err();
    (result, stopped)
}

fn run_batch(
    files: &[SourceFile],
    folders: &RunFolders,
    schema: Option<&RowSchema>,
    meter: &Meter,
    result: &mut BatchResult,
) -> Result<(), Stopped> {
    for folder in [&folders.rows, &folders.rejects] {
        std::fs::create_dir_all(folder).map_err(output_error(folder))?;
    }
    for file in files {
        meter.say(format!("Processing {}", text::quotable(&file.path, 300)));
        let name = output_name(&file.path);
        let mut output = Output::begin(folders, name)?;
        match convert(file, schema, meter, &mut output) {
            Ok(()) => output.finish(result)?,
            Err(Broken::Read(ReadError::Cancelled)) => return Err(Stopped::Cancelled),
            Err(Broken::Read(ReadError::Fault(fault))) => {
                output.give_up()?;
                result.failed_files += 1;
                if result.errors.len() < BATCH_ERRORS {
                    result.errors.push(file_error(file, fault));
                }
            }
            Err(Broken::Write(stopped)) => return Err(stopped),
        }
        meter.add_units(1);
    }
    // The names, too, must survive a power failure before the batch is reported as done.
    for folder in [&folders.rows, &folders.rejects, &folders.run] {
        sync_folder(folder).map_err(output_error(folder))?;
    }
    Ok(())
}

fn file_error(file: &SourceFile, fault: Fault) -> FileError {
    let retryable = fault.kind == FaultKind::Io;
    FileError { file: file.path.clone(), kind: fault.kind, message: fault.to_string(), retryable }
}

enum Broken {
    Read(ReadError),
    Write(Stopped),
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

fn convert(
    file: &SourceFile,
    schema: Option<&RowSchema>,
    meter: &Meter,
    output: &mut Output<'_>,
) -> Result<(), Broken> {
    let Some((format, compression)) = file.shape() else {
        let message = format!("its ending is not known ({KNOWN_ENDINGS}), and `format` is not given");
        return Err(ReadError::Fault(Fault::of_file(FaultKind::Format, message)).into());
    };
    let mut reader = RowReader::open(Path::new(&file.path), format, compression, meter)?;
    let source = RowSource::of(&file.path);
    let mut json = Vec::new();
    while let Some(record) = reader.next_record()? {
        match record {
            Record::Bad(bad) => output.reject(&file.path, &bad).map_err(Broken::Write)?,
            Record::Row(row) => {
                json.clear();
                row.write_json(&mut json);
                if let Some(message) = schema.and_then(|schema| schema.complaint(&json)) {
                    let bad = BadRow { line: row.line, kind: FaultKind::Schema, message, raw: row.raw.as_bytes() };
                    output.reject(&file.path, &bad).map_err(Broken::Write)?;
                } else {
                    source.append_to(&mut json, &row);
                    output.row(&json).map_err(Broken::Write)?;
                }
            }
        }
    }
    Ok(())
}

/// Says in each row where it came from: `"_source":{"file":…,"line":…}`.
struct RowSource {
    before_line: Vec<u8>,
}

impl RowSource {
    fn of(path: &str) -> Self {
        let file = serde_json::Value::from(path);
        Self { before_line: format!("\"{SOURCE_FIELD}\":{{\"file\":{file},\"line\":").into_bytes() }
    }

    fn append_to(&self, json: &mut Vec<u8>, row: &Row<'_>) {
        json.pop();
        // An object of one line keeps its blanks: `{ }` is empty, too.
        json.truncate(json.trim_ascii_end().len());
        if json.last() != Some(&b'{') {
            json.push(b',');
        }
        json.extend_from_slice(&self.before_line);
        json.extend_from_slice(row.line.to_string().as_bytes());
        json.extend_from_slice(b"}}\n");
    }
}

/// The two output files of a source file, under temporary names until [`Output::finish`]. Dropping it removes them.
struct Output<'f> {
    folders: &'f RunFolders,
    name: String,
    rows: TempWriter,
    rejects: Option<TempWriter>,
}

impl<'f> Output<'f> {
    fn begin(folders: &'f RunFolders, name: String) -> Result<Self, Stopped> {
        let rows = TempWriter::new(&folders.rows)?;
        Ok(Self { folders, name, rows, rejects: None })
    }

    fn row(&mut self, line: &[u8]) -> Result<(), Stopped> {
        self.rows.write(line)
    }

    fn reject(&mut self, file: &str, bad: &BadRow<'_>) -> Result<(), Stopped> {
        let reject = Reject {
            file: file.to_owned(),
            line: bad.line,
            kind: bad.kind,
            reason: text::quotable(&bad.message, crate::limits::ERROR_MESSAGE_BYTES),
            raw: text::raw(bad.raw, REJECT_RAW_BYTES),
        };
        let writer = match &mut self.rejects {
            Some(writer) => writer,
            none => none.insert(TempWriter::new(&self.folders.rejects)?),
        };
        let mut line = serde_json::to_vec(&reject)
            .map_err(|error| Stopped::Output { path: text::path(&self.folders.rejects), source: error.into() })?;
        line.push(b'\n');
        writer.write(&line)
    }

    /// Gives both files their names. The rows come last: where they are, the rejects are, too.
    fn finish(self, result: &mut BatchResult) -> Result<(), Stopped> {
        let rejects_path = self.folders.rejects.join(&self.name);
        match self.rejects {
            None => remove_if_there(&rejects_path)?,
            Some(rejects) => {
                result.rejected += rejects.lines;
                result.bytes_written += rejects.bytes;
                rejects.persist(&rejects_path)?;
            }
        }
        result.rows += self.rows.lines;
        result.bytes_written += self.rows.bytes;
        self.rows.persist(&self.folders.rows.join(&self.name))?;
        result.files += 1;
        Ok(())
    }

    /// Removes what an earlier attempt wrote for a file that now cannot be read: the folder holds what is reported.
    fn give_up(self) -> Result<(), Stopped> {
        remove_if_there(&self.folders.rows.join(&self.name))?;
        remove_if_there(&self.folders.rejects.join(&self.name))
    }
}

/// A file under a name that no other attempt uses; removed on drop unless persisted.
struct TempWriter {
    writer: BufWriter<NamedTempFile>,
    lines: u64,
    bytes: u64,
}

impl TempWriter {
    fn new(folder: &Path) -> Result<Self, Stopped> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX);
        // Readable for whom the umask lets; a temporary file would else stay private for ever.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(output_error(folder))?;
        Ok(Self { writer: BufWriter::with_capacity(WRITE_BUFFER_BYTES, file), lines: 0, bytes: 0 })
    }

    fn write(&mut self, line: &[u8]) -> Result<(), Stopped> {
        self.lines += 1;
        self.bytes += line.len() as u64;
        let Self { writer, .. } = self;
        writer.write_all(line).map_err(|source| {
            let path = text::path(writer.get_ref().path());
            Stopped::Output { path, source }
        })
    }

    fn persist(self, path: &Path) -> Result<(), Stopped> {
        let file = self.writer.into_inner().map_err(|error| output_error(path)(error.into_error()))?;
        file.as_file().sync_all().map_err(output_error(path))?;
        file.persist(path).map_err(|error| output_error(path)(error.error))?;
        Ok(())
    }
}

fn output_error(path: &Path) -> impl Fn(io::Error) -> Stopped {
    let path: PathBuf = path.to_path_buf();
    move |source| Stopped::Output { path: text::path(&path), source }
}

fn remove_if_there(path: &Path) -> Result<(), Stopped> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(output_error(path)(error)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
