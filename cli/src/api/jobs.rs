//! Jobs, and what is kept of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_protocol::{JobError, JobId, JobStatus, LogLevel, StepStatus};
use serde::Deserialize;
use serde_json::{Map, Value};

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
    /// What it waits for, if no worker takes it.
    #[serde(default)]
    pub(crate) wait_for: Option<String>,
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
            // What waits for an answer runs nowhere.
            [] => self.status != JobStatus::Pending && self.wait_for.is_none(),
            steps => steps.iter().any(|step| step.running > 0),
        };
        self.paused && !works
    }

    /// Why a step of it was skipped, as the result says once there is one.
    pub(crate) fn skipped(&self, step: &Step) -> Option<&str> {
        let error = self.result.as_ref()?.get("steps")?.get(&step.key)?.get("error")?;
        error.get("message").and_then(Value::as_str).filter(|_| step.status == StepStatus::Skipped)
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
    /// How many lines before the first of all are deleted by now; said with the first page.
    #[serde(default)]
    pub(crate) expired: u64,
    /// An id to ask for what comes after; a number or a text.
    #[serde(default)]
    pub(crate) next_after: Option<Value>,
    /// Whether more comes after: a page is cut by its bytes, too.
    pub(crate) more: bool,
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
    /// Whether more comes after: a page is cut by its bytes, too.
    pub(crate) more: bool,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::{super::Answer, *};

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
