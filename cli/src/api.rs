//! What the HTTP API answers, as far as the command line reads it. Unknown fields are ignored; with `--json` the answer is
//! passed on whole.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, LogLevel, StepStatus};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// An answer, read and as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    pub(crate) raw: Value,
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads the answer.
    pub(crate) fn read(raw: Value) -> Result<Self, serde_json::Error> {
        Ok(Self { body: T::deserialize(&raw)?, raw })
    }
}

/// Which part of an orchestrator is there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Readiness {
    database: bool,
    migrated: bool,
    broker: bool,
    draining: bool,
    /// Job types of which workers take nothing.
    #[serde(default)]
    paused: Vec<String>,
}

impl Readiness {
    /// Whether it can take and dispatch jobs.
    pub(crate) const fn is_ready(&self) -> bool {
        self.database && self.migrated && self.broker && !self.draining
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let away = [
            (!self.database, "the database is away"),
            (self.database && !self.migrated, "the database has no schema yet"),
            (!self.broker, "the broker is away"),
            (self.draining, "it is shutting down"),
        ];
        let away: Vec<&str> = away.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect();
        if away.is_empty() { f.write_str("ready") } else { write!(f, "not ready: {}", away.join(", ")) }?;
        let paused: Vec<&str> = self.paused.iter().map(|name| paused_name(name)).collect();
        if paused.is_empty() { Ok(()) } else { write!(f, "; paused: {}", paused.join(", ")) }
    }
}

/// A job as every list and page has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct JobView {
    pub(crate) id: JobId,
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) status: JobStatus,
    #[serde(default)]
    pub(crate) progress: f64,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) processed: Option<u64>,
    #[serde(default)]
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) parent_id: Option<JobId>,
    #[serde(default)]
    pub(crate) step: Option<String>,
    #[serde(default)]
    pub(crate) batch_index: Option<u64>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created_at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) run_at: Option<DateTime<Utc>>,
    /// Nothing new of it is begun.
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) paused_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) error: Option<JobError>,
    /// Why it is where it is; only where one job alone was asked for.
    #[serde(default)]
    pub(crate) why: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    #[serde(default)]
    pub(crate) result: Option<Value>,
}

impl JobView {
    /// What a person calls the job.
    pub(crate) fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.job_type)
    }

    /// The steps of a workflow.
    pub(crate) fn steps(&self) -> &[Step] {
        self.metadata.as_ref().map_or(&[], |metadata| &metadata.steps)
    }

    /// Whether it is paused and nothing of it runs any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        let works = match self.steps() {
            [] => self.status != JobStatus::Pending,
            steps => steps.iter().any(|step| step.running > 0),
        };
        self.paused && !works
    }

    /// The numbers that a workflow's definition sums up.
    pub(crate) fn summary(&self) -> Option<&Map<String, Value>> {
        self.result.as_ref()?.get("summary")?.as_object()
    }
}

/// Where a workflow stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) current_step: Option<usize>,
    pub(crate) message: Option<String>,
    pub(crate) steps: Vec<Step>,
}

/// Where a step of it stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) status: StepStatus,
    #[serde(default)]
    pub(crate) progress: f64,
    #[serde(default)]
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) done: u64,
    #[serde(default)]
    pub(crate) failed: u64,
    #[serde(default)]
    pub(crate) running: u64,
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl Step {
    /// What a person calls the step.
    pub(crate) fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.key)
    }
}

/// A page of jobs.
#[derive(Debug, Deserialize)]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<JobView>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// The answer to a submission.
#[derive(Debug, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) id: JobId,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

/// A page of log lines.
#[derive(Debug, Deserialize)]
pub(crate) struct Logs {
    pub(crate) logs: Vec<LogLine>,
    /// An id to ask for what comes after; a number or a text.
    #[serde(default)]
    pub(crate) next_after: Option<Value>,
}

/// A log line of a job or of one of its sub-jobs.
#[derive(Debug, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) at: DateTime<Utc>,
    pub(crate) level: LogLevel,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) fields: Map<String, Value>,
    pub(crate) job_id: JobId,
    #[serde(default)]
    pub(crate) job_type: String,
}

