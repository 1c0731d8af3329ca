//! Jobs as the pages read them, from what the API shows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use drover_engine::view::Metadata;
use drover_protocol::{JobError, JobId, JobStatus};
use serde::Deserialize;
use serde_json::Value;

use crate::store::StoreError;

/// A job.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Job {
    pub(super) id: JobId,
    #[serde(rename = "type")]
    pub(super) job_type: String,
    pub(super) title: Option<String>,
    pub(super) status: JobStatus,
    /// Percent.
    pub(super) progress: f64,
    pub(super) message: Option<String>,
    pub(super) processed: Option<i64>,
    pub(super) total: Option<i64>,
    pub(super) attempt: u32,
    pub(super) parent_id: Option<JobId>,
    pub(super) root_id: JobId,
    pub(super) step: Option<String>,
    pub(super) batch_index: Option<i64>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) paused: bool,
    pub(super) error: Option<JobError>,
    pub(super) is_workflow: bool,
    /// What it waits for, if no worker takes it.
    pub(super) wait_for: Option<String>,
    /// Which round of its step it is.
    pub(super) round: u32,
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) params: Value,
    #[serde(default)]
    pub(super) result: Value,
}

impl Job {
    /// Reads what the database says.
    pub(super) fn read(view: Value) -> Result<Self, StoreError> {
        serde_json::from_value(view)
            .map_err(|error| StoreError::Corrupt { what: "a job".into(), reason: error.to_string() })
    }

    /// What a person calls it.
    pub(super) fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.job_type)
    }

    /// What tells it apart at a glance: ids of the same second begin alike.
    pub(super) fn short_id(&self) -> String {
        short(self.id)
    }

    /// `Step 3/7: Analyze scenes`.
    pub(super) fn step_line(&self) -> Option<String> {
        let metadata = self.metadata.as_ref()?;
        let Metadata { current_step, total_steps, step_name, .. } = metadata;
        let begun = metadata.steps.iter().any(|step| step.started_at.is_some());
        (begun && current_step <= total_steps).then(|| format!("Step {current_step}/{total_steps}: {step_name}"))
    }

    /// What it does, beside the step that is shown anyway. Of a pause or a cancel its reason tells more.
    pub(super) fn words(&self) -> Option<&str> {
        if self.is_workflow && (self.paused || self.status == JobStatus::Cancelling) {
            return None;
        }
        let message = self.message.as_deref().filter(|message| !message.is_empty())?;
        let Some(metadata) = &self.metadata else { return Some(message) };
        if self.step_line().as_deref() == Some(message) {
            return None;
        }
        message.strip_prefix(metadata.step_name.as_str()).and_then(|rest| rest.strip_prefix(": ")).or(Some(message))
    }
}

/// The end of an id.
pub(super) fn short(id: JobId) -> String {
    let text = id.to_string();
    text.get(text.len().saturating_sub(8)..).unwrap_or(&text).to_owned()
}
