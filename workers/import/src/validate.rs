//! Reads files to find out which of them are good.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, FaultKind, ReadError},
    meter::{Cancelled, Meter},
    row_schema::RowSchema,
    rows::{Record, RowReader},
    source::{Found, SourceFile, Unusable},
};

/// What makes a file bad.
#[derive(Debug)]
pub struct Rules {
    /// What every row must satisfy.
    pub schema: Option<RowSchema>,
    /// How many faults are listed per file; the rest is counted.
    pub max_errors_per_file: usize,
    /// How many bad rows a file may have and still be good.
    pub allow_bad_rows: u64,
}

/// A file that will not be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadFile {
    /// Absolute path.
    pub path: String,
    /// The first faults in order of the lines; before them the one that ended the reading, if one did.
    pub errors: Vec<Fault>,
    /// How many further faults there are.
    pub more: u64,
}

/// What a look at a file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is to be imported. `bad_rows` of its rows will be rejected.
    Good {
        /// The entry for the list of files.
        file: SourceFile,
        /// Bad rows, at most [`Rules::allow_bad_rows`].
        bad_rows: u64,
    },
    /// It is not.
    Bad(BadFile),
}

/// Reads one file from begin to end, in constant memory.
///
/// # Errors
/// [`Cancelled`]; everything else is a [`Finding`].
pub fn validate_file(found: &Found, rules: &Rules, meter: &Meter) -> Result<Finding, Cancelled> {
    let mut faults = Faults { listed: Vec::new(), more: 0, limit: rules.max_errors_per_file.max(1) };
    let mut counts = Counts::default();
    let is_whole = match read_all(found, rules, meter, &mut counts, &mut faults) {
        Ok(()) => true,
        Err(ReadError::Cancelled) => return Err(Cancelled),
        Err(ReadError::Fault(fault)) => {
            faults.add_cause(fault);
            false
        }
    };
    if is_whole && counts.bad <= rules.allow_bad_rows {
        let file = SourceFile {
            path: found.path.clone(),
            format: Some(found.format),
            compression: Some(found.compression),
            size_bytes: Some(found.size_bytes),
            rows: Some(counts.good),
        };
        return Ok(Finding::Good { file, bad_rows: counts.bad });
    }
    Ok(Finding::Bad(BadFile { path: found.path.clone(), errors: faults.listed, more: faults.more }))
}

#[derive(Default)]
struct Counts {
    good: u64,
    bad: u64,
}

fn read_all(
    found: &Found,
    rules: &Rules,
    meter: &Meter,
    counts: &mut Counts,
    faults: &mut Faults,
) -> Result<(), ReadError> {
    let mut reader = RowReader::open(Path::new(&found.path), found.format, found.compression, meter)?;
    let mut json = Vec::new();
    while let Some(record) = reader.next_record()? {
        let fault = match record {
            Record::Bad(bad) => Some(Fault::on_line(bad.line, bad.kind, bad.message)),
            Record::Row(row) => rules.schema.as_ref().and_then(|schema| {
                json.clear();
                row.write_json(&mut json);
                schema.complaint(&json).map(|complaint| Fault::on_line(row.line, FaultKind::Schema, complaint))
            }),
        };
        match fault {
            None => counts.good += 1,
            Some(fault) => {
                counts.bad += 1;
                faults.add(fault);
            }
        }
    }
    Ok(())
}

/// A bounded list.
struct Faults {
    listed: Vec<Fault>,
    more: u64,
    limit: usize,
}

impl Faults {
    fn add(&mut self, fault: Fault) {
        if self.listed.len() < self.limit {
            self.listed.push(fault);
        } else {
            self.more += 1;
        }
    }

    /// The fault that ended the reading comes first, even if the list is full: damaged gzip data explains the odd rows
    /// that were read before it was noticed.
    fn add_cause(&mut self, fault: Fault) {
        if self.listed.len() == self.limit {
            self.listed.pop();
            self.more += 1;
        }
        self.listed.insert(0, fault);
    }
}

impl From<Unusable> for BadFile {
    fn from(unusable: Unusable) -> Self {
        Self { path: unusable.path, errors: vec![unusable.fault], more: 0 }
    }
}
