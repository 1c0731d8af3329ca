//! Writes a realistic data set: orders in mixed formats, some files broken on purpose, with a manifest of what an
//! import of it must find. The same arguments give the same bytes.

mod broken;
mod content;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};

use crate::{
    fault::FaultKind,
    source::{Compression, Format},
    text,
};
use broken::Breakage;
use content::Random;

/// Most threads that write.
const MAX_THREADS: usize = 4;
/// Files per folder, as a person would keep them.
const FILES_PER_FOLDER: u64 = 100;

/// What is to be generated.
#[derive(Clone, Debug)]
pub struct Request {
    /// An empty or new folder.
    pub out: PathBuf,
    /// Files in all.
    pub files: u64,
    /// Rows in all good files together.
    pub rows: u64,
    /// How many of the files are broken.
    pub broken: u64,
    /// Another seed gives other data.
    pub seed: u64,
}

/// What an import of the data set must find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The folder.
    pub out: String,
    /// Files in all.
    pub files: u64,
    /// Files that are good.
    pub valid_files: u64,
    /// Files that are broken.
    pub broken_files: u64,
    /// Rows of all good files.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// The seed.
    pub seed: u64,
    /// A word that stands in exactly one row; absent if there are no rows.
    pub needle: Option<Needle>,
    /// The broken files, sorted by path.
    pub broken: Vec<BrokenFile>,
}

/// A word that stands in exactly one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needle {
    /// The word.
    pub word: String,
    /// Absolute path of the file.
    pub file: String,
    /// The line its row begins on.
    pub line: u64,
}

/// A file that is broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenFile {
    /// Absolute path.
    pub path: String,
    /// In which way.
    pub what: String,
    /// The kind of fault that validation must report first.
    pub kind: FaultKind,
}

/// Why no data set was written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The numbers do not fit together.
    #[error("{0}")]
    Numbers(String),
    /// There is something in the folder.
    #[error("--out: {0} is not empty; name a new folder, so that the manifest tells all that is in it")]
    NotEmpty(String),
    /// The system refused.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// One file to be written.
#[derive(Clone, Debug)]
struct Plan {
    path: PathBuf,
    format: Format,
    compression: Compression,
    rows: u64,
    random: Random,
    breakage: Option<Breakage>,
    /// The row (from 0) that holds the needle.
    needle: Option<(u64, String)>,
}

/// Writes the data set.
///
/// # Errors
/// [`GenerateError`]; what was written by then stays.
pub fn generate(request: &Request) -> Result<Manifest, GenerateError> {
    let out = prepare(request)?;
    let plans = plan(request, &out);
    let bytes = AtomicU64::new(0);
    let needle_line = AtomicU64::new(0);
    write_all(&plans, &bytes, &needle_line)?;
    let mut broken: Vec<BrokenFile> = plans
        .iter()
        .filter_map(|plan| {
            let breakage = plan.breakage?;
            Some(BrokenFile {
                path: text::path(&plan.path),
                what: breakage.describe().to_owned(),
                kind: breakage.fault(),
            })
        })
        .collect();
    broken.sort_by(|a, b| a.path.cmp(&b.path));
    let needle = plans.iter().find_map(|plan| {
        let (_, word) = plan.needle.as_ref()?;
        Some(Needle { word: word.clone(), file: text::path(&plan.path), line: needle_line.load(Relaxed) })
    });
    Ok(Manifest {
        out: text::path(&out),
        files: request.files,
        valid_files: request.files - request.broken,
        broken_files: request.broken,
        rows: request.rows,
        bytes: bytes.into_inner(),
        seed: request.seed,
        needle,
        broken,
    })
}

fn prepare(request: &Request) -> Result<PathBuf, GenerateError> {
    let numbers = |message: String| Err(GenerateError::Numbers(message));
    if request.broken > request.files {
        return numbers(format!("--broken: {} is more than --files {}", request.broken, request.files));
    }
    if request.rows > 0 && request.broken == request.files {
        return numbers(format!(
            "--rows: {} rows need at least one good file; raise --files or lower --broken",
            request.rows
        ));
    }
    let error = |source| GenerateError::Io { path: text::path(&request.out), source };
    std::fs::create_dir_all(&request.out).map_err(error)?;
    let out = request.out.canonicalize().map_err(error)?;
    if std::fs::read_dir(&out).map_err(error)?.next().is_some() {
        return Err(GenerateError::NotEmpty(text::path(&out)));
    }
    Ok(out)
}

fn plan(request: &Request, out: &Path) -> Vec<Plan> {
    let good_files = request.files - request.broken;
    let rows_of_good = |good: u64| share(request.rows, good_files, good);
    let average = request.rows.checked_div(good_files).unwrap_or(0).max(10);
    let mut seeds = Random::new(request.seed);
    let word = format!("needle{}", seeds.letters(10));
    // In the middle; where there are fewer rows than files, the first ones have them.
    let needle_file = good_files.min(request.rows) / 2;
    let (mut good, mut bad) = (0, 0);
    let mut plans = Vec::new();
    for number in 0..request.files {
        let is_broken = (number + 1) * request.broken / request.files > number * request.broken / request.files;
        let breakage = is_broken.then(|| Breakage::at(bad));
        let (format, compression) = breakage.map_or_else(|| shape(good), Breakage::shape);
        let rows = if is_broken { average } else { rows_of_good(good) };
        let has_needle = !is_broken && good == needle_file && rows > 0;
        plans.push(Plan {
            path: out.join(file_name(number, format, compression)),
            format,
            compression,
            rows,
            random: Random::new(seeds.next()),
            breakage,
            needle: has_needle.then(|| (rows / 2, word.clone())),
        });
        if is_broken { bad += 1 } else { good += 1 }
    }
    plans
}

/// The part of `total` that falls to one of `count` receivers: they differ by one at most.
fn share(total: u64, count: u64, index: u64) -> u64 {
    total / count + u64::from(index < total % count)
}

fn shape(good: u64) -> (Format, Compression) {
    let format = match good % 4 {
        0 => Format::Csv,
        1 => Format::Ndjson,
        2 => Format::Tsv,
        _ => Format::Json,
    };
    (format, if (good / 4).is_multiple_of(2) { Compression::None } else { Compression::Gzip })
}

fn file_name(number: u64, format: Format, compression: Compression) -> String {
    let packed = if compression == Compression::Gzip { ".gz" } else { "" };
    format!("batch-{:03}/orders-{number:05}.{}{packed}", number / FILES_PER_FOLDER, format.extension())
}

fn write_all(plans: &[Plan], bytes: &AtomicU64, needle_line: &AtomicU64) -> Result<(), GenerateError> {
    let next = AtomicU64::new(0);
    let work = || -> Result<(), GenerateError> {
        while let Some(plan) = usize::try_from(next.fetch_add(1, Relaxed)).ok().and_then(|index| plans.get(index)) {
            let written = writer::write_file(plan)
                .map_err(|source| GenerateError::Io { path: text::path(&plan.path), source })?;
            bytes.fetch_add(written.bytes, Relaxed);
            if let Some(line) = written.needle_line {
                needle_line.store(line, Relaxed);
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        // A panic of a writer is a panic of the program: it has no other way to fail.
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
