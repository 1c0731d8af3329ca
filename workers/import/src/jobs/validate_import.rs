//! `validate_import`: which files of a folder can be imported, and what is wrong with the others.

use std::path::Path;

use async_trait::async_trait;
use drover_worker::{Job, JobContext, JobFailure, LogLevel, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{IO, blocking, invalid};
use crate::{
    limits::{BAD_FILES_IN_RESULT_BYTES, DEFAULT_ERRORS_PER_FILE, MAX_ERRORS_PER_FILE, WARNINGS},
    meter::Meter,
    roots::Roots,
    row_schema::RowSchema,
    source::{FindError, KNOWN_ENDINGS, SourceFile, find},
    text::{count, quotable},
    validate::{BadFile, Finding, Rules, validate_file},
};

/// Finds the files of a folder and checks them: encoding, header, shape of the rows, and optionally a JSON Schema.
#[derive(Clone, Debug, Default)]
pub struct ValidateImport {
    /// Where it may read.
    pub roots: Roots,
}

/// What is to be validated.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateParams {
    /// Absolute path of a folder, or of one file.
    pub import_path: String,
    /// JSON Schema that every row must satisfy. It sees the row after typing.
    #[serde(default)]
    pub schema: Option<Map<String, Value>>,
    /// How many errors are listed per file; the rest is counted.
    #[serde(default = "default_errors_per_file")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_errors_per_file: u32,
    /// Whether links are followed, as far as they stay within the folder.
    #[serde(default)]
    pub follow_links: bool,
    /// How many bad rows a file may have and still be imported; they are rejected while processing.
    #[serde(default)]
    pub allow_bad_rows: u64,
}

const fn default_errors_per_file() -> u32 {
    DEFAULT_ERRORS_PER_FILE
}

/// What was found. The list of good files travels as items under the name `file_list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidateResult {
    /// Files with a known ending, good and bad.
    pub total_files: u64,
    /// Files that can be imported.
    pub valid_files: u64,
    /// Files that cannot.
    pub invalid_files: u64,
    /// Good rows of the good files.
    pub total_rows: u64,
    /// Bad rows of the good files, as far as they are allowed.
    pub bad_rows: u64,
    /// Files with another ending, and links that are not followed.
    pub ignored_files: u64,
    /// The first bad files, with their first errors.
    pub bad_files: Vec<BadFile>,
    /// How many further bad files there are. If there are any, the items `bad_files` list all of them.
    pub more_bad_files: u64,
}

/// Everything that validation gathers: small entries per file, nothing per row.
#[derive(Debug, Default)]
struct Findings {
    result: ValidateResult,
    good: Vec<SourceFile>,
    bad: Vec<BadFile>,
}

#[async_trait]
impl Job for ValidateImport {
    const TYPE: &'static str = "validate_import";
    const TITLE: &'static str = "Validate import files";
    const UNIT: Option<&'static str> = Some("files");
    type Params = ValidateParams;
    type Result = ValidateResult;

    async fn run(&self, ctx: &JobContext, params: ValidateParams) -> Result<Outcome<ValidateResult>, JobFailure> {
        let path = self.roots.check("import_path", &params.import_path).map_err(invalid)?;
        if !(1..=MAX_ERRORS_PER_FILE).contains(&params.max_errors_per_file) {
            let given = params.max_errors_per_file;
            return Err(invalid(format!("max_errors_per_file: {given} is not within 1 to {MAX_ERRORS_PER_FILE}")));
        }
        let rules = Rules {
            schema: params.schema.as_ref().map(RowSchema::new).transpose().map_err(invalid)?,
            max_errors_per_file: params.max_errors_per_file as usize,
            allow_bad_rows: params.allow_bad_rows,
        };
        let (findings, failure) =
            blocking::run(ctx, move |meter| validate(&path, params.follow_links, &rules, meter)).await?;
        if let Some(failure) = failure {
            // Where not even the folder could be read, there is no partial result: "0 files" would read like a finding.
            let is_partial = findings.result.total_files > 0;
            return Err(if is_partial { failure.with_partial(findings.result) } else { failure });
        }
        log_bad_files(ctx, &findings.bad);
        ctx.message(format!("{} of {} files are valid", findings.result.valid_files, findings.result.total_files));
        ctx.items("file_list", &findings.good).await?;
        if findings.result.more_bad_files > 0 {
            ctx.items("bad_files", &findings.bad).await?;
        }
        let warnings = warnings(&findings);
        Ok(if warnings.is_empty() {
            Outcome::Completed(findings.result)
        } else {
            Outcome::CompletedWithWarnings(findings.result, warnings)
        })
    }
}