/// A page of what happened to a job.
#[derive(Debug, Deserialize)]
pub(crate) struct History {
    pub(crate) events: Vec<HistoryEvent>,
    #[serde(default)]
    pub(crate) next_after: Option<Value>,
}

/// One thing that happened.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryEvent {
    pub(crate) at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) job_id: Option<JobId>,
    #[serde(default)]
    pub(crate) attempt: Option<u32>,
    #[serde(default)]
    pub(crate) dispatch: Option<u32>,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) detail: Value,
}

/// What came of a replay.
#[derive(Debug, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) inputs: u64,
    pub(crate) jobs: u64,
    pub(crate) unfinished: u64,
    pub(crate) differences: Vec<Difference>,
    pub(crate) more_differences: u64,
}

impl Replayed {
    /// Whether nothing differs.
    pub(crate) fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.more_differences == 0
    }
}

/// A field that is not what the history leads to.
#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    pub(crate) job_id: JobId,
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) stored: Value,
    #[serde(default)]
    pub(crate) rebuilt: Value,
}

/// All definitions.
#[derive(Debug, Deserialize)]
pub(crate) struct Definitions {
    pub(crate) definitions: Vec<Definition>,
}

/// A registered definition.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) steps: Option<u64>,
    /// The definition itself, where one alone was asked for.
    #[serde(default)]
    pub(crate) definition: Value,
}

/// The answer to a definition that was put.
#[derive(Debug, Deserialize)]
pub(crate) struct Applied {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) changed: bool,
}

/// All job types that workers announced.
#[derive(Debug, Deserialize)]
pub(crate) struct Types {
    pub(crate) types: Vec<TypeView>,
}

/// A job type.
#[derive(Debug, Deserialize)]
pub(crate) struct TypeView {
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) live_workers: u64,
    #[serde(default)]
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) paused_at: Option<DateTime<Utc>>,
}

/// Everything that is paused beside jobs.
#[derive(Debug, Deserialize)]
pub(crate) struct Pauses {
    pub(crate) paused: Vec<PauseView>,
}

/// A paused job type, or one that is not.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PauseView {
    /// `*`: every type.
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) workers: Acknowledged,
}

/// How many workers have heard of a pause.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Acknowledged {
    pub(crate) live: u64,
    pub(crate) acknowledged: u64,
    /// Their program knows no pauses.
    pub(crate) unaware: u64,
}

impl Acknowledged {
    /// How many are yet to say so.
    pub(crate) const fn pending(self) -> u64 {
        self.live.saturating_sub(self.acknowledged).saturating_sub(self.unaware)
    }
}

impl fmt::Display for PauseView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = paused_name(&self.job_type);
        if !self.paused {
            return write!(f, "{name} resumed");
        }
        let Acknowledged { live, acknowledged, unaware } = self.workers;
        write!(f, "{name} paused; {acknowledged} of {live} workers have acknowledged")?;
        if unaware > 0 {
            write!(f, "; {unaware} of an older version go on taking jobs: start them anew with this one")?;
        }
        Ok(())
    }
}

/// What a person calls it.
fn paused_name(name: &str) -> &str {
    if name == "*" { "all job types" } else { name }
}

/// All workers that were seen of late.
#[derive(Debug, Deserialize)]
pub(crate) struct Workers {
    pub(crate) workers: Vec<WorkerView>,
}

/// A worker.
#[derive(Debug, Deserialize)]
pub(crate) struct WorkerView {
    pub(crate) session: String,
    #[serde(default)]
    pub(crate) host: String,
    #[serde(default)]
    pub(crate) version: String,
    /// Names, or objects with a `type`.
    #[serde(default)]
    pub(crate) types: Vec<Value>,
    #[serde(default)]
    pub(crate) concurrency: u64,
    /// A number, or the list of the running jobs.
    #[serde(default)]
    pub(crate) running: Value,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) seen_at: Option<DateTime<Utc>>,
    pub(crate) status: String,
}

/// A page of dead letters.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadLetters {
    pub(crate) messages: Vec<DeadLetter>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A message that nobody could process.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadLetter {
    /// A number or a text.
    pub(crate) id: Value,
    pub(crate) at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) message_id: Option<String>,
    #[serde(default)]
    pub(crate) message_type: Option<String>,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) job_id: Option<String>,
    #[serde(default)]
    pub(crate) redrives: u64,
    /// Its other properties, headers among them.
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    #[serde(default)]
    pub(crate) body: String,
    /// `utf-8` or `base64`.
    #[serde(default)]
    pub(crate) body_encoding: String,
    #[serde(default)]
    pub(crate) body_bytes: u64,
    /// Whether the server keeps only the beginning of the body.
    #[serde(default)]
    pub(crate) truncated: bool,
}

/// What became of a letter that was sent again.
#[derive(Debug, Deserialize)]
pub(crate) struct Redriven {
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) job_id: Option<String>,
}

/// What a request about many did, and where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct Swept {
    pub(crate) matched: u64,
    pub(crate) done: u64,
    #[serde(default)]
    pub(crate) refused: Vec<Value>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// What was recovered, and where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct Recovered {
    pub(crate) redispatched: u64,
    pub(crate) retried: u64,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// An error of the API (`application/problem+json`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: Option<String>,
    pub(crate) kind: Option<String>,
    /// JSON pointer of the one field that is to blame.
    pub(crate) field: Option<String>,
    pub(crate) errors: Vec<ProblemEntry>,
    pub(crate) job_status: Option<JobStatus>,
    /// The answer as it came.
    #[serde(skip)]
    pub(crate) raw: Value,
    /// The answer's header `Retry-After`, in seconds.
    #[serde(skip)]
    pub(crate) retry_after_seconds: Option<u64>,
}

/// One of several errors: of a parameter (with a pointer) or of a definition (with a place in the file).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemEntry {
    pub(crate) pointer: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) path: Option<String>,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.detail.as_deref().filter(|detail| !detail.is_empty()).unwrap_or(&self.title);
        match self.field.as_deref().filter(|field| !field.is_empty() && !text.contains(field)) {
            Some(field) => write!(f, "{field}: {text}")?,
            None => f.write_str(text)?,
        }
        self.errors.iter().try_for_each(|entry| write!(f, "\n  {entry}"))
    }
}

impl fmt::Display for ProblemEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            f.write_str(source)?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            f.write_str(": ")?;
        }
        let place = self.pointer.as_deref().or(self.path.as_deref());
        match place {
            Some(place) if !place.is_empty() => write!(f, "{place}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_shows_each_error_on_a_line() {
        let problem: Problem = serde_json::from_value(json!({
            "type": "/problems/invalid_params", "title": "Invalid parameters", "status": 422, "kind": "invalid_params",
            "detail": "the parameters do not fit data_import",
            "errors": [
                { "pointer": "/import_path", "message": "is missing" },
                { "source": "a.yaml", "line": 3, "column": 7, "path": "steps[0].job", "message": "unknown key" },
                { "pointer": "", "message": "is no object" },
            ],
        }))
        .unwrap();
        assert_eq!(
            problem.to_string(),
            "the parameters do not fit data_import\n  /import_path: is missing\n  a.yaml:3:7: steps[0].job: unknown key\n  \
             is no object"
        );
    }

    #[test]
    fn a_problem_names_its_field_once() {
        let problem =
            |detail: &str| Problem { detail: Some(detail.into()), field: Some("/type".into()), ..Problem::default() };
        assert_eq!(problem("is missing").to_string(), "/type: is missing");
        assert_eq!(problem("/type is missing").to_string(), "/type is missing");
    }

    #[test]
    fn a_job_of_a_later_version_is_read() {
        let id = "01980c5e-7a00-7d10-8b6e-3f6f3ad3a001";
        let raw = json!({
            "id": id, "type": "t", "status": "running", "created_at": "2026-07-26T12:00:00Z", "news": 1,
            "metadata": { "current_step": 1, "steps": [{ "key": "a", "status": "running", "news": 2 }], "news": 3 },
        });
        let answer = Answer::<JobView>::read(raw.clone()).unwrap();
        assert_eq!(answer.body.steps()[0].name(), "a");
        assert_eq!(answer.raw, raw);
    }
}