fn validate(path: &Path, follow_links: bool, rules: &Rules, meter: &Meter) -> (Findings, Option<JobFailure>) {
    let mut findings = Findings::default();
    let failure = gather(path, follow_links, rules, meter, &mut findings).err();
    findings.finish();
    (findings, failure)
}

fn gather(
    path: &Path,
    follow_links: bool,
    rules: &Rules,
    meter: &Meter,
    findings: &mut Findings,
) -> Result<(), JobFailure> {
    meter.say("Looking for files");
    let found = find(path, follow_links, meter).map_err(find_failure)?;
    let total = (found.files.len() + found.unusable.len()) as u64;
    meter.expect(found.files.iter().map(|file| file.size_bytes).sum(), total);
    meter.add_units(found.unusable.len() as u64);
    findings.result.total_files = total;
    findings.result.ignored_files = found.ignored;
    findings.bad.extend(found.unusable.into_iter().map(BadFile::from));
    for file in &found.files {
        meter.say(format!("Checking {}", quotable(&file.path, 300)));
        match validate_file(file, rules, meter).map_err(|_| JobFailure::cancelled())? {
            Finding::Bad(bad) => findings.bad.push(bad),
            Finding::Good { file, bad_rows } => {
                findings.result.total_rows += file.rows.unwrap_or(0);
                findings.result.bad_rows += bad_rows;
                findings.good.push(file);
            }
        }
        meter.add_units(1);
    }
    Ok(())
}

fn find_failure(error: FindError) -> JobFailure {
    match error {
        FindError::Cancelled(_) => JobFailure::cancelled(),
        FindError::Unreadable { .. } => JobFailure::permanent(IO, error.to_string()),
        FindError::UnknownFile { .. } => invalid(error),
    }
}

impl Findings {
    /// Sorts the bad files and puts as many of them into the result as a message can carry.
    fn finish(&mut self) {
        self.bad.sort_by(|a, b| a.path.cmp(&b.path));
        self.result.valid_files = self.good.len() as u64;
        self.result.invalid_files = self.bad.len() as u64;
        let mut room = BAD_FILES_IN_RESULT_BYTES;
        for bad in &self.bad {
            let bytes = serde_json::to_vec(bad).map_or(usize::MAX, |json| json.len());
            let Some(rest) = room.checked_sub(bytes) else { break };
            room = rest;
            self.result.bad_files.push(bad.clone());
        }
        self.result.more_bad_files = (self.bad.len() - self.result.bad_files.len()) as u64;
    }
}

fn warnings(findings: &Findings) -> Vec<String> {
    let result = &findings.result;
    let mut warnings = Vec::new();
    if result.total_files == 0 {
        let ignored = count(result.ignored_files, "other file");
        warnings.push(format!("no file has a known ending ({KNOWN_ENDINGS}); {ignored} left out"));
    }
    if result.bad_rows > 0 {
        warnings.push(format!("{} will be rejected, as allow_bad_rows allows", count(result.bad_rows, "bad row")));
    }
    if result.invalid_files > 0 {
        warnings.push(format!("{} of {} left out:", count(result.invalid_files, "bad file"), result.total_files));
    }
    let room = WARNINGS.saturating_sub(warnings.len());
    warnings.extend(findings.bad.iter().take(room).map(one_line));
    warnings
}

fn log_bad_files(ctx: &JobContext, bad: &[BadFile]) {
    for file in bad.iter().take(WARNINGS) {
        ctx.log(LogLevel::Warn, format!("bad file: {}", one_line(file)));
    }
    if bad.len() > WARNINGS {
        ctx.log(
            LogLevel::Warn,
            format!("and {} more bad files; the list bad_files has them all", bad.len() - WARNINGS),
        );
    }
}

fn one_line(file: &BadFile) -> String {
    let first = file.errors.first().map(ToString::to_string).unwrap_or_default();
    let others = file.errors.len().saturating_sub(1) as u64 + file.more;
    let more = if others == 0 { String::new() } else { format!(" (and {})", count(others, "more error")) };
    format!("{}: {first}{more}", quotable(&file.path, 500))
}
